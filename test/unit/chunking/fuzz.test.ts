/**
 * Mutated model files: whatever they say, the planner does not crash, reads nothing outside, reads no more than a few times the file,
 * and what it plans makes the file again. FUZZ_RUNS sets how many (default 2,000), FUZZ_SEED where they start; a failure names its seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { listTensors } from "../../../shared/chunking/tensors.ts";
import { cut, GuardedSource } from "./cuts.ts";
import { concat, Random, Writer } from "./files/bytes.ts";
import { WRITERS } from "./files/model.ts";
import { npy } from "./files/npy.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 2_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);

const tensors = [9_000, 64, 700, 5_000, 1, 3_000, 2_100].map((length, index) => ({
  name: `layers.${index}.weight`,
  bytes: new Random(index + 1).bytes(length),
}));
const CORPUS: readonly Uint8Array[] = [...WRITERS.map(({ write }) => write(tensors)), npy(new Random(9).bytes(6_000))];

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

const pick = <T>(choices: readonly T[], random: Random): T => choices[random.below(choices.length)] as T;

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
  (file, random) => concat([file, pick(CORPUS, random)]),
];

function mutant(random: Random): Uint8Array {
  let file = pick(CORPUS, random);
  for (let left = 1 + random.below(3); left > 0 && file.length > 0; left--) file = pick(MUTATIONS, random)(file, random);
  return file;
}

test(`${RUNS} mutated files are rebuilt exactly, and nothing is read outside them`, async () => {
  let containers = 0;
  for (let run = 0; run < RUNS; run++) {
    const file = mutant(new Random(SEED + run));
    try {
      const { format } = await cut(file);
      if (format !== "opaque") containers++;
      await listTensors(new GuardedSource(file));
    } catch (cause) {
      assert.fail(new Error(`FUZZ_SEED=${SEED + run} FUZZ_RUNS=1 fails`, { cause }));
    }
  }
  // Mutants that no parser accepts, or that none refuses, would test nothing.
  assert.ok(RUNS < 100 || (containers > RUNS / 20 && containers < RUNS), `${containers} of ${RUNS} were containers`);
  console.log(`# ${containers} of ${RUNS} mutants were still containers`);
});
