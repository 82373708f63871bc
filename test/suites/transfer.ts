/** What push and pull promise, whatever moves the bytes: run against the fake registry by engine tests, for each transport. */
import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { EngineOptions } from "../../scripts/node/transfer.ts";
import { FerryError } from "../../shared/errors.ts";
import type { TransferProgress } from "../../shared/transfer/contract.ts";
import { MiB } from "../../shared/units.ts";
import { type FakeRegistryOptions, REPOSITORY } from "../support/fake-registry.ts";
import { type Bench, type Check, withBench } from "../support/transfer-bench.ts";
import { plant, randomTensor, safetensors, sha256Hex, snapshot } from "../support/trees.ts";
import { diskSuite } from "./transfer-disk.ts";
import { pullSuite } from "./transfer-pull.ts";
import { verifySuite } from "./transfer-verify.ts";

/** What disks have to do with: no transport makes a difference to it. */
export function localFilesSuite(name: string, engine: Partial<EngineOptions>): void {
  const check = checkOf(name, engine);
  diskSuite(check);
  verifySuite(check);
}

function checkOf(name: string, engine: Partial<EngineOptions>): Check {
  return (guarantee: string, work: (bench: Bench) => Promise<void>, options: FakeRegistryOptions = {}) =>
    test(`${name}: ${guarantee}`, () => withBench(options, engine, work));
}

export function transferSuite(name: string, engine: Partial<EngineOptions>): void {
  const check = checkOf(name, engine);

  check("a pushed tree comes back byte for byte, with folders, links, executable bits, hidden and empty files", async (bench) => {
    plant(bench.source, {
      "model.safetensors": safetensors({
        a: randomTensor(5 * MiB),
        b: randomTensor(4 * MiB),
        c: randomTensor(100),
        d: randomTensor(2 * MiB),
      }),
      "config.json": "{}",
      "run.sh": { executable: "#!/bin/sh\n" },
      empty: "",
      ".hidden": "hidden",
      "deep/er/file ünïcode.txt": "deep",
      "deep/link": { link: "../config.json" },
    });
    const pushed = await bench.push();
    const pulled = await bench.pull();
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
    assert.equal(pulled.revision.revision, pushed.revision.revision);
    assert.deepEqual([pushed.files, pulled.files], [7, 7]);
    assert.equal(pulled.bytesMoved, pushed.bytesMoved);
    assert.equal(pulled.bytesTotal, pushed.bytesTotal);
  });

  for (const mode of ["payload", "checksum", "md5"] as const) {
    check(
      `tickets of mode ${mode} are served`,
      async (bench) => {
        plant(bench.source, { "a.bin": randomTensor(3 * MiB), "b.txt": "b" });
        await bench.push();
        await bench.pull();
        assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
      },
      { mode },
    );
  }

  check("equal chunks of one push are sent once, and fetched once", async (bench) => {
    const tensor = randomTensor(6 * MiB);
    plant(bench.source, {
      "a.safetensors": safetensors({ x: tensor }),
      "b.safetensors": safetensors({ y: randomTensor(4 * MiB), x: tensor }),
      "c.bin": "same",
      "d.bin": "same",
    });
    const pushed = await bench.push();
    assert.equal(bench.registry.counts["PUT"], pushed.chunksMoved);
    assert.equal(pushed.chunksMoved, pushed.chunksTotal);
    const pulled = await bench.pull();
    assert.equal(bench.registry.counts["GET"], pulled.chunksTotal);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("a second push of the same tree sends nothing", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(3 * MiB), "b.safetensors": safetensors({ x: randomTensor(5 * MiB) }) });
    await bench.push();
    bench.registry.resetCounts();
    const again = await bench.push({ message: "again" });
    assert.deepEqual([again.bytesMoved, again.chunksMoved, bench.registry.putBytes], [0, 0, 0]);
  });

  check("an unchanged file is not hashed again; a changed one is, also when its times were set back", async (bench) => {
    const tensors = { a: randomTensor(5 * MiB), b: randomTensor(4 * MiB), c: randomTensor(5 * MiB) };
    const file = join(bench.source, "m.safetensors");
    plant(bench.source, { "m.safetensors": safetensors({ ...tensors, again: tensors.a }), "one.bin": randomTensor(5 * MiB) });
    const long = new Date(Date.now() - 3_600_000);
    utimesSync(file, long, long);
    // Files this young are not remembered: the clock of the disk may be coarse.
    await bench.push({}, { useStatCache: true });
    await bench.push({}, { useStatCache: true });
    plant(bench.source, { "m.safetensors": safetensors({ ...tensors, a: randomTensor(5 * MiB), again: tensors.a }) });
    utimesSync(file, long, long);
    await bench.push({}, { useStatCache: true });
    await bench.pull();
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("after an edit of one tensor, only that tensor and the residue are sent, and fetched", async (bench) => {
    const tensors = { a: randomTensor(5 * MiB), b: randomTensor(5 * MiB), c: randomTensor(5 * MiB) };
    plant(bench.source, { "m.safetensors": safetensors(tensors) });
    await bench.push();
    await bench.pull();
    plant(bench.source, { "m.safetensors": safetensors({ ...tensors, b: randomTensor(5 * MiB) }) });
    const pushed = await bench.push();
    assert.ok(pushed.bytesMoved < 5.1 * MiB, `${pushed.bytesMoved} bytes`);
    const pulled = await bench.pull();
    assert.ok(pulled.bytesMoved < 5.1 * MiB, `${pulled.bytesMoved} bytes`);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("sending starts before everything is hashed", async (bench) => {
    const bytes = randomTensor(8 * MiB);
    for (let n = 0; n < 24; n++) plant(bench.source, { [`f${n}.bin`]: bytes.fill(n, 0, 1) });
    let [filesDone, filesDoneAtFirstPut] = [0, -1];
    const onProgress = (progress: TransferProgress) => {
      filesDone = progress.filesDone;
    };
    bench.registry.options.fault = ({ verb, nth }) => {
      if (verb === "PUT" && nth === 1) filesDoneAtFirstPut = filesDone;
      return undefined;
    };
    await bench.push({}, { connections: 1 }, { onProgress });
    assert.ok(filesDoneAtFirstPut >= 0 && filesDoneAtFirstPut < 24, `${filesDoneAtFirstPut} of 24 files were hashed`);
  });

  check("progress never goes back and ends at the total", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(2 * MiB), "b.bin": "b", "c.safetensors": safetensors({ x: randomTensor(5 * MiB) }) });
    for (const run of [bench.push, bench.pull]) {
      const seen: TransferProgress[] = [];
      await run({}, {}, { onProgress: (progress) => seen.push(progress) });
      const last = seen.at(-1);
      assert.equal(last?.bytesDone, last?.bytesTotal);
      assert.equal(last?.filesDone, last?.filesTotal);
      for (const [at, progress] of seen.entries()) assert.ok(progress.bytesDone >= (seen[at - 1]?.bytesDone ?? 0));
    }
  });

  pushSuite(check);
  pullSuite(check);
}

function pushSuite(check: Check): void {
  check("a chunk that a confirmation misses is sent again under the next attempt", async (bench) => {
    const bytes = randomTensor(MiB);
    plant(bench.source, { "a.bin": bytes, "b.bin": "b" });
    bench.registry.options.loses = new Set([sha256Hex(bytes)]);
    await bench.push();
    assert.equal(bench.registry.counts["PUT"], 3);
    await bench.pull();
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("chunks and recipes that the commit finds unproven are brought again, and there is one revision", async (bench) => {
    plant(bench.source, { "a.safetensors": safetensors({ x: randomTensor(5 * MiB) }), "b.bin": "b", "c.bin": "c", "d.bin": "d" });
    const client = bench.registry.client();
    const call = client.call.bind(client);
    let forgotten = false;
    client.call = ((name: "commit", input: never, signal?: AbortSignal) => {
      if (name === "commit" && !forgotten) {
        forgotten = true;
        bench.registry.forgetConfirmations();
        bench.registry.forgetRecipes();
      }
      return call(name, input, signal);
    }) as typeof client.call;
    await bench.push({}, {}, { client });
    assert.equal(bench.registry.counts["commit"], 3);
    assert.equal(bench.registry.revisions(REPOSITORY).length, 1);
  });

  check("an object that is there already counts as sent: the answer to its PUT was lost", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(MiB) });
    bench.registry.options.fault = ({ verb, nth }) => (verb === "PUT" && nth === 1 ? { kind: "applied-then-reset" } : undefined);
    const pushed = await bench.push();
    assert.deepEqual([pushed.chunksMoved, bench.registry.counts["PUT"], bench.registry.objects.size], [1, 2, 1]);
  });

  check("a killed push leaves no revision; the next one sends only what is missing", async (bench) => {
    plant(bench.source, Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`f${n}.bin`, randomTensor(MiB)])));
    const stop = new AbortController();
    bench.registry.options.fault = ({ verb, nth }) => {
      if (verb === "PUT" && nth === 5) stop.abort(new FerryError("TRANSFER_FAILED", { what: "the test", problem: "stopped" }));
      return undefined;
    };
    await assert.rejects(bench.push({}, { connections: 1 }, { signal: stop.signal }), { code: "TRANSFER_FAILED" });
    assert.equal(bench.registry.revisions(REPOSITORY).length, 0);
    bench.registry.options.fault = () => undefined;
    const stored = bench.registry.objects.size;
    await bench.push();
    assert.ok(stored >= 4, `${stored} objects`);
    assert.equal(bench.registry.objects.size, 8);
  });

  check("what a push says of itself is kept: message, labels, metrics, source", async (bench) => {
    plant(bench.source, { "a.bin": "a" });
    const said = { message: "step 1", labels: { run: "r1" }, metrics: { loss: "0.031" }, source: { host: "h", job: "slurm/42" } };
    const { revision } = await bench.push(said);
    const { message, labels, metrics, source } = revision;
    assert.deepEqual({ message, labels, metrics, source }, said);
  });

  check("a branch that moved is found out before anything is sent", async (bench) => {
    plant(bench.source, { "a.bin": "a" });
    await bench.push();
    plant(bench.source, { "a.bin": "b" });
    bench.registry.resetCounts();
    await assert.rejects(bench.push({ parent: null }), { code: "BRANCH_MOVED" });
    assert.equal(bench.registry.counts["PUT"], undefined);
  });

  check("without leave to create, an unknown repository is an error", async (bench) => {
    plant(bench.source, { "a.bin": "a" });
    await assert.rejects(bench.push({ create: false }), { code: "REPOSITORY_UNKNOWN" });
  });

  check("expired tickets are taken again, by page", async (bench) => {
    plant(bench.source, Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`f${n}.bin`, randomTensor(1000)])));
    bench.registry.options.fault = ({ verb, nth }) =>
      verb === "PUT" && nth <= 40 ? { kind: "status", status: 403, code: "AccessDenied" } : undefined;
    await bench.push({}, { connections: 8 });
    assert.ok((bench.registry.counts["reserve"] ?? 0) <= 20, `${bench.registry.counts["reserve"]} reserves`);
    assert.equal(bench.registry.objects.size, 100);
  });
}
