/**
 * The opcodes of pickle protocols 0 to 5 (CPython: Lib/pickletools.py): how an argument is written, and what an opcode does to the stack.
 * Nothing here runs anything.
 */

/** A number: bytes that follow. `line`, `lines`: one or two texts that end in a newline. `sized*`: a length of so many bytes, then that many. */
export type Argument = number | "line" | "lines" | "sized1" | "sized4" | "sized8";

/**
 * `take`: values that are popped; "mark": all down to the last mark, and the mark. `give`: values that are pushed. `text`: what is pushed is
 * the argument, as a text. `act`: what is special about it; `call` may run code.
 */
export type Opcode = {
  readonly argument: Argument;
  readonly take: number | "mark";
  readonly give: number;
  readonly text?: true;
  readonly act?:
    | "call"
    | "global"
    | "instance"
    | "stackGlobal"
    | "extension"
    | "mark"
    | "stop"
    | "put"
    | "memoize"
    | "get"
    | "dup"
    | "number";
};

type Row = readonly [code: number | string, argument: Argument, take: Opcode["take"], give: number, more?: Opcode["act"] | "text"];

const ROWS: readonly Row[] = [
  ["(", 0, 0, 0, "mark"],
  [".", 0, 1, 0, "stop"],
  ["0", 0, 1, 0],
  ["1", 0, "mark", 0],
  ["2", 0, 0, 0, "dup"],
  ["F", "line", 0, 1, "number"],
  ["I", "line", 0, 1, "number"],
  ["J", 4, 0, 1],
  ["K", 1, 0, 1],
  ["L", "line", 0, 1, "number"],
  ["M", 2, 0, 1],
  ["N", 0, 0, 1],
  // What a persistent id leads to is the loader's choice, not the file's.
  ["P", "line", 0, 1],
  ["Q", 0, 1, 1],
  ["R", 0, 2, 1, "call"],
  ["S", "line", 0, 1, "text"],
  ["T", "sized4", 0, 1, "text"],
  ["U", "sized1", 0, 1, "text"],
  ["V", "line", 0, 1, "text"],
  ["X", "sized4", 0, 1, "text"],
  ["a", 0, 1, 0],
  ["b", 0, 1, 0, "call"],
  ["c", "lines", 0, 1, "global"],
  ["d", 0, "mark", 1],
  ["}", 0, 0, 1],
  ["e", 0, "mark", 0],
  ["g", "line", 0, 1, "get"],
  ["h", 1, 0, 1, "get"],
  ["i", "lines", "mark", 1, "instance"],
  ["j", 4, 0, 1, "get"],
  ["l", 0, "mark", 1],
  ["]", 0, 0, 1],
  ["o", 0, "mark", 1, "call"],
  ["p", "line", 0, 0, "put"],
  ["q", 1, 0, 0, "put"],
  ["r", 4, 0, 0, "put"],
  ["s", 0, 2, 0],
  ["t", 0, "mark", 1],
  [")", 0, 0, 1],
  ["u", 0, "mark", 0],
  ["G", 8, 0, 1],
  ["B", "sized4", 0, 1],
  ["C", "sized1", 0, 1],
  [0x80, 1, 0, 0],
  [0x81, 0, 2, 1, "call"],
  [0x82, 1, 0, 1, "extension"],
  [0x83, 2, 0, 1, "extension"],
  [0x84, 4, 0, 1, "extension"],
  [0x85, 0, 1, 1],
  [0x86, 0, 2, 1],
  [0x87, 0, 3, 1],
  [0x88, 0, 0, 1],
  [0x89, 0, 0, 1],
  [0x8a, "sized1", 0, 1],
  [0x8b, "sized4", 0, 1],
  [0x8c, "sized1", 0, 1, "text"],
  [0x8d, "sized8", 0, 1, "text"],
  [0x8e, "sized8", 0, 1],
  [0x8f, 0, 0, 1],
  [0x90, 0, "mark", 0],
  [0x91, 0, "mark", 1],
  [0x92, 0, 3, 1, "call"],
  [0x93, 0, 2, 1, "stackGlobal"],
  [0x94, 0, 0, 0, "memoize"],
  [0x95, 8, 0, 0],
  [0x96, "sized8", 0, 1],
  [0x97, 0, 0, 1],
  [0x98, 0, 0, 0],
];

/** By the opcode's byte; undefined: there is none. */
export const OPCODES: readonly (Opcode | undefined)[] = tableOf(ROWS);

function tableOf(rows: readonly Row[]): (Opcode | undefined)[] {
  const table: (Opcode | undefined)[] = new Array<Opcode | undefined>(256).fill(undefined);
  for (const [code, argument, take, give, more] of rows) {
    const base = { argument, take, give };
    const at = typeof code === "number" ? code : code.charCodeAt(0);
    table[at] = more === "text" ? { ...base, text: true } : more === undefined ? base : { ...base, act: more };
  }
  return table;
}
