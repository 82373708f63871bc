/** Light or dark: as the system says, until somebody says otherwise. */
import { signal } from "@preact/signals";
import { keepWish, keptWish } from "./stored.ts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = signal<Theme>(THEMES.find((one) => one === keptWish("theme")) ?? "system");

export function wear(chosen: Theme): void {
  theme.value = chosen;
  keepWish("theme", chosen);
  showTheme();
}

export function showTheme(): void {
  const chosen = theme.value;
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}
