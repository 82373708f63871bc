import assert from "node:assert/strict";
import { test } from "node:test";
import { dropOldMarks } from "../../../functions/registry/recovery/recent.ts";
import type { Finding, FsckRun } from "../../../shared/contract/fsck.ts";
import { FerryError } from "../../../shared/errors.ts";
import { chunkKeysOf, type FsckWorld, fsck, fsckWorld, MODEL, pushAgain, TUNED } from "../../support/fsck-world.ts";
import { operationId } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";

const DAY_MS = 86_400_000;
const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? new Uint8Array());
const bytes = (content: string) => new TextEncoder().encode(content);

function told(run: FsckRun): [kind: string, paths: string[]][] {
  return run.findings.map(({ kind, affected }) => [kind, affected.map(({ repository, path }) => `${repository}:${path}`).sort()]);
}

test("of a sound bucket there is nothing to tell, and everything is counted", async () => {
  const world = await fsckWorld();
  const run = await fsck(world, { readData: 1 });
  assert.deepEqual(run.findings, []);
  const { logs, records, revisions, recipes, named, chunks, read, orphans, young, bad, problem } = run;
  assert.deepEqual([logs, records, revisions, recipes, named, chunks, read], [3, 8, 4, 1, 9, 7, 7]);
  assert.deepEqual([orphans, young, bad, problem], [0, 0, [], null]);
  assert.deepEqual((await world.app.stores.home.bucket.list("fsck/work/")).objects, [], "what it had seen is gone");
});

test("to look changes nothing but its own notes", async () => {
  const world = await fsckWorld();
  const { bucket } = world.app.stores.home;
  const others = async () => (await bucket.list("")).objects.filter(({ key }) => !/^(fsck|sys\/audit)\//.test(key));
  const before = await others();
  const index = [...world.app.indexes.chunks.entries];
  await fsck(world, { readData: 1, repair: true, verifyClaimed: true });
  assert.deepEqual(await others(), before);
  assert.deepEqual([...world.app.indexes.chunks.entries], index);
});

type Damage = {
  name: string;
  harm(world: FsckWorld): Promise<void>;
  expect: [kind: Finding["kind"], paths: string[]][];
  readData?: number;
};

const DAMAGES: Damage[] = [
  {
    name: "a chunk that several revisions of two repositories share is gone",
    harm: (world) => remove(world, "ssss"),
    expect: [["chunk.missing", ["team/model:shared", "team/model:shared", "team/tuned:shared"]]],
  },
  {
    name: "a chunk of a recipe is gone",
    harm: (world) => remove(world, "left"),
    expect: [["chunk.missing", ["team/model:joined.bin"]]],
  },
  {
    name: "a chunk of a revision in the trash is gone",
    harm: (world) => remove(world, "tttt"),
    expect: [["chunk.missing", ["team/tuned:trashed"]]],
  },
  {
    name: "a chunk is shorter than it was",
    harm: (world) => overwrite(world, "oooo", "ooo"),
    expect: [["chunk.length", ["team/tuned:own"]]],
  },
  {
    name: "one bit of a chunk is another, and its bytes are read",
    harm: (world) => overwrite(world, "right", "righs"),
    readData: 1,
    expect: [["chunk.corrupt", ["team/model:joined.bin"]]],
  },
  {
    name: "one bit of a chunk is another, and nobody reads its bytes",
    harm: (world) => overwrite(world, "right", "righs"),
    expect: [],
  },
  {
    name: "an envelope is gone",
    harm: async ({ app }) => app.stores.home.bucket.delete([await envelopeOf(app, "oooo")]),
    expect: [["envelope.missing", ["team/tuned:*"]]],
  },
  {
    name: "an envelope's manifest is another",
    harm: async (world) => change(world, await envelopeOf(world.app, "oooo"), (json) => json.replace('"path":"own"', '"path":"owned"')),
    expect: [["envelope.damaged", ["team/tuned:*"]]],
  },
  {
    name: "an envelope does not tell where a chunk is",
    harm: async (world) =>
      change(world, await envelopeOf(world.app, "oooo"), (json) => json.replace(/"placement":\[\["[^\]]*\],?/, '"placement":[')),
    expect: [["chunk.unplaced", ["team/tuned:shared"]]],
  },
  {
    name: "an envelope is cut in the middle",
    harm: async (world) => change(world, await envelopeOf(world.app, "oooo"), (json) => json.slice(0, 100)),
    expect: [["envelope.damaged", ["team/tuned:*"]]],
  },
  {
    name: "a recipe is gone",
    harm: async ({ app }) => app.stores.home.bucket.delete([await firstKey(app, "recipes/")]),
    expect: [["recipe.missing", ["team/model:joined.bin"]]],
  },
  {
    name: "a recipe is another",
    harm: async (world) => change(world, await firstKey(world.app, "recipes/"), (json) => json.replace('"ta1"', '"ta2"')),
    expect: [["recipe.damaged", ["team/model:joined.bin"]]],
  },
  {
    name: "a record in the middle of a log is gone",
    harm: async (world) => world.app.stores.home.bucket.delete([await recordKey(world, TUNED, 2)]),
    expect: [["log.damaged", []]],
  },
  {
    name: "a record says something else",
    harm: async (world) => change(world, await recordKey(world, TUNED, 1), (json) => json.replace('"message":""', '"message":"x"')),
    expect: [["log.damaged", []]],
  },
  {
    name: "a record is of a version that nobody knows",
    harm: async (world) => change(world, await recordKey(world, TUNED, 2), (json) => json.replace(/"v":1/, '"v":2')),
    expect: [["log.damaged", []]],
  },
  {
    name: "the deployment's log lost a record",
    harm: async ({ app }) => app.stores.home.bucket.delete(["sys/log/000000000001.json"]),
    expect: [["log.damaged", []]],
  },
  {
    name: "the newest record of a log is gone, and the index knows it",
    harm: async (world) => world.app.stores.home.bucket.delete([await recordKey(world, TUNED, 4)]),
    expect: [["index.ahead", []]],
  },
  {
    name: "something lies among the chunks, and among the logs",
    harm: async ({ app }) => {
      await app.stores.home.bucket.put("chunks/00/readme.txt", bytes("hello"));
      await app.stores.home.bucket.put("repositories/readme.txt", bytes("hello"));
    },
    expect: [
      ["stray", []],
      ["stray", []],
    ],
  },
];

for (const { name, harm, expect, readData = 0 } of DAMAGES) {
  test(`${name}: that is found, with the files that need it`, async () => {
    const world = await fsckWorld();
    await harm(world);
    const run = await fsck(world, { readData });
    assert.deepEqual(told(run).sort(), expect.sort());
    assert.deepEqual([run.phase, run.problem], ["done", null]);
  });
}

test("all damage at once is found at once", async () => {
  const world = await fsckWorld();
  await remove(world, "left");
  await overwrite(world, "oooo", "o");
  await overwrite(world, "ssss", "sssS");
  await world.app.stores.home.bucket.delete([await firstKey(world.app, "recipes/")]);
  const kinds = (await fsck(world, { readData: 1 })).findings.map(({ kind }) => kind).sort();
  // The recipe that named `left` is gone, too: then nobody can tell the file, only the revision.
  assert.deepEqual(kinds, ["chunk.corrupt", "chunk.length", "chunk.missing", "recipe.missing"]);
});

test("an index that is behind or lost is told and caught up, and is no damage of the bucket", async () => {
  const world = await fsckWorld();
  const undo = world.app.indexes.snapshot();
  await world.pusher.push(TUNED, { own: "newer" });
  undo();
  const behind = await fsck(world);
  assert.deepEqual([told(behind), behind.revisions], [[["index.behind", []]], 5]);
  assert.deepEqual(told(await fsck(world)), []);
  world.app.indexes.wipe();
  const lost = await fsck(world);
  assert.ok(lost.findings.every(({ kind, severity }) => kind === "index.behind" && severity === "warning"));
  assert.deepEqual([lost.findings.length, lost.revisions], [3, 5]);
});

test("chunks that nobody names are counted, old and young apart, and are no finding", async () => {
  const world = await fsckWorld();
  const { upload } = await world.pusher.open(MODEL);
  await world.pusher.send(await world.pusher.reserve(MODEL, upload, { never: "nnnnn" }), { never: "nnnnn" });
  let run = await fsck(world);
  assert.deepEqual([run.young, run.orphans, run.orphanBytes, run.findings], [1, 0, 0, []]);
  world.app.clock.advance(3 * DAY_MS);
  run = await fsck(world);
  assert.deepEqual([run.young, run.orphans, run.orphanBytes, run.findings], [0, 1, 5, []]);
});

test("what collection deleted and is there again is told", async () => {
  const world = await fsckWorld();
  const { app } = world;
  await app.admin.call("trashRevisions", { repository: MODEL, body: { revisions: [world.first], operationId: operationId() } });
  await app.admin.call("purgeRevisions", { repository: MODEL, body: { revisions: [world.first], now: true, operationId: operationId() } });
  const [key = ""] = await chunkKeysOf(world, "aaaa");
  const content = await app.stores.home.bucket.get(key);
  app.clock.advance(4 * DAY_MS);
  let { run } = await app.admin.call("startCollect", { body: { dryRun: false, shareMax: 1 } });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
    app.clock.advance(DAY_MS);
    ({ run } = await app.admin.call("stepCollect", {}));
  }
  assert.deepEqual([run?.phase, await chunkKeysOf(world, "aaaa")], ["done", []]);
  assert.deepEqual(told(await fsck(world)), []);
  await app.stores.home.bucket.put(key, content ?? new Uint8Array());
  assert.deepEqual(told(await fsck(world)), [["chunk.reappeared", []]]);
});

test("a share of the chunks is read, others in each run, and all of them in all", async () => {
  const world = await fsckWorld();
  for (let at = 0; at < 40; at++) await world.pusher.push(MODEL, { [`file-${at}`]: `content ${at}` });
  await overwrite(world, "content 7", "content 8");
  let [found, read, runs] = [0, 0, 0];
  for (; found === 0; runs++) {
    assert.ok(runs < 500, "500 runs did not come by a chunk");
    world.app.clock.advance(1000);
    const run = await fsck(world, { readData: 0.05 });
    read += run.read;
    found += run.findings.length;
  }
  const share = read / (runs * 47);
  assert.ok(runs > 0 && (runs < 20 || (share > 0.01 && share < 0.15)), `${share} of the chunks in ${runs} runs`);
});

test("a repair makes the next push of the same files send what is missing and wrong, and the new revision is whole", async () => {
  const world = await fsckWorld();
  await remove(world, "ssss");
  await overwrite(world, "a2a2", "a2a3");
  const files = { "a.bin": "a2a2", shared: "ssss" };
  assert.equal((await pushAgain(world, files)).sent, 0, "the registry believes that it has them");
  const run = await fsck(world, { readData: 1, repair: true });
  assert.equal(run.condemned, 2);
  assert.equal((await pushAgain(world, files)).sent, 2);
  const again = await fsck(world, { readData: 1 });
  const broken = new Set(again.findings.flatMap(({ affected }) => affected.map(({ revision }) => revision)));
  const { revision } = await world.app.admin.call("resolve", { repository: MODEL, params: { ref: "main" } });
  assert.ok(!broken.has(revision), "the newest revision needs none of them");
  assert.ok(broken.has(world.second), "the older one is as it was");
});

test("of much damage the first of each kind is told and the rest counted; a repair condemns all of it", async () => {
  const world = await fsckWorld();
  const files = Object.fromEntries(Array.from({ length: 130 }, (_, at) => [`file-${at}`, `content ${at}`]));
  await world.pusher.push(MODEL, files);
  for (const content of Object.values(files)) await remove(world, content);
  await overwrite(world, "oooo", "ooo");
  const run = await fsck(world, { repair: true });
  const count = (kind: string) => run.findings.filter((finding) => finding.kind === kind).length;
  assert.deepEqual([count("chunk.missing"), count("chunk.length"), run.condemned], [100, 1, 131]);
  assert.deepEqual(
    run.findings.filter(({ kind }) => kind === "more").map(({ what, affectedCount }) => [what, affectedCount]),
    [["chunk.missing", 30]],
  );
  assert.equal((await pushAgain(world, files)).sent, 130);
});

test("a step that is killed anywhere is done again, and finds the same", async () => {
  const world = await fsckWorld();
  await remove(world, "left");
  await overwrite(world, "oooo", "oooO");
  const expected = told(await fsck(world, { readData: 1 })).sort();
  const { bucket } = world.app.stores.home;
  const names = ["get", "list", "put", "head"] as const;
  const real = names.map((name) => bucket[name].bind(bucket));
  let deaths = 0;
  for (let died = true; died; deaths++) {
    world.app.clock.advance(1000);
    let calls = 0;
    names.forEach((name, at) => {
      const call = real[at] as (...args: unknown[]) => Promise<unknown>;
      Object.assign(bucket, {
        [name]: async (...args: unknown[]) => {
          if (calls++ === deaths) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "killed" });
          return call(...args);
        },
      });
    });
    died = await fsck(world, { readData: 1 }).then(
      () => false,
      () => true,
    );
    names.forEach((name, at) => {
      Object.assign(bucket, { [name]: real[at] });
    });
    assert.deepEqual(told(await fsck(world, { readData: 1 })).sort(), expected, `after a death at call ${deaths}`);
  }
  assert.ok(deaths > 60, `${deaths} points`);
});

test("two do not look at once; a look can be ended; of old ones ten are kept", async () => {
  const world = await fsckWorld();
  await world.app.admin.call("startFsck", { body: {} });
  await world.app.ports.leases.acquire("fsck", "another", 60_000);
  assert.equal((await world.app.admin.call("stepFsck", {})).busy, true);
  await world.app.ports.leases.release("fsck", "another");
  assert.equal((await world.app.admin.call("cancelFsck", {})).run?.phase, "aborted");
  for (let at = 0; at < 12; at++) {
    world.app.clock.advance(1000);
    await fsck(world);
  }
  assert.equal((await world.app.stores.home.bucket.list("fsck/run/")).objects.length, 11);
  assert.equal(await dropOldMarks(world.app.ports), 0);
});

async function remove(world: FsckWorld, content: string): Promise<void> {
  const keys = await chunkKeysOf(world, content);
  assert.equal(keys.length, 1);
  await world.app.stores.home.bucket.delete(keys);
}

async function overwrite(world: FsckWorld, content: string, other: string): Promise<void> {
  const [key = ""] = await chunkKeysOf(world, content);
  await world.app.stores.home.bucket.put(key, bytes(other));
}

async function change({ app }: FsckWorld, key: string, by: (json: string) => string): Promise<void> {
  const { bucket } = app.stores.home;
  const json = text(await bucket.get(key));
  assert.notEqual(by(json), json);
  await bucket.put(key, bytes(by(json)));
}

async function firstKey(app: FsckWorld["app"], prefix: string): Promise<string> {
  return (await app.stores.home.bucket.list(prefix)).objects[0]?.key ?? "";
}

/** The envelope that names the chunk of `content`. */
async function envelopeOf(app: FsckWorld["app"], content: string): Promise<string> {
  const { bucket } = app.stores.home;
  for (const { key } of (await bucket.list("manifests/")).objects) if (text(await bucket.get(key)).includes(digestOf(content))) return key;
  throw new Error(`no envelope names ${content}`);
}

async function recordKey({ app }: FsckWorld, repository: typeof TUNED, seq: number): Promise<string> {
  const { id } = await app.admin.call("describeRepository", { repository });
  return `repositories/${id}/log/${String(seq).padStart(12, "0")}.json`;
}
