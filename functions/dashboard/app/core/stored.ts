/** What the browser keeps: the token for this tab only, how the console looks for longer. Storage may be forbidden; then nothing is kept. */

const TOKEN = "modelferry-token";

export function keptToken(): string | null {
  return attempt(() => sessionStorage.getItem(TOKEN));
}

/** Null: forgets it. */
export function keepToken(token: string | null): void {
  attempt(() => (token === null ? sessionStorage.removeItem(TOKEN) : sessionStorage.setItem(TOKEN, token)));
}

export function keptWish(name: "language" | "theme"): string | null {
  return attempt(() => localStorage.getItem(`modelferry-${name}`));
}

export function keepWish(name: "language" | "theme", value: string): void {
  attempt(() => localStorage.setItem(`modelferry-${name}`, value));
}

function attempt<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}
