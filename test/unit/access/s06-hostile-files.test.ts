/**
 * S6: mutated files of tensors, pickles and archives through everything that a push or a scan reads them with. None crashes it, none takes
 * a second, and the memory stays what it was. FUZZ_RUNS sets how many (default 4,000; 100,000 for the figure), FUZZ_SEED where they start.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { listTensors } from "../../../shared/chunking/tensors.ts";
import { inspectContent } from "../../../shared/content/report.ts";
import { GuardedSource } from "../chunking/cuts.ts";
import { Random } from "../chunking/files/bytes.ts";
import { WRITERS } from "../chunking/files/model.ts";
import { npy } from "../chunking/files/npy.ts";
import { zip } from "../chunking/files/zip.ts";
import { mutant } from "../chunking/mutants.ts";
import { CPYTHON } from "../content/pickles.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 4_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
const RSS_MAX = 300_000_000;

const tensors = [9_000, 64, 700].map((length, at) => ({ name: `layers.${at}.weight`, bytes: new Random(at + 1).bytes(length) }));
const pickles = CPYTHON.map(({ base64 }) => new Uint8Array(Buffer.from(base64, "base64")));
const CORPUS: readonly Uint8Array[] = [
  ...WRITERS.map(({ write }) => write(tensors)),
  npy(new Random(9).bytes(600)),
  ...pickles,
  ...pickles.slice(0, 6).map((bytes) => zip([{ name: "m/data.pkl", bytes }])),
  ...pickles.slice(0, 3).map((bytes) => zip([{ name: "data.pkl", bytes }], { deflate: true })),
  new Uint8Array(gzipSync(pickles[0] ?? "")),
];

test(`${RUNS} mutated files crash nothing, and none takes long`, async (t) => {
  let [slowestMs, found, rss] = [0, 0, 0];
  for (let run = 0; run < RUNS; run++) {
    const file = mutant(CORPUS, new Random(SEED + run));
    if (file.length === 0) continue;
    const startedMs = process.cpuUsage().user / 1000;
    try {
      const { unsafe } = await inspectContent("file", new GuardedSource(file));
      if (unsafe !== null) found++;
      await listTensors(new GuardedSource(file));
    } catch (cause) {
      assert.fail(new Error(`FUZZ_SEED=${SEED + run} FUZZ_RUNS=1 fails`, { cause }));
    }
    slowestMs = Math.max(slowestMs, process.cpuUsage().user / 1000 - startedMs);
    // What was closed is freed between turns of the loop, which microtasks alone never end.
    await turn();
    if (run % 500 === 0) rss = Math.max(rss, process.memoryUsage.rss());
  }
  t.diagnostic(
    `${RUNS} inputs, 0 crashes, ${found} taken for unsafe, slowest ${slowestMs.toFixed(0)} ms of CPU, RSS ${(rss / 1e6).toFixed(0)} MB`,
  );
  assert.ok(RUNS < 100 || (found > RUNS / 20 && found < RUNS), `${found} of ${RUNS} were taken for unsafe`);
  assert.ok(rss < RSS_MAX, `${rss} bytes of memory`);
  assert.ok(slowestMs < 1_000, `${slowestMs} ms for one input`);
});
