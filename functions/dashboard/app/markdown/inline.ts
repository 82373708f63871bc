/** Text within a line of Markdown, as a tree of plain data: nothing in it is markup any more. HTML stays the text that it is. */

export type Inline =
  | { is: "text"; text: string }
  | { is: "code"; text: string }
  | { is: "strong" | "em" | "del"; inside: Inline[] }
  | { is: "link"; href: string; inside: Inline[] }
  | { is: "image"; href: string | null; alt: string }
  | { is: "break" };

const DEPTH_MAX = 6;
const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "del"],
  ["*", "em"],
  ["_", "em"],
] as const;
const LINK = /^(!?)\[((?:[^[\]\\]|\\.){0,1000})\]\(\s*<?([^\s()<>]{0,2000})>?(?:\s+(?:"[^"]{0,500}"|'[^']{0,500}'))?\s*\)/;
const BARE = /^https?:\/\/[^\s<>"'`)\]]{1,2000}/;
const AUTO = /^<(https?:\/\/[^\s<>]{1,2000}|mailto:[^\s<>]{1,300})>/;
const SPECIAL = /[\\`*_~![<h\n]/;

/** Only what opens a page or a letter; scripts, data and addresses below the console are none. */
export function safeHref(href: string): string | null {
  if (!URL.canParse(href)) return null;
  const { protocol, href: whole } = new URL(href);
  return protocol === "https:" || protocol === "http:" || protocol === "mailto:" ? whole : null;
}

export function parseInline(text: string, depth = 0): Inline[] {
  return new InlineParser(text, depth).run();
}

class InlineParser {
  readonly #text: string;
  readonly #depth: number;
  readonly #out: Inline[] = [];
  /** Marks that don't come any more: looked for once, so that a line of opening marks costs no square. */
  readonly #gone = new Set<string>();
  #at = 0;
  #plain = "";

  constructor(text: string, depth: number) {
    this.#text = text;
    this.#depth = depth;
  }

  run(): Inline[] {
    while (this.#at < this.#text.length) {
      if (!this.#special()) this.#take(this.#stretch());
    }
    this.#flush();
    return this.#out;
  }

  /** Up to what may mean something. */
  #stretch(): number {
    const next = this.#text.slice(this.#at + 1, this.#at + 4096).search(SPECIAL);
    return next < 0 ? Math.min(4095, this.#text.length - this.#at) : next + 1;
  }

  #special(): boolean {
    switch (this.#text[this.#at]) {
      case "\\":
        return this.#escaped();
      case "`":
        return this.#code();
      case "*":
      case "_":
      case "~":
        return this.#marked();
      case "!":
      case "[":
        return this.#link();
      case "<":
        return this.#address(AUTO, 1);
      case "h":
        return this.#address(BARE, 0);
      case "\n":
        return this.#lineEnd();
      default:
        return false;
    }
  }

  #escaped(): boolean {
    const next = this.#text[this.#at + 1];
    if (next === undefined || !/[!-/:-@[-`{-~]/.test(next)) return false;
    this.#plain += next;
    this.#at += 2;
    return true;
  }

  #code(): boolean {
    const [ticks = ""] = /^`+/.exec(this.#text.slice(this.#at, this.#at + 64)) ?? [];
    const end = this.#find(ticks, this.#at + ticks.length);
    if (end < 0) return false;
    this.#push({ is: "code", text: this.#text.slice(this.#at + ticks.length, end).trim() }, end + ticks.length);
    return true;
  }

  #marked(): boolean {
    const found = MARKS.find(([mark]) => this.#text.startsWith(mark, this.#at));
    if (found === undefined || this.#depth >= DEPTH_MAX) return false;
    const [mark, is] = found;
    const start = this.#at + mark.length;
    const inWord = mark.startsWith("_") && /\w/.test(this.#text[this.#at - 1] ?? "");
    const end = inWord || /\s/.test(this.#text[start] ?? " ") ? -1 : this.#find(mark, start + 1);
    if (end < 0) return false;
    this.#push({ is, inside: parseInline(this.#text.slice(start, end), this.#depth + 1) }, end + mark.length);
    return true;
  }

  #link(): boolean {
    const [whole, image, inside = "", target = ""] = LINK.exec(this.#text.slice(this.#at, this.#at + 4096)) ?? [];
    if (whole === undefined) return false;
    const href = safeHref(target);
    const end = this.#at + whole.length;
    if (image === "!") this.#push({ is: "image", href, alt: inside }, end);
    else if (href === null) this.#push({ is: "em", inside: [{ is: "text", text: inside }] }, end);
    else this.#push({ is: "link", href, inside: parseInline(inside, DEPTH_MAX) }, end);
    return true;
  }

  #address(pattern: RegExp, group: 0 | 1): boolean {
    if (this.#depth >= DEPTH_MAX) return false;
    const found = pattern.exec(this.#text.slice(this.#at, this.#at + 2100));
    const href = found === null ? null : safeHref(found[group] ?? "");
    if (found === null || href === null) return false;
    this.#push({ is: "link", href, inside: [{ is: "text", text: found[group] ?? "" }] }, this.#at + found[0].length);
    return true;
  }

  #lineEnd(): boolean {
    const hard = /( {2}|\\)$/.test(this.#plain);
    this.#plain = this.#plain.replace(/[ \\]+$/, "");
    if (hard) this.#push({ is: "break" }, this.#at + 1);
    else {
      this.#plain += " ";
      this.#at++;
    }
    return true;
  }

  #find(mark: string, from: number): number {
    if (this.#gone.has(mark)) return -1;
    const at = this.#text.indexOf(mark, from);
    if (at < 0) this.#gone.add(mark);
    return at;
  }

  #take(count: number): void {
    this.#plain += this.#text.slice(this.#at, this.#at + count);
    this.#at += count;
  }

  #push(inline: Inline, end: number): void {
    this.#flush();
    this.#out.push(inline);
    this.#at = end;
  }

  #flush(): void {
    if (this.#plain !== "") this.#out.push({ is: "text", text: this.#plain });
    this.#plain = "";
  }
}
