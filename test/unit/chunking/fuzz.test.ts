/**
 * Mutated model files: whatever they say, the planner does not crash, reads nothing outside, reads no more than a few times the file,
 * and what it plans makes the file again. FUZZ_RUNS sets how many (default 2,000), FUZZ_SEED where they start; a failure names its seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { listTensors } from "../../../shared/chunking/tensors.ts";
import { cut, GuardedSource } from "./cuts.ts";
import { Random } from "./files/bytes.ts";
import { WRITERS } from "./files/model.ts";
import { npy } from "./files/npy.ts";
import { mutant } from "./mutants.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 2_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);

const tensors = [9_000, 64, 700, 5_000, 1, 3_000, 2_100].map((length, index) => ({
  name: `layers.${index}.weight`,
  bytes: new Random(index + 1).bytes(length),
}));
const CORPUS: readonly Uint8Array[] = [...WRITERS.map(({ write }) => write(tensors)), npy(new Random(9).bytes(6_000))];

test(`${RUNS} mutated files are rebuilt exactly, and nothing is read outside them`, async () => {
  let containers = 0;
  for (let run = 0; run < RUNS; run++) {
    const file = mutant(CORPUS, new Random(SEED + run));
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
