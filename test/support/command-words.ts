/** Whether words that somebody wrote are a command line that `ferry` takes: its command is there, and has these flags. */
import type { Command } from "commander";

/** Words of a line of shell, up to what ends the command; quotes are taken away, `\` at an end joins lines before. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/g)) {
    if (/^(#|[|&;>]|\d?>)/.test(word)) break;
    const end = /^[^"'\\]*;$/.test(word);
    words.push(word.replace(/;$/, "").replace(/^(["'])(.*)\1$/, "$2"));
    if (end) break;
  }
  return words;
}

/** @param words what follows `ferry`. Null: nothing is wrong with them. */
export function commandProblem(program: Command, words: readonly string[]): string | null {
  let command = program;
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] ?? "";
    const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child === undefined) break;
    command = child;
  }
  const rest = words.slice(at);
  const isGroup = command.commands.length > 0 && command.registeredArguments.length === 0;
  const first = rest[0];
  if (isGroup && first !== undefined && !isFlag(first) && !isPlaceholder(first) && !takesDefault(command))
    return `there is no command '${[command.name(), first].join(" ")}'`;
  const known = new Set(flagsOf(program).concat(flagsOf(command), defaultFlags(command), ["-h", "--help"]));
  const unknown = rest
    .filter(isFlag)
    .map((word) => word.split("=")[0] ?? "")
    .find((flag) => !known.has(flag));
  return unknown === undefined ? null : `'${command.name()}' has no ${unknown}`;
}

function isFlag(word: string): boolean {
  return /^--?[A-Za-z]/.test(word);
}

/** `…`, `NAME`, `<name>`, `[options]`. */
function isPlaceholder(word: string): boolean {
  return /^([A-Z…<[]|\.\.\.)/.test(word);
}

function flagsOf(command: Command): string[] {
  return command.options.flatMap(({ long, short }) => [long, short].filter((flag) => flag != null));
}

function defaultOf(command: Command): Command | undefined {
  const name = (command as unknown as { _defaultCommandName?: string | null })._defaultCommandName;
  return command.commands.find((child) => child.name() === name);
}

function takesDefault(command: Command): boolean {
  return defaultOf(command) !== undefined;
}

function defaultFlags(command: Command): string[] {
  const child = defaultOf(command);
  return child === undefined ? [] : flagsOf(child);
}
