/** The console's languages: one dictionary each, with the same keys. */
import { signal } from "@preact/signals";
import { EN } from "../words/en.ts";
import { ZH } from "../words/zh.ts";
import { keepWish, keptWish } from "./stored.ts";

export type Word = keyof typeof EN;
export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;

const DICTIONARIES: Record<Language, Record<Word, string>> = { en: EN, zh: ZH };

export const language = signal<Language>(firstLanguage());

export function speak(chosen: Language): void {
  language.value = chosen;
  keepWish("language", chosen);
  showLanguage();
}

/** Tells the page's language to those who read it aloud. */
export function showLanguage(): void {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
}

/** The word's text in the language of now; `{name}` is filled from `values`. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return DICTIONARIES[language.value][word].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

function firstLanguage(): Language {
  const kept = keptWish("language");
  if (kept === "en" || kept === "zh") return kept;
  return globalThis.navigator?.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}
