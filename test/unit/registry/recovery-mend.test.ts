/** F26 of reference/safety.md §6. Repair of what fsck finds: bad chunks are brought back from wherever else they are, for every revision that names them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkKey, ENVELOPE_PREFIX, recipeKey } from "../../../functions/registry/layout.ts";
import type { FsckRun } from "../../../shared/contract/fsck.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { downloadUrl } from "../../../shared/tickets.ts";
import { chunkKeysOf, type FsckWorld, fsck, fsckWorld, MODEL, pushAgain, pushClaimed, TUNED } from "../../support/fsck-world.ts";
import { operationId, refName } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";

const DAY_MS = 86_400_000;
const bytes = (content: string) => new TextEncoder().encode(content);

type Place = (world: FsckWorld) => Promise<void>;
type Case = { name: string; harm: Place; from: (string | null)[]; mended: number };

/** Of "ssss", which three revisions of two repositories name; and of "aaaa", which one does. */
const CASES: Case[] = [
  {
    name: "a chunk that is gone, and is in another store",
    harm: async (world) => {
      await keepAt(world, "west", "ssss");
      await remove(world, "ssss");
    },
    from: ["west"],
    mended: 3,
  },
  {
    name: "a chunk with one bit flipped, which home itself has under another key, too",
    harm: async (world) => {
      await overwrite(world, "ssss", "sssr");
      await keepAt(world, "home", "ssss");
    },
    from: ["home"],
    mended: 3,
  },
  {
    name: "a chunk that was cut short, and two stores have another: the first is wrong itself",
    harm: async (world) => {
      await overwrite(world, "ssss", "ss");
      await keepAt(world, "west", "ssss", "sssx");
      await keepAt(world, "east", "ssss");
    },
    from: ["east"],
    mended: 3,
  },
  {
    name: "two chunks, one of which nobody has",
    harm: async (world) => {
      await keepAt(world, "west", "ssss");
      await remove(world, "ssss");
      await remove(world, "aaaa");
    },
    from: [null, "west"],
    mended: 3,
  },
];

for (const { name, harm, from, mended } of CASES) {
  test(`${name}: every revision that names it is whole again, by one record each, and collection goes on`, async () => {
    const world = await fsckWorld({ ids: ["home", "west", "east"] });
    await harm(world);
    const run = await fsck(world, { readData: 1, repair: true });
    assert.deepEqual([run.phase, run.problem, run.mended], ["done", null, mended]);
    assert.deepEqual(run.bad.map(({ source, fresh }) => (fresh === null ? null : source?.store)).sort(), [...from].sort());
    const lost = from.includes(null);
    assert.equal(run.findings.filter(({ severity }) => severity === "error").length, lost ? 1 : 0);
    await demandWhole(world, lost ? [world.second, world.tuned] : [world.first, world.second, world.tuned]);
    const again = await fsck(world, { readData: 1 });
    assert.deepEqual([again.findings.length, await adoptions(world)], [lost ? 1 : 0, mended]);
    if (!lost) await demandCollected(world, run);
  });
}

test("a plan tells where each bad chunk still is, and changes nothing but its own notes", async () => {
  const world = await fsckWorld({ ids: ["home", "west"] });
  await keepAt(world, "west", "ssss");
  await remove(world, "ssss");
  await remove(world, "aaaa");
  const { bucket } = world.app.stores.home;
  const others = async () => (await bucket.list("")).objects.filter(({ key }) => !/^(fsck|sys\/audit)\//.test(key));
  const before = await others();
  const run = await fsck(world);
  const plan = Object.fromEntries(run.bad.map(({ sha256, size, source }) => [sha256, [size, source?.store ?? null]]));
  assert.deepEqual(plan, { [digestOf("ssss")]: [4, "west"], [digestOf("aaaa")]: [4, null] });
  assert.deepEqual(await others(), before);
});

test("what was pushed again after a repair mends the older revisions with the next one", async () => {
  const world = await fsckWorld();
  await remove(world, "ssss");
  assert.equal((await fsck(world, { repair: true })).mended, 0);
  assert.equal((await pushAgain(world, { shared: "ssss" })).sent, 1);
  const run = await fsck(world, { repair: true });
  assert.equal(run.mended, 3);
  await demandWhole(world, [world.first, world.second, world.tuned]);
});

test("at a follower nothing is repaired; to look is fine", async () => {
  const world = await fsckWorld({ ids: ["home", "west"] });
  Object.assign(world.app.services.ports, { follower: true });
  await remove(world, "ssss");
  await assert.rejects(fsck(world, { repair: true }), { code: "FOLLOWER_READ_ONLY" });
  assert.equal((await fsck(world)).findings.length, 1);
});

test("a recipe that is gone or changed is brought from another store", async () => {
  for (const damage of ["gone", "changed"]) {
    const world = await fsckWorld({ ids: ["home", "west"] });
    const { bucket } = world.app.stores.home;
    const [key = ""] = (await bucket.list("recipes/")).objects.map((object) => object.key);
    const recipe = (await bucket.get(key)) ?? new Uint8Array();
    await world.app.stores.get("west").bucket.put(key, recipe);
    if (damage === "gone") await bucket.delete([key]);
    else await bucket.put(key, bytes("{}"));
    const run = await fsck(world, { repair: true });
    assert.deepEqual(
      run.findings.map(({ kind, severity }) => [kind, severity]),
      [[damage === "gone" ? "recipe.missing" : "recipe.damaged", "note"]],
    );
    assert.deepEqual([await bucket.get(key), (await fsck(world)).findings], [recipe, []]);
    assert.ok(key.startsWith(recipeKey(digestOf("x")).slice(0, "recipes/".length)));
  }
});

test("claimed chunks that turn out wrong are replaced by what another repository has proven", async () => {
  const world = await fsckWorld({ modes: ["payload", "md5"] });
  const revision = await pushClaimed(world.pusher, world.app, TUNED, "claimed content", "another content");
  await world.pusher.push(MODEL, { own: "claimed content" }, { branch: refName("proven") });
  const run = await fsck(world, { repair: true, verifyClaimed: true });
  assert.deepEqual([run.mended, run.bad.map(({ kind }) => kind)], [1, ["chunk.corrupt"]]);
  await demandWhole(world, [revision]);
  assert.deepEqual((await fsck(world, { readData: 1, verifyClaimed: true })).findings, []);
});

test("a revision that is purged while it is mended stays purged, and nothing of it is left", async () => {
  const world = await fsckWorld({ ids: ["home", "west"] });
  await keepAt(world, "west", "aaaa");
  await remove(world, "aaaa");
  await until(world, "mend");
  const revisions = [world.first];
  await world.app.admin.call("trashRevisions", { repository: MODEL, body: { revisions, operationId: operationId() } });
  await world.app.admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now: true, operationId: operationId() } });
  const run = await toEnd(world);
  assert.deepEqual([run.mended, await adoptions(world)], [0, 0]);
  await collectAll(world);
  assert.deepEqual(await chunkKeysOf(world, "aaaa"), []);
});

test("copies that collection took before they were named are not named: the run says so, and the next one mends", async () => {
  const world = await fsckWorld({ ids: ["home", "west"] });
  await keepAt(world, "west", "tttt");
  await overwrite(world, "tttt", "tttz");
  await until(world, "mend", { readData: 1 });
  // The object is 3 days old then, and no envelope names it: garbage.
  world.app.clock.advance(3 * DAY_MS);
  await collectAll(world, 0);
  const run = await toEnd(world);
  assert.deepEqual([run.mended, run.problem], [0, "some of it was collected meanwhile; repair once more"]);
  assert.equal((await fsck(world, { readData: 1, repair: true })).mended, 1);
  assert.deepEqual((await fsck(world, { readData: 1 })).findings, []);
});

test("killed at any call to the store, a repair that is asked for again mends all, by one record a revision", async () => {
  let deaths = 0;
  for (let died = true; died; deaths++) {
    const world = await fsckWorld({ ids: ["home", "west"] });
    await keepAt(world, "west", "ssss");
    await keepAt(world, "west", "left");
    await remove(world, "ssss");
    await overwrite(world, "left", "lefT");
    await until(world, "plan", { readData: 1, repair: true });
    died = await dieAt(world, deaths);
    await toEnd(world);
    await demandWhole(world, [world.first, world.second, world.tuned]);
    assert.deepEqual([(await fsck(world, { readData: 1 })).findings, await adoptions(world)], [[], 3], `a death at call ${deaths}`);
  }
  assert.ok(deaths > 40, `${deaths} points`);
});

/** True: it died. Each call is applied, and then its answer lost. */
async function dieAt(world: FsckWorld, death: number): Promise<boolean> {
  const { bucket, chunks } = world.app.stores.home;
  let calls = 0;
  const undo = [...mortals(bucket, ["get", "list", "put", "head", "create"]), ...mortals(chunks, ["write"])].map(
    ({ target, name, call }) => {
      Object.assign(target, {
        [name]: async (...args: unknown[]) => {
          const answer = await call(...args);
          if (calls++ === death) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "killed" });
          return answer;
        },
      });
      return () => Object.assign(target, { [name]: call });
    },
  );
  const died = await toEnd(world).then(
    () => calls > death,
    () => true,
  );
  for (const restore of undo) restore();
  return died;
}

function mortals<T extends object>(target: T, names: (keyof T & string)[]) {
  return names.map((name) => ({ target, name, call: (target[name] as (...args: unknown[]) => Promise<unknown>).bind(target) }));
}

async function until({ app }: FsckWorld, phase: FsckRun["phase"], body: { readData?: number; repair?: boolean } = {}): Promise<void> {
  app.clock.advance(1);
  let { run } = await app.admin.call("startFsck", { body: { repair: true, ...body } });
  while (run?.phase !== phase) ({ run } = await app.admin.call("stepFsck", {}));
}

async function toEnd({ app }: FsckWorld): Promise<FsckRun> {
  for (let steps = 0; steps < 100; steps++) {
    const { run } = await app.admin.call("stepFsck", {});
    if (run?.phase === "done" || run?.phase === "aborted") return run;
  }
  throw new Error("100 steps were not enough");
}

async function demandWhole({ app }: FsckWorld, revisions: readonly RevisionId[]): Promise<void> {
  for (const repository of [MODEL, TUNED]) {
    const page = await app.admin.call("listRevisions", { repository });
    for (const { revision } of page.revisions.filter((one) => revisions.includes(one.revision))) {
      assert.deepEqual(await problemsOf(app, repository, revision), [], `${repository}@${revision}`);
    }
  }
}

async function problemsOf(app: FsckWorld["app"], repository: RepositoryName, revision: RevisionId): Promise<string[]> {
  const entry = await app.ports.repositories.findRevision((await app.admin.call("describeRepository", { repository })).id, revision);
  assert.ok(entry !== null);
  const key = `${ENVELOPE_PREFIX}${entry.manifest}.${entry.attempt}.json`;
  const { placement } = JSON.parse(new TextDecoder().decode((await app.stores.home.bucket.get(key)) ?? new Uint8Array()));
  const chunks = (placement as [string, number, string][]).map(([sha256]) => sha256) as never[];
  const batch = await app.admin.call("download", { repository, params: { ref: revision }, body: { chunks } });
  const problems: string[] = [];
  for (const item of batch.items) {
    const response = await app.stores.fetch(downloadUrl(batch, item));
    if (response.status !== 200 || digestOf(await response.text()) !== item.sha256) problems.push(item.sha256);
  }
  return problems;
}

/** How many revisions adopted an envelope, and that none did twice. */
async function adoptions({ app }: FsckWorld): Promise<number> {
  const records = await Promise.all(
    (await app.stores.home.bucket.list("repositories/")).objects.map(async ({ key }) =>
      JSON.parse(new TextDecoder().decode((await app.stores.home.bucket.get(key)) ?? new Uint8Array())),
    ),
  );
  const adopted = records.filter(({ op }) => op === "adopt").map(({ revision }) => String(revision));
  assert.equal(new Set(adopted).size, adopted.length);
  return adopted.length;
}

/** Two runs: no bad key, no old envelope, no needless copy is left, and none that is needed goes. */
async function demandCollected(world: FsckWorld, { bad }: FsckRun): Promise<void> {
  const { bucket } = world.app.stores.home;
  await collectAll(world);
  for (const { sha256, tag } of bad) assert.equal(await bucket.head(chunkKey(sha256, tag)), null);
  assert.equal((await bucket.list(ENVELOPE_PREFIX)).objects.length, 4, "one envelope a revision");
  assert.equal((await bucket.list("chunks/")).objects.length, 7, "one object a chunk");
  assert.deepEqual((await fsck(world, { readData: 1 })).findings, []);
}

async function collectAll({ app }: FsckWorld, ageMs = 4 * DAY_MS): Promise<void> {
  for (let cycle = 0; cycle < 2; cycle++) {
    app.clock.advance(ageMs);
    let { run } = await app.admin.call("startCollect", { body: { dryRun: false, shareMax: 1 } });
    while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
      app.clock.advance(3_600_000);
      ({ run } = await app.admin.call("stepCollect", {}));
    }
    assert.deepEqual([run?.phase, run?.problem], ["done", null]);
  }
}

let kept = 1;
/** An object of the chunk's name that no index knows, and with these bytes. */
async function keepAt({ app }: FsckWorld, store: string, content: string, stored = content): Promise<void> {
  await app.stores.get(store).bucket.put(chunkKey(digestOf(content), String(kept++).padStart(16, "0")), bytes(stored));
}

async function remove(world: FsckWorld, content: string): Promise<void> {
  await world.app.stores.home.bucket.delete(await chunkKeysOf(world, content));
}

async function overwrite(world: FsckWorld, content: string, stored: string): Promise<void> {
  for (const key of await chunkKeysOf(world, content)) await world.app.stores.home.bucket.put(key, bytes(stored));
}
