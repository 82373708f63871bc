/** What push and pull promise, whatever moves the bytes: run against the fake registry by engine tests, for each transport. */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type EngineOptions, pullFiles, pushFiles } from "../../scripts/node/transfer.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import type {
  PullRequest,
  PullResult,
  PushRequest,
  PushResult,
  TransferControl,
  TransferProgress,
} from "../../shared/transfer/contract.ts";
import { MiB } from "../../shared/units.ts";
import { FakeRegistry, type FakeRegistryOptions, REPOSITORY } from "../support/fake-registry.ts";
import { plant, randomTensor, safetensors, sha256Hex, snapshot, tempFolder } from "../support/trees.ts";

export const MAIN = RefName.parse("main");

/** A registry, a source folder, a destination and a cache folder, gone when the test ends. */
export type Bench = {
  registry: FakeRegistry;
  source: string;
  destination: string;
  push: (request?: Partial<PushRequest>, options?: Partial<EngineOptions>, control?: Partial<TransferControl>) => Promise<PushResult>;
  pull: (request?: Partial<PullRequest>, options?: Partial<EngineOptions>, control?: Partial<TransferControl>) => Promise<PullResult>;
};

export async function withBench(
  options: FakeRegistryOptions,
  engine: Partial<EngineOptions>,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const registry = await FakeRegistry.start(options);
  const folder = tempFolder();
  const [source, destination] = [join(folder.path, "source"), join(folder.path, "destination")];
  mkdirSync(source);
  const engineOptions = { cacheDir: join(folder.path, "cache"), useStatCache: false, stallSeconds: 5, ...engine };
  const controlOf = (control: Partial<TransferControl> = {}) => ({
    client: registry.client(),
    onProgress: () => {},
    signal: AbortSignal.timeout(60_000),
    ...control,
  });
  const push: Bench["push"] = (request, more, control) =>
    pushFiles({ repository: REPOSITORY, branch: MAIN, message: "", sources: [source], create: true, ...request }, controlOf(control), {
      ...engineOptions,
      ...more,
    });
  const pull: Bench["pull"] = (request, more, control) =>
    pullFiles({ repository: REPOSITORY, ref: "main", destination, ...request }, controlOf(control), { ...engineOptions, ...more });
  try {
    await work({ registry, source, destination, push, pull });
  } finally {
    await registry.close();
    folder.remove();
  }
}

export function transferSuite(name: string, engine: Partial<EngineOptions>): void {
  const check = (guarantee: string, work: (bench: Bench) => Promise<void>, options: FakeRegistryOptions = {}) =>
    test(`${name}: ${guarantee}`, () => withBench(options, engine, work));

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
    for (let n = 0; n < 6; n++) plant(bench.source, { [`f${n}.bin`]: randomTensor(8 * MiB) });
    let filesHashedAtFirstPut = -1;
    const onProgress = (progress: TransferProgress) => {
      if (filesHashedAtFirstPut < 0 && progress.bytesMoved > 0) filesHashedAtFirstPut = progress.filesDone;
    };
    await bench.push({}, { connections: 1 }, { onProgress });
    assert.ok(filesHashedAtFirstPut >= 0 && filesHashedAtFirstPut < 6, `${filesHashedAtFirstPut} of 6 files were hashed`);
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
  diskSuite(check);
}

type Check = (guarantee: string, work: (bench: Bench) => Promise<void>, options?: FakeRegistryOptions) => void;

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
    plant(bench.source, Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}.bin`, randomTensor(1000)])));
    bench.registry.options.fault = ({ verb, nth }) =>
      verb === "PUT" && nth <= 8 ? { kind: "status", status: 403, code: "AccessDenied" } : undefined;
    await bench.push({}, { connections: 8 });
    assert.ok((bench.registry.counts["reserve"] ?? 0) <= 4, `${bench.registry.counts["reserve"]} reserves`);
    assert.equal(bench.registry.objects.size, 20);
  });
}

function pullSuite(check: Check): void {
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

  check("two pulls into one folder at once both end well", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(3 * MiB), "sub/b.bin": randomTensor(5 * MiB) });
    await bench.push();
    await Promise.all([bench.pull(), bench.pull(), bench.pull()]);
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });
}

function diskSuite(check: Check): void {
  const unsafe: [string, (source: string) => void, string][] = [
    ["a name with a backslash", (source) => plant(source, { "a\\b": "x" }), "PATH_UNSAFE"],
    ["two names that differ only in case", (source) => plant(source, { "A.bin": "x", "a.bin": "y" }), "PATH_UNSAFE"],
    ["a link that leaves the tree", (source) => plant(source, { "sub/out": { link: "../../x" } }), "PATH_UNSAFE"],
    ["an absolute link", (source) => plant(source, { out: { link: "/etc/hosts" } }), "PATH_UNSAFE"],
    [
      "a name that is not UTF-8",
      (source) => writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0x41])]), "x"),
      "PATH_UNSAFE",
    ],
    ["nothing at all", () => {}, "USAGE_INVALID"],
  ];
  for (const [what, make, code] of unsafe) {
    check(`${what} is refused before anything is sent`, async (bench) => {
      make(bench.source);
      await assert.rejects(bench.push(), { code });
      assert.deepEqual(bench.registry.counts, {});
    });
  }

  check("`.git` and what a pull left behind are not pushed", async (bench) => {
    plant(bench.source, {
      ".git/config": "x",
      ".ferry-0123456789abcdef-3.part": "x",
      ".ferry-0123456789abcdef.journal": "x",
      "a.bin": "a",
    });
    await bench.push();
    await bench.pull();
    assert.deepEqual(Object.keys(snapshot(bench.destination)), ["a.bin"]);
  });

  check("a file that changes while it is sent is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": randomTensor(4 * MiB) });
    bench.registry.options.fault = () => {
      writeFileSync(join(bench.source, "a.bin"), randomTensor(4 * MiB));
      return { kind: "status", status: 503 };
    };
    await assert.rejects(bench.push(), { code: "FILE_CHANGED", details: { path: "a.bin" } });
    assert.equal(bench.registry.revisions(REPOSITORY).length, 0);
  });

  check("a file that can't be read is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": "a", "gone.bin": "b" });
    renameSync(join(bench.source, "gone.bin"), join(bench.source, "..", "gone.bin"));
    await assert.rejects(bench.push({ sources: [join(bench.source, "gone.bin")] }), { code: "FILE_UNREADABLE" });
  });

  check("a link planted where a folder should be is refused, and nothing is written through it", async (bench) => {
    plant(bench.source, { "sub/a.bin": "a" });
    await bench.push();
    mkdirSync(bench.destination);
    const outside = join(bench.destination, "..", "outside");
    mkdirSync(outside);
    symlinkSync(outside, join(bench.destination, "sub"));
    await assert.rejects(bench.pull(), { code: "FILE_UNWRITABLE" });
    assert.deepEqual(readdirSync(outside), []);
  });

  check("a link planted where a file should be is replaced, not followed", async (bench) => {
    plant(bench.source, { "a.bin": "new" });
    await bench.push();
    mkdirSync(bench.destination);
    const outside = join(bench.destination, "..", "outside.bin");
    writeFileSync(outside, "old");
    symlinkSync(outside, join(bench.destination, "a.bin"));
    await bench.pull();
    assert.equal(readFileSync(outside, "utf8"), "old");
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });

  check("a file with a second name is replaced: the other name keeps its content", async (bench) => {
    plant(bench.source, { "a.bin": "new" });
    await bench.push();
    mkdirSync(bench.destination);
    const outside = join(bench.destination, "..", "outside.bin");
    writeFileSync(outside, "old");
    linkSync(outside, join(bench.destination, "a.bin"));
    await bench.pull();
    assert.equal(readFileSync(outside, "utf8"), "old");
  });

  check("a folder where a file should be is an error that names it", async (bench) => {
    plant(bench.source, { "a.bin": "a" });
    await bench.push();
    plant(bench.destination, { "a.bin/inner": "x" });
    await assert.rejects(bench.pull(), { code: "FILE_UNWRITABLE", details: { path: "a.bin", problem: "a folder is there" } });
  });

  check("executable bits follow the revision, also of files that are kept", async (bench) => {
    plant(bench.source, { "a.sh": { executable: "x" }, "b.txt": "y" });
    await bench.push();
    await bench.pull();
    chmodSync(join(bench.destination, "a.sh"), 0o644);
    chmodSync(join(bench.destination, "b.txt"), 0o755);
    await bench.pull();
    assert.deepEqual(snapshot(bench.destination), snapshot(bench.source));
  });
}
