/** What was found in files, in words. Secrets are told by their place and kind, never by their text. */
import { type ContentFinding, isDangerous } from "../../shared/content/report.ts";
import { counted, plain } from "./text.ts";

const LINES_MAX = 20;
const NAMES_MAX = 5;

/** One line for each secret and each unsafe file, the worst first. */
export function findingLines(findings: readonly ContentFinding[]): string[] {
  const secrets = findings.flatMap(({ path, secrets }) => secrets.map(({ line, kind }) => `${plain(path)}:${line}: ${kind}`));
  const unsafe = findings.flatMap(({ path, unsafe }) => (unsafe === null ? [] : [{ path, unsafe }]));
  unsafe.sort((a, b) => Number(isDangerous(b.unsafe)) - Number(isDangerous(a.unsafe)));
  return [...secrets, ...unsafe.map(({ path, unsafe }) => `${plain(path)}: ${unsafeText(unsafe)}`)];
}

function unsafeText({ kind, imports, dangerous, problem }: NonNullable<ContentFinding["unsafe"]>): string {
  const what = `${kind === "keras" ? "a model with code in a layer" : "a pickle"}${kind === "pickle" || kind === "keras" ? "" : ` (${kind})`}`;
  const others = imports.filter((name) => !dangerous.includes(name));
  const parts = [
    what,
    dangerous.length > 0 ? `imports ${names(dangerous)}: DANGEROUS` : null,
    others.length > 0 ? `imports ${names(others)}` : null,
    problem === null ? null : `could not be followed: ${problem}`,
  ];
  return parts.filter((part) => part !== null).join("; ");
}

function names(all: readonly string[]): string {
  const told = all.slice(0, NAMES_MAX).map(plain).join(", ");
  return all.length > NAMES_MAX ? `${told} and ${all.length - NAMES_MAX} more` : told;
}

/** For a note beside something else: not all of a long list. */
export function firstLines(lines: readonly string[]): string {
  const more = lines.length - LINES_MAX;
  return [...lines.slice(0, LINES_MAX), ...(more > 0 ? [`… and ${counted(more, "more")}; see \`ferry scan\``] : [])].join("\n");
}
