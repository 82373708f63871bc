/**
 * The Markdown of model cards, as a tree of plain data. A subset: headings, paragraphs, lists, quotes, tables, code, links. HTML is
 * text like any other, so nothing that a card says can become markup of the console's page.
 */
import { type Inline, parseInline } from "./inline.ts";

export type Block =
  | { is: "heading"; level: number; inside: Inline[] }
  | { is: "paragraph"; inside: Inline[] }
  | { is: "code"; language: string; text: string }
  | { is: "quote"; blocks: Block[] }
  | { is: "list"; ordered: boolean; start: number; items: Block[][] }
  | { is: "table"; head: Inline[][]; rows: Inline[][][] }
  | { is: "rule" };

/** `about`: the front matter's plain lines, `key: value`. */
export type Card = { about: [string, string][]; blocks: Block[] };

const DEPTH_MAX = 6;
const ABOUT_MAX = 40;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]{0,40})/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)(.*)$/;
const INDENTED = /^(?: {2,}|\t)\s*\S/;
const QUOTE = /^ {0,3}> ?/;
const DELIMITERS = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

export function parseCard(text: string): Card {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  const end = lines[0]?.trim() === "---" ? lines.findIndex((line, at) => at > 0 && line.trim() === "---") : -1;
  return { about: end < 0 ? [] : aboutOf(lines.slice(1, end)), blocks: parseBlocks(lines.slice(end + 1), 0) };
}

/** Of YAML only `key: value` and lists of plain words; whatever else there is says nothing here. */
function aboutOf(lines: readonly string[]): [string, string][] {
  const about: [string, string][] = [];
  for (const line of lines) {
    const [, key = "", value = ""] = /^([A-Za-z_][\w -]{0,60}):\s*(.*)$/.exec(line) ?? [];
    const [, item] = /^\s*-\s+([^{}:]{1,200})$/.exec(line) ?? [];
    const last = about.at(-1);
    if (key !== "") about.push([key, value.replace(/^["']|["']$/g, "")]);
    else if (item !== undefined && last !== undefined) last[1] = last[1] === "" ? item : `${last[1]}, ${item}`;
  }
  return about.filter(([, value]) => value !== "").slice(0, ABOUT_MAX);
}

function parseBlocks(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    if ((lines[at] ?? "").trim() === "") at++;
    else {
      const { block, next } = blockAt(lines, at, depth);
      blocks.push(block);
      at = next;
    }
  }
  return blocks;
}

type Taken = { block: Block; next: number };

function blockAt(lines: readonly string[], at: number, depth: number): Taken {
  const line = lines[at] ?? "";
  const heading = HEADING.exec(line);
  if (heading !== null)
    return { block: { is: "heading", level: heading[1]?.length ?? 1, inside: parseInline(heading[2] ?? "") }, next: at + 1 };
  if (FENCE.test(line)) return codeAt(lines, at);
  if (RULE.test(line)) return { block: { is: "rule" }, next: at + 1 };
  if (depth < DEPTH_MAX && QUOTE.test(line)) return quoteAt(lines, at, depth);
  if (depth < DEPTH_MAX && ITEM.test(line)) return listAt(lines, at, depth);
  if (line.includes("|") && DELIMITERS.test(lines[at + 1] ?? "")) return tableAt(lines, at);
  return paragraphAt(lines, at);
}

function codeAt(lines: readonly string[], at: number): Taken {
  const [, fence = "```", language = ""] = FENCE.exec(lines[at] ?? "") ?? [];
  let next = at + 1;
  while (next < lines.length && !(lines[next] ?? "").trim().startsWith(fence)) next++;
  return { block: { is: "code", language, text: lines.slice(at + 1, next).join("\n") }, next: next + 1 };
}

function quoteAt(lines: readonly string[], at: number, depth: number): Taken {
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next] ?? "")) next++;
  const inside = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
  return { block: { is: "quote", blocks: parseBlocks(inside, depth + 1) }, next };
}

/** An item goes on with what is indented below it. */
function listAt(lines: readonly string[], at: number, depth: number): Taken {
  const ordered = isNumbered(lines[at] ?? "");
  const start = Number.parseInt((lines[at] ?? "").trim(), 10) || 1;
  const items: string[][] = [];
  let next = at;
  while (next < lines.length && takeItemLine(items, lines[next] ?? "", lines[next + 1] ?? "", ordered)) next++;
  return { block: { is: "list", ordered, start, items: items.map((item) => parseBlocks(item, depth + 1)) }, next };
}

function isNumbered(line: string): boolean {
  return /^\s*\d/.test(line);
}

/** Whether the line is the list's. */
function takeItemLine(items: string[][], line: string, after: string, ordered: boolean): boolean {
  const [, , mark, , text = ""] = ITEM.exec(line) ?? [];
  if (mark !== undefined && isNumbered(mark) === ordered) items.push([text]);
  else if (INDENTED.test(line)) items.at(-1)?.push(line.replace(/^ {1,4}|^\t/, ""));
  else if (line.trim() === "" && INDENTED.test(after)) items.at(-1)?.push("");
  else return line.trim() === "" && ITEM.test(after);
  return true;
}

function tableAt(lines: readonly string[], at: number): Taken {
  let next = at + 2;
  while (next < lines.length && (lines[next] ?? "").includes("|")) next++;
  const head = cellsOf(lines[at] ?? "");
  const rows = lines.slice(at + 2, next).map((line) => cellsOf(line).slice(0, head.length));
  return { block: { is: "table", head, rows }, next };
}

function cellsOf(line: string): Inline[][] {
  const inner = line.trim().replace(/^\||\|$/g, "");
  return inner.split(/(?<!\\)\|/).map((cell) => parseInline(cell.trim().replaceAll("\\|", "|")));
}

function paragraphAt(lines: readonly string[], at: number): Taken {
  let next = at + 1;
  while (next < lines.length && !endsParagraph(lines[next] ?? "")) next++;
  return {
    block: {
      is: "paragraph",
      inside: parseInline(
        lines
          .slice(at, next)
          .map((line) => line.trimStart())
          .join("\n"),
      ),
    },
    next,
  };
}

function endsParagraph(line: string): boolean {
  return line.trim() === "" || HEADING.test(line) || FENCE.test(line) || QUOTE.test(line) || ITEM.test(line) || RULE.test(line);
}
