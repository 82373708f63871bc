/** What pull promises besides: see transfer.ts. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FerryError } from "../../shared/errors.ts";
import { MiB } from "../../shared/units.ts";
import type { Check } from "../support/transfer-bench.ts";
import { plant, randomTensor, safetensors, snapshot } from "../support/trees.ts";

export function pullSuite(check: Check): void {
  check("files that are right are kept, by content and not by size or time", async (bench) => {
    const bytes = randomTensor(2 * MiB);
    plant(bench.source, { "a.bin": bytes, "b.bin": "bbbb" });
    await bench.push();
    await bench.pull();
    const inode = statSync(join(bench.destination, "a.bin")).ino;
    const { mtime } = statSync(join(bench.destination, "b.bin"));
    writeFileSync(join(bench.destination, "b.bin"), "BBBB");
    utimesSync(join(bench.destination, "b.bin"), mtime, mtime);
    const again = await bench.pull();
    assert.equal(statSync(join(bench.destination, "a.bin")).ino, inode);
    assert.equal(again.chunksMoved, 1);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("include and exclude choose files; an include that names nothing is an error", async (bench) => {
    plant(bench.source, { "a.bin": "a", "b.txt": "b", "sub/c.bin": "c", "sub/d.txt": "d" });
    await bench.push();
    await bench.pull({ include: ["*.bin"], exclude: ["sub"] });
    assert.deepEqual(Object.keys(snapshot(bench.destination)), ["a.bin"]);
    await assert.rejects(bench.pull({ include: ["nothing.*"] }), { code: "FILE_UNKNOWN" });
  });

  check(
    "wrong bytes are fetched again; bytes that stay wrong are an error that names chunk and store, and no file appears",
    async (bench) => {
      const bytes = randomTensor(MiB);
      plant(bench.source, { "a.bin": bytes });
      await bench.push();
      bench.registry.options.fault = ({ verb, nth }) => (verb === "GET" && nth <= 2 ? { kind: "corrupt" } : undefined);
      await bench.pull();
      assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
      rmSync(bench.destination, { recursive: true });
      bench.registry.options.fault = ({ verb }) => (verb === "GET" ? { kind: "corrupt" } : undefined);
      await assert.rejects(
        bench.pull(),
        (error: FerryError) => error.code === "DIGEST_INVALID" && /store home.*[0-9a-f]{64}/.test(error.message),
      );
      assert.ok(!existsSync(join(bench.destination, "a.bin")));
    },
  );

  check("an answer that is cut goes on where it ended", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(4 * MiB) });
    await bench.push();
    const ranges: (string | undefined)[] = [];
    bench.registry.options.fault = ({ verb, nth, range }) => {
      if (verb === "GET") ranges.push(range);
      return verb === "GET" && nth <= 2 ? { kind: "cut", bytes: MiB } : undefined;
    };
    const pulled = await bench.pull();
    assert.deepEqual(ranges, [undefined, `bytes=${MiB}-`, `bytes=${2 * MiB}-`]);
    assert.equal(bench.registry.getBytes, 4 * MiB);
    assert.equal(pulled.chunksMoved, 1);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("expired URLs are renewed once, whoever asks", async (bench) => {
    plant(bench.source, Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f${n}.bin`, randomTensor(1000)])));
    await bench.push();
    bench.registry.resetCounts();
    bench.registry.options.fault = ({ verb, nth }) =>
      verb === "GET" && nth <= 8 ? { kind: "status", status: 403, code: "ExpiredRequest" } : undefined;
    await bench.pull({}, { connections: 8 });
    assert.equal(bench.registry.counts["download"], 2);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("a stopped pull leaves no file with its name half there, and the next one fetches only the rest", async (bench) => {
    const tensors = Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`t${n}`, randomTensor(4 * MiB)]));
    plant(bench.source, { "m.safetensors": safetensors(tensors) });
    await bench.push();
    const stop = new AbortController();
    bench.registry.options.fault = ({ verb, nth }) => {
      if (verb === "GET" && nth === 5) stop.abort(new FerryError("TRANSFER_FAILED", { what: "the test", problem: "stopped" }));
      return undefined;
    };
    await assert.rejects(bench.pull({}, { connections: 1 }, { signal: stop.signal }), { code: "TRANSFER_FAILED" });
    assert.ok(!existsSync(join(bench.destination, "m.safetensors")));
    bench.registry.options.fault = () => undefined;
    const rest = await bench.pull();
    assert.ok(rest.chunksMoved <= 3 && rest.chunksMoved >= 1, `${rest.chunksMoved} chunks`);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("what a stopped pull left is verified, not believed", async (bench) => {
    const tensors = Object.fromEntries(Array.from({ length: 4 }, (_, n) => [`t${n}`, randomTensor(4 * MiB)]));
    plant(bench.source, { "m.safetensors": safetensors(tensors) });
    await bench.push();
    const stop = new AbortController();
    bench.registry.options.fault = ({ verb, nth }) => {
      if (verb === "GET" && nth === 4) stop.abort(new FerryError("TRANSFER_FAILED", { what: "the test", problem: "stopped" }));
      return undefined;
    };
    await assert.rejects(bench.pull({}, { connections: 1 }, { signal: stop.signal }));
    bench.registry.options.fault = () => undefined;
    const part = readdirSync(bench.destination).find((found) => found.endsWith(".part")) ?? "";
    const bytes = readFileSync(join(bench.destination, part));
    writeFileSync(join(bench.destination, part), bytes.fill(1));
    const rest = await bench.pull();
    assert.equal(rest.chunksMoved, rest.chunksTotal);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("files written past the page cache are exact, also where a stopped pull goes on", async (bench) => {
    const tensors = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`t${n}`, randomTensor(4 * MiB + 1000 * n + n)]));
    plant(bench.source, { "m.safetensors": safetensors({ ...tensors, small: randomTensor(1000) }), "one.bin": randomTensor(17 * MiB + 5) });
    await bench.push();
    const stop = new AbortController();
    bench.registry.options.fault = ({ verb, nth }) => {
      if (verb === "GET" && nth === 2) return { kind: "cut", bytes: 3 * MiB + 7 };
      if (verb === "GET" && nth === 5) stop.abort(new FerryError("TRANSFER_FAILED", { what: "the test", problem: "stopped" }));
      return undefined;
    };
    await assert.rejects(bench.pull({}, { direct: "always", connections: 2 }, { signal: stop.signal }), { code: "TRANSFER_FAILED" });
    bench.registry.options.fault = () => undefined;
    const rest = await bench.pull({}, { direct: "always" });
    assert.ok(rest.chunksMoved < rest.chunksTotal);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("huggingface_hub #4306: two pulls into one folder at once both end well", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(3 * MiB), "sub/b.bin": randomTensor(5 * MiB) });
    await bench.push();
    await Promise.all([bench.pull(), bench.pull(), bench.pull()]);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });
}
