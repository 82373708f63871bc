/** Mutations that find what a parser believes: lengths, offsets, magic words, cuts, copies. The same for the same random numbers. */
import { concat, type Random, Writer } from "./files/bytes.ts";

const NUMBERS = [0n, 1n, 0x7fn, 0xffn, 0xffffn, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const WIDTHS = [1, 2, 4, 8] as const;
const TEXTS = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "0",
  "9",
  "-",
  "PK\x01\x02",
  "PK\x03\x04",
  "PK\x05\x06",
  "GGUF",
  "\x93NUMPY",
  "\xff",
];

type Mutation = (file: Uint8Array, random: Random) => Uint8Array;

/** A place near the start or the end, where headers and directories are, or anywhere. */
function place(file: Uint8Array, random: Random): number {
  const near = random.below(Math.min(file.length, 1_500) + 1);
  return [near, file.length - near, random.below(file.length + 1)][random.below(3)] ?? 0;
}

function overwrite(file: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const copy = file.slice();
  const start = Math.max(0, Math.min(at, file.length - bytes.length));
  copy.set(bytes.subarray(0, file.length), start);
  return copy;
}

export const pick = <T>(choices: readonly T[], random: Random): T => choices[random.below(choices.length)] as T;

const MUTATIONS: readonly Mutation[] = [
  (file, random) => overwrite(file, place(file, random), random.bytes(1)),
  (file, random) =>
    overwrite(file, place(file, random), new Writer().uint(pick(NUMBERS, random), 8).done().subarray(0, pick(WIDTHS, random))),
  (file, random) => overwrite(file, place(file, random), Buffer.from(pick(TEXTS, random), "latin1")),
  (file, random) => {
    const at = place(file, random);
    const near = (file[at] ?? 0) + random.below(9) - 4;
    return overwrite(file, at, Uint8Array.of(near));
  },
  (file, random) => file.slice(0, place(file, random)),
  (file, random) => file.slice(place(file, random)),
  (file, random) => {
    const at = place(file, random);
    return concat([file.subarray(0, at), random.bytes(random.below(40)), file.subarray(at)]);
  },
  (file, random) => {
    const at = place(file, random);
    return concat([file.subarray(0, at), file.subarray(at + random.below(40))]);
  },
  (file, random) => {
    const [from, to] = [place(file, random), place(file, random)];
    return overwrite(file, to, file.slice(from, from + random.below(60)));
  },
];

/** A file of the corpus, changed in one to three places, or with another behind it. */
export function mutant(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  let file = pick(corpus, random);
  const mutations: readonly Mutation[] = [...MUTATIONS, (one, chance) => concat([one, pick(corpus, chance)])];
  for (let left = 1 + random.below(3); left > 0 && file.length > 0; left--) file = pick(mutations, random)(file, random);
  return file;
}
