/** Which files of a tree are meant: `include` and `exclude` patterns on paths with '/'. */
import { FerryError } from "../errors.ts";

const PATTERN_LENGTH_MAX = 512;

/**
 * A pattern without '/' matches a file or folder name at any depth; one with '/' matches from the root. `*` and `?` stay within a part,
 * `**` crosses parts. A pattern that matches a folder matches everything below it.
 */
export function pathFilter(include: readonly string[] = [], exclude: readonly string[] = []): (path: string) => boolean {
  const wanted = include.map(compile);
  const unwanted = exclude.map(compile);
  return (path) => (wanted.length === 0 || wanted.some((matches) => matches(path))) && !unwanted.some((matches) => matches(path));
}

function compile(pattern: string): (path: string) => boolean {
  const trimmed = pattern.replace(/^\.\//, "").replace(/\/+$/, "");
  if (trimmed === "" || trimmed.length > PATTERN_LENGTH_MAX) {
    throw new FerryError("USAGE_INVALID", { problem: `the pattern '${pattern}' is empty or longer than ${PATTERN_LENGTH_MAX} characters` });
  }
  const parts = trimmed.split("/").filter((part) => part !== "");
  const anchored = trimmed.includes("/") ? parts : ["**", ...parts];
  return (path) => matchesParts(anchored, path.split("/"));
}

/**
 * Dynamic programming over parts, so that no pattern takes longer than pattern times path. `reached[at]`: the pattern so far may end
 * before part `at` of the path. True as soon as the whole pattern is used: what is left of the path lies below a matched folder.
 */
function matchesParts(pattern: readonly string[], path: readonly string[]): boolean {
  let reached = [true, ...path.map(() => false)];
  for (const part of pattern) reached = part === "**" ? anyDepth(reached) : oneDeeper(reached, part, path);
  return reached.slice(1).some(Boolean);
}

/** From any place reached to every later one. */
function anyDepth(reached: readonly boolean[]): boolean[] {
  const first = reached.indexOf(true);
  return reached.map((_, at) => first >= 0 && at >= first);
}

function oneDeeper(reached: readonly boolean[], part: string, path: readonly string[]): boolean[] {
  return reached.map((_, at) => at > 0 && reached[at - 1] === true && matchesPart(part, path[at - 1] ?? ""));
}

/** Linear two-pointer match of `*` and `?` within one part. */
function matchesPart(glob: string, text: string): boolean {
  let [g, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (glob[g] === "*") [star, mark] = [g++, t];
    else if (g < glob.length && (glob[g] === "?" || glob[g] === text[t])) [g, t] = [g + 1, t + 1];
    else if (star >= 0) [g, t] = [star + 1, ++mark];
    else return false;
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}
