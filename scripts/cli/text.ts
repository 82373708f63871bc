/** How values look to people: sizes, times, tables, colours, and foreign text made harmless. */
import { GiB, KiB, MiB, TiB } from "../../shared/units.ts";
import type { Host, OutStream } from "./host.ts";

/** `3.0 GiB`: binary units, two or three digits. */
export function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ["TiB", TiB],
    ["GiB", GiB],
    ["MiB", MiB],
    ["KiB", KiB],
  ] as const) {
    // From the value that would round up to the unit on, so that nobody reads "1024 KiB".
    if (bytes >= size * 0.9995) return `${(bytes / size).toFixed(bytes / size < 99.95 ? 1 : 0)} ${unit}`;
  }
  return `${bytes} B`;
}

/** `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `12 d`. */
export function durationText(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 48 * 3600) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return `${Math.floor(whole / 86_400)} d`;
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** ISO 8601 from the server, to the second: `2026-11-24 10:05:12Z`. */
export function timeText(iso: string): string {
  const [day, time = ""] = plain(iso).split("T");
  return time === "" ? `${day}` : `${day} ${time.slice(0, 8)}Z`;
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this takes out.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text of others on one line, without the characters that move a terminal's cursor, change its title or turn the direction. */
export function plain(text: string): string {
  return text.replace(/[\r\n\t]+/g, " ").replace(UNSAFE, "\ufffd");
}

const SECRETS = /hf_[0-9A-Za-z]{8,}|\b(?:X-Amz-(?:Signature|Credential|Security-Token)|authorization)=[^\s&"']+|Bearer\s+[^\s"']+/gi;

/** A last guard: whatever an error text carries, tokens and signatures do not reach a terminal or a log. */
export function redacted(text: string): string {
  return text.replace(SECRETS, "[secret]");
}

export type Column = { readonly align?: "left" | "right" };

/** Lines of `rows` in columns two spaces apart; the last column is not padded. */
export function table(rows: readonly (readonly string[])[], columns: readonly Column[] = []): string {
  const widths: number[] = [];
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, displayWidth(cell));
  const lines = rows.map((row) =>
    row.map((cell, at) => padded(cell, widths[at] ?? 0, columns[at]?.align, at === row.length - 1)).join("  "),
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function padded(cell: string, width: number, align: Column["align"], last: boolean): string {
  const fill = " ".repeat(width - displayWidth(cell));
  if (align === "right") return fill + cell;
  return last ? cell : cell + fill;
}

/** Two-column list of facts, `key  value`. */
export function facts(pairs: readonly (readonly [string, string | null])[]): string {
  return table(pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null));
}

/** `a=1, b=2`; null when there are none. */
export function pairsText(words: Readonly<Record<string, string>>): string | null {
  const pairs = Object.entries(words).map(([key, value]) => `${plain(key)}=${plain(value)}`);
  return pairs.length === 0 ? null : pairs.sort().join(", ");
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape that begins a colour.
const COLOURS = /\u001b\[\d+m/g;

/** Cells that a terminal gives to `text`: two for East Asian wide characters, none for combining marks and colours. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(COLOURS, "")) {
    if (/\p{Mark}/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

const PAINTS = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;
export type Paint = keyof typeof PAINTS;

/** `text` in a colour, when `stream` is a terminal and nobody objects (https://no-color.org). */
export function painted(host: Host, stream: OutStream, paint: Paint, text: string): string {
  const plainOnly = !stream.isTTY || (host.env["NO_COLOR"] ?? "") !== "" || host.env["TERM"] === "dumb";
  return plainOnly ? text : `\u001b[${PAINTS[paint]}m${text}\u001b[0m`;
}
