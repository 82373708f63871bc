import assert from "node:assert/strict";
import { test } from "node:test";
import { floorNote } from "../../../scripts/bench/floor.ts";
import type { Measured } from "../../../scripts/bench/measure/run-command.ts";

const run = (wallS: number, cpuS: number | null, serverCpuS: number | null = 0): Measured => ({
  startedAtMs: 0,
  wallS,
  cpuS,
  serverCpuS,
  peakBytes: null,
  foreignShare: 0,
});

const note = (runs: Record<string, (Measured | null)[]>) =>
  floorNote(
    { title: "pull", bytes: 2e9, ours: "ours", outcome: { runs: new Map(Object.entries(runs)), skipped: [] } },
    { raw: ["curl", "aria2c"], hashing: "hash", cores: 2 },
  );

test("the floor is the cheapest transfer and the hashing, on all cores", () => {
  const said = note({
    ours: [run(2, 2.2)],
    curl: [run(0.8, 1.1, 0.3), run(0.8, 9, 9), null, run(0.8, 1.1, 0.3)],
    aria2c: [run(1.4, 1.4, 0.3)],
    hash: [run(0.6, 1)],
  });
  assert.equal(
    said,
    "bytes as cheap as by curl, and hashed, take 2.40 s of processor time with their servers: on 2 cores never less than 1.20 s, 1667 MB/s; ours reaches 60 % of that",
  );
});

test("without hashing alone, a raw transfer or processor times there is no floor", () => {
  const whole = { ours: [run(2, 2.2)], curl: [run(1, 1)], hash: [run(0.6, 1)] };
  assert.notEqual(note(whole), null);
  for (const name of ["ours", "curl", "hash"]) assert.equal(note({ ...whole, [name]: [null] }), null);
  assert.equal(note({ ...whole, hash: [run(0.6, null)] }), null);
});
