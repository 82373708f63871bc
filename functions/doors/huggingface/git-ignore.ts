/** Patterns of .gitignore, as far as uploads have use for them: `*`, `**`, `?`, a slash at either end, `!`. Matching is linear in time. */
const PATTERNS_MAX = 1_000;

export function ignorer(text: string): (path: string) => boolean {
  const rules = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .slice(0, PATTERNS_MAX)
    .map(ruleOf);
  return (path) => rules.reduce((ignored, { isNegated, matches }) => (matches(path) ? !isNegated : ignored), false);
}

function ruleOf(line: string) {
  const isNegated = line.startsWith("!");
  const pattern = (isNegated ? line.slice(1) : line).trimEnd();
  const isFolder = pattern.endsWith("/");
  const parts = pattern.replace(/^\/|\/$/g, "").split("/");
  const isAnchored = pattern.startsWith("/") || parts.length > 1;
  const matches = (path: string) => {
    const names = path.split("/");
    const last = isFolder ? names.length - 1 : names.length;
    for (let start = 0; start < (isAnchored ? 1 : last); start++)
      for (let end = start + 1; end <= last; end++) if (matchesParts(parts, names.slice(start, end))) return true;
    return false;
  };
  return { isNegated, matches };
}

/** Whether parts of a pattern are those of a path; `**` is any number of them. */
function matchesParts(parts: readonly string[], names: readonly string[]): boolean {
  return wildcard(parts.length, names.length, {
    isStar: (at) => parts[at] === "**",
    isSame: (at, name) => matchesPart(parts[at] ?? "", names[name] ?? ""),
  });
}

function matchesPart(part: string, name: string): boolean {
  return wildcard(part.length, name.length, {
    isStar: (at) => part[at] === "*",
    isSame: (at, character) => part[at] === "?" || part[at] === name[character],
  });
}

type Rules = { isStar(at: number): boolean; isSame(at: number, item: number): boolean };

/** Two pointers; of the stars only the last is ever tried again. */
function wildcard(patternLength: number, length: number, { isStar, isSame }: Rules): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < length) {
    if (p < patternLength && isStar(p)) [star, mark, p] = [p, t, p + 1];
    else if (p < patternLength && isSame(p, t)) [p, t] = [p + 1, t + 1];
    else if (star >= 0) [p, t, mark] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  while (p < patternLength && isStar(p)) p++;
  return p === patternLength;
}
