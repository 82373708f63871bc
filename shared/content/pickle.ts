/**
 * What a pickle would import, found by walking its opcodes: nothing is made, imported or called. Bounded in opcodes, memory and bytes
 * read; long values are stepped over. A pickle that can't be followed to its end says so, and is to be taken for the worst.
 */
import { type ByteSource, Cursor, Malformed } from "../chunking/source.ts";
import { KiB } from "../units.ts";
import { type Argument, OPCODES, type Opcode } from "./pickle-opcodes.ts";
import { Irregular, PickleStack } from "./pickle-stack.ts";

/** `imports`: `module.name`, each once, at most 1,000. `calls`: whether anything is called. `problem`: why it was not followed further. */
export type PickleContent = { imports: string[]; calls: boolean; problem: string | null; stopped: Stop; end: number };
/** `cut`: all bytes were followed, and more must come; `limit`: as many opcodes as are followed. */
export type Stop = "ended" | "broken" | "cut" | "limit";

const OPCODES_MAX = 4_000_000;
const IMPORTS_MAX = 1_000;
const LINE_BYTES_MAX = 16 * KiB;
const WINDOW_BYTES = 64 * KiB;
/** No module's name is longer; longer texts are values like others. */
const TEXT_BYTES_MAX = 512;
/** A global whose name the file makes up as it goes. */
const HIDDEN = "?";

const latin1 = new TextDecoder("latin1");
const INTEGER = /^-?\d{1,4300}L?(?![\s\S])/;
const FLOAT = /^-?(\d+\.?\d*(e[+-]?\d+)?|\.\d+|inf|nan)(?![\s\S])/i;
/** What Python can import; anything else in a text file is no pickle. */
const NAME = /^[A-Za-z_][\w.]*(?![\s\S])/;

/** The pickle that begins at `start`. Throws what the source throws, and nothing else. */
export async function readPickle(source: ByteSource, start: number, end: number): Promise<PickleContent> {
  const walker = new Walker(source, start, end);
  try {
    await walker.walk();
    return walker.content(null, "ended");
  } catch (error) {
    if (error instanceof Irregular || error instanceof Malformed) return walker.content(error.message, stopOf(error));
    throw error;
  }
}

class Exceeded extends Irregular {}

function stopOf(error: Irregular | Malformed): Stop {
  if (error instanceof Malformed) return "cut";
  return error instanceof Exceeded ? "limit" : "broken";
}

class Walker {
  readonly #cursor: Cursor;
  readonly #stack = new PickleStack();
  readonly #imports = new Set<string>();
  #calls = false;
  #isHidden = false;

  constructor(source: ByteSource, start: number, end: number) {
    this.#cursor = new Cursor(source, { start, end, windowBytes: WINDOW_BYTES });
    this.#cursor.seek(start);
  }

  content(problem: string | null, stopped: Stop): PickleContent {
    const hidden = this.#isHidden ? "it imports what it names only while it runs" : null;
    return { imports: [...this.#imports], calls: this.#calls, problem: problem ?? hidden, stopped, end: this.#cursor.position };
  }

  async walk(): Promise<void> {
    const cursor = this.#cursor;
    for (let count = 0; count < OPCODES_MAX; count++) {
      if (cursor.loaded < 1) await cursor.need(1);
      const opcode = OPCODES[cursor.u8()];
      if (opcode === undefined) throw new Irregular("it has an opcode that does not exist");
      const [first, second] = isShort(opcode) ? this.#shortArgument(opcode.argument) : await this.#argument(opcode);
      if (this.#apply(opcode, first, second)) return;
    }
    throw new Exceeded(`it has more than ${OPCODES_MAX} opcodes`);

    function isShort({ argument }: Opcode): boolean {
      return typeof argument === "number" && cursor.loaded >= argument;
    }
  }

  #shortArgument(length: Argument): [string | number | null, string?] {
    const cursor = this.#cursor;
    if (length === 0) return [null];
    if (length === 1) return [cursor.u8()];
    if (length === 2) return [cursor.u16()];
    if (length === 4) return [cursor.u32()];
    cursor.skip(Number(length));
    return [null];
  }

  async #argument({ argument, text }: Opcode): Promise<[string | number | null, string?]> {
    if (argument === "line") return [await this.#line()];
    if (argument === "lines") return [await this.#line(), await this.#line()];
    if (typeof argument === "number") {
      await this.#cursor.need(argument);
      return this.#shortArgument(argument);
    }
    return [await this.#sized(argument, text === true)];
  }

  async #sized(argument: "sized1" | "sized4" | "sized8", isText: boolean): Promise<string | null> {
    const cursor = this.#cursor;
    const width = argument === "sized1" ? 1 : argument === "sized4" ? 4 : 8;
    if (cursor.loaded < width) await cursor.need(width);
    const length = width === 1 ? cursor.u8() : width === 4 ? cursor.u32() : cursor.u64();
    if (length > cursor.remaining) throw new Irregular("a value is longer than the file");
    if (!isText || length > TEXT_BYTES_MAX) {
      cursor.skip(length);
      return null;
    }
    if (cursor.loaded < length) await cursor.need(length);
    return latin1.decode(cursor.bytes(length));
  }

  async #line(): Promise<string> {
    const cursor = this.#cursor;
    let at = cursor.rest().indexOf(0x0a);
    if (at < 0) {
      await cursor.lookAhead(LINE_BYTES_MAX);
      at = cursor.rest().indexOf(0x0a);
    }
    if (at < 0 || at > LINE_BYTES_MAX) throw new Irregular("a line has no end");
    const line = latin1.decode(cursor.bytes(at));
    cursor.skip(1);
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }

  /** True: the pickle ends here. */
  #apply(opcode: Opcode, first: string | number | null, second: string | undefined): boolean {
    const stack = this.#stack;
    if (opcode.act === "stackGlobal") return this.#stackGlobal();
    if (opcode.take === "mark") stack.popToMark();
    else for (let count = 0; count < opcode.take; count++) stack.pop();
    if (opcode.act !== undefined) this.#act(opcode.act, first, second);
    if (opcode.act === "get") return false;
    if (opcode.text) stack.push(textOf(first));
    else for (let count = 0; count < opcode.give; count++) stack.push(null);
    return opcode.act === "stop";
  }

  #act(act: NonNullable<Opcode["act"]>, first: string | number | null, second: string | undefined): void {
    const stack = this.#stack;
    if (act === "mark") stack.mark();
    else if (act === "dup") stack.duplicate();
    else if (act === "put") stack.put(Number(first));
    else if (act === "memoize") stack.memoize();
    else if (act === "get") stack.push(stack.get(Number(first)));
    else if (act === "number") checkNumber(String(first));
    else if (act === "global" || act === "instance") this.#import(String(first), second ?? "");
    // Named by a number that only the loader's own registry knows.
    else if (act === "extension") this.#import("copyreg", `extension_${first}`);
    this.#calls ||= act === "call" || act === "instance";
  }

  #stackGlobal(): boolean {
    const name = this.#stack.pop();
    const module = this.#stack.pop();
    if (name === null || module === null) {
      this.#isHidden = true;
      this.#imports.add(HIDDEN);
    } else this.#import(module, name);
    this.#stack.push(null);
    return false;
  }

  #import(module: string, name: string): void {
    if (!NAME.test(module) || !NAME.test(name)) throw new Irregular("it imports what has no name of Python's");
    if (this.#imports.size >= IMPORTS_MAX) throw new Irregular(`it imports more than ${IMPORTS_MAX} things`);
    this.#imports.add(`${module}.${name}`);
  }
}

/** Python's texts of protocol 0 are quoted. */
function textOf(argument: string | number | null): string | null {
  if (typeof argument !== "string" || argument.length > TEXT_BYTES_MAX) return null;
  return /^(['"])[^\\]*\1$/.test(argument) ? argument.slice(1, -1) : argument;
}

function checkNumber(text: string): void {
  if (!INTEGER.test(text) && !FLOAT.test(text)) throw new Irregular("a number is none");
}
