import assert from "node:assert/strict";
import { test } from "node:test";
import type { RevisionId } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { entriesOf, type Files } from "../../support/pusher.ts";
import { COPY, calls, codeOf, collect, DAY_MS, logLength, MODEL, makeWorld, purgeNow, records, type World } from "./lifecycle-world.ts";

type Words = { labels?: Record<string, string>; metrics?: Record<string, string>; source?: Record<string, string>; message?: string };

/** Pushes a small file with these words. */
async function pushWords(world: World, text: string, words: Words, branch = refName("main")): Promise<RevisionId> {
  world.app.clock.advance(DAY_MS);
  const files: Files = { text };
  const { upload, parent } = await world.pusher.open(MODEL, branch);
  const reservation = await world.pusher.reserve(MODEL, upload, files);
  await world.pusher.send(reservation, files);
  await world.pusher.confirm(MODEL, upload, reservation);
  const body = { operationId: operationId(), parent, files: entriesOf(files), ...words };
  return (await world.admin.call("commit", { repository: MODEL, params: { upload }, body })).revision;
}

async function runs(): Promise<{ world: World; revisions: RevisionId[] }> {
  const world = await makeWorld();
  const revisions = [
    await pushWords(world, "0", { labels: { stage: "draft", "a:b": "x" }, metrics: { loss: "0.5" }, message: "Warm start" }),
    await pushWords(world, "1", {
      labels: { stage: "final" },
      metrics: { loss: "0.031", acc: "99.5" },
      source: { host: "Node-7", git: "cafe12" },
    }),
    await pushWords(world, "2", { metrics: { loss: "1e-3" } }, refName("side")),
    await pushWords(world, "3", { labels: { stage: "draft" } }),
  ];
  return { world, revisions };
}

const setLabels = ({ admin }: World, ref: string, body: object) =>
  admin.call("setLabels", { repository: MODEL, params: { ref }, body: { operationId: operationId(), ...body } as never });

test("a listing gives what fits all that is asked, newest first", async () => {
  const { world, revisions } = await runs();
  const at = async (query: object) =>
    (await world.admin.call("listRevisions", { repository: MODEL, query })).revisions.map(({ revision }) => revisions.indexOf(revision));
  const day = (days: number) => isoTime(Date.parse("2026-01-01T00:00:00Z") + days * DAY_MS);
  for (const [query, expected] of [
    [{}, [3, 2, 1, 0]],
    [{ branch: "side" }, [2]],
    [{ author: "bootstrap" }, [3, 2, 1, 0]],
    [{ author: "boot" }, []],
    [{ label: "stage:draft" }, [3, 0]],
    [{ label: "stage" }, [3, 1, 0]],
    [{ label: "stage:" }, []],
    [{ label: "constructor" }, []],
    [{ metric: "loss" }, [2, 1, 0]],
    [{ metric: "acc", label: "stage:final" }, [1]],
    [{ metric: "acc", label: "stage:draft" }, []],
    [{ since: day(2) }, [3, 2, 1]],
    [{ until: day(2) }, [1, 0]],
    [{ since: day(2), until: day(3) }, [2, 1]],
    [{ text: "WARM" }, [0]],
    [{ text: "node-7" }, [1]],
    [{ text: "cafe" }, [1]],
    [{ text: "side" }, [2]],
    [{ text: "draft" }, [3, 0]],
    [{ sort: "loss", order: "min" }, [2, 1, 0]],
    [{ sort: "loss", limit: 1 }, [0]],
    [{ sort: "loss", order: "min", branch: "main" }, [1, 0]],
    [{ sort: "nothing" }, []],
    [{ deleted: "true" }, []],
  ] as const)
    assert.deepEqual(await at(query), expected, JSON.stringify(query));
});

test("pages of a filtered listing add up to all of it, whatever their size", async () => {
  const world = await makeWorld();
  const expected: RevisionId[] = [];
  for (let at = 0; at < 25; at++) {
    const revision = await pushWords(world, `${at}`, at % 3 === 0 ? { labels: { third: "yes" } } : {});
    if (at % 3 === 0) expected.unshift(revision);
  }
  for (const limit of [1, 2, 7, 100]) {
    const found: RevisionId[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const query = { label: "third:yes", limit, ...(cursor === undefined ? {} : { cursor }) };
      const page = await world.admin.call("listRevisions", { repository: MODEL, query });
      found.push(...page.revisions.map(({ revision }) => revision));
      cursor = page.next;
    }
    assert.deepEqual(found, expected, `pages of ${limit}`);
  }
});

test("a search across repositories finds what the caller may pull, and nothing of what he may not", async () => {
  const { world, revisions } = await runs();
  const hidden = repositoryName("secret/model");
  await calls.clone(world, revisions[1] ?? "");
  await calls.clone(world, revisions[1] ?? "", hidden);
  const search = async (query: object, client = world.admin) =>
    (await client.call("searchRevisions", { query })).revisions.map(
      ({ repository, origin }) => `${repository} ${origin === null ? "" : "copy"}`,
    );
  const query = { label: "stage:final" };
  assert.deepEqual(await search(query), [`${hidden} copy`, `${COPY} copy`, `${MODEL} `]);
  assert.deepEqual(await search({ ...query, namespace: "team" }), [`${COPY} copy`, `${MODEL} `]);
  const member = await world.app.member({ repositories: MODEL, actions: ["pull"] });
  assert.deepEqual(await search(query, member), [`${MODEL} `]);
  assert.deepEqual((await search({ limit: 1 }, member)).length, 1);
});

test("labels and metrics are set or merged, and tell who changed them when; the commit's own words stay", async () => {
  const { world, revisions } = await runs();
  const evaluator = await world.app.member({ repositories: MODEL, actions: ["pull", "tag"] });
  const ref = revisions[1] ?? "";
  world.app.clock.advance(5000);
  const merged = await setLabels(world, ref, { labels: { stage: null, owner: "eval" }, metrics: { acc: "99.6" }, merge: true });
  assert.deepEqual([merged.labels, merged.metrics], [{ owner: "eval" }, { loss: "0.031", acc: "99.6" }]);
  assert.deepEqual([merged.modifiedBy, merged.modifiedAt, merged.author], ["bootstrap", isoTime(world.app.clock.now()), "bootstrap"]);
  const replaced = await evaluator.call("setLabels", {
    repository: MODEL,
    params: { ref },
    body: { labels: { only: "this" }, operationId: operationId() },
  });
  assert.deepEqual([replaced.labels, replaced.metrics, replaced.modifiedBy], [{ only: "this" }, merged.metrics, "member"]);
  assert.deepEqual(await calls.resolve(world, ref), replaced);
  world.app.indexes.wipe();
  assert.deepEqual(await calls.resolve(world, ref), replaced);
  const pusher = await world.app.member({ repositories: MODEL, actions: ["pull", "push"] });
  const denied = pusher.call("setLabels", { repository: MODEL, params: { ref }, body: { labels: {}, operationId: operationId() } });
  assert.equal(await codeOf(denied), "PERMISSION_DENIED");
});

test("two who merge one key each at the same time both keep theirs", async () => {
  const { world, revisions } = await runs();
  const ref = revisions[0] ?? "";
  await Promise.all(Array.from({ length: 12 }, (_, at) => setLabels(world, ref, { metrics: { [`m${at}`]: `${at}` }, merge: true })));
  assert.equal(Object.keys((await calls.resolve(world, ref)).metrics).length, 13);
});

test("labels that are too many, metrics that are no numbers, and nothing at all are refused and change nothing", async () => {
  const { world } = await runs();
  const before = await records(world);
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`, "x"]));
  for (const body of [
    {},
    { labels: many(65) },
    { labels: many(64), merge: true },
    { metrics: { loss: "low" } },
    { metrics: { loss: "1,5" } },
    { metrics: { loss: "" } },
    { labels: { "": "x" } },
  ])
    assert.equal(await codeOf(setLabels(world, "main", body)), "REQUEST_INVALID", JSON.stringify(body).slice(0, 60));
  assert.deepEqual(await records(world), before);
});

test("a diff counts files and bytes against the parent or any revision, without reading a recipe", async () => {
  const world = await makeWorld();
  const first = await world.push({ same: "same", edit: "before", gone: "gone" });
  const second = await world.push({ same: "same", edit: "after!", more: "more", copy: "same" });
  const diff = (ref: string, query: { base?: string } = {}) => world.admin.call("diff", { repository: MODEL, params: { ref }, query });
  const expected = {
    base: first,
    revision: second,
    files: { added: 2, removed: 1, changed: 1, unchanged: 1 },
    bytes: { shared: 4, new: 10, gone: 10 },
    changes: [
      { change: "added", path: "copy", sizeBefore: null, sizeAfter: 4 },
      { change: "changed", path: "edit", sizeBefore: 6, sizeAfter: 6 },
      { change: "removed", path: "gone", sizeBefore: 4, sizeAfter: null },
      { change: "added", path: "more", sizeBefore: null, sizeAfter: 4 },
    ],
    more: false,
  };
  assert.deepEqual(await diff("main"), expected);
  assert.deepEqual(await diff(second, { base: first }), expected);
  const whole = await diff(first);
  assert.deepEqual([whole.base, whole.files.added, whole.bytes], [null, 3, { shared: 0, new: 14, gone: 0 }]);
  assert.deepEqual((await diff("main", { base: "main" })).changes, []);
  assert.equal(await codeOf(diff("main", { base: "nothing" })), "REF_UNKNOWN");
  await purgeNow(world, [first]);
  assert.equal((await diff("main")).base, null);
});

test("usage tells logical, stored and unique bytes, and sums of what the caller may pull", async () => {
  const world = await makeWorld();
  const first = await world.push({ a: "aaaa", b: "bbbb" });
  await world.push({ a: "aaaa", c: "cc" });
  await world.push({ a: "aaaa", c: "cc", d: "dddddd" });
  await calls.clone(world, first);
  const usage = (repository = MODEL) => world.admin.call("repositoryUsage", { repository });
  assert.deepEqual(await usage(), {
    revisions: 3,
    logicalBytes: 26,
    storedBytes: 16,
    objects: 4,
    uniqueBytes: 16,
    uniqueChunks: 4,
    scanned: 3,
    complete: true,
  });
  const copy = await usage(COPY);
  assert.deepEqual([copy.logicalBytes, copy.storedBytes, copy.uniqueBytes], [8, 0, 8]);
  await calls.trash(world, [first]);
  const trashed = await usage();
  assert.deepEqual([trashed.revisions, trashed.logicalBytes, trashed.uniqueBytes], [2, 26, 12]);
  const total = await world.admin.call("usage", { query: {} });
  assert.deepEqual(total, { repositories: 2, revisions: 3, logicalBytes: 34, storedBytes: 16, objects: 4, measured: null, next: null });
  const member = await world.app.member({ repositories: COPY, actions: ["pull"] });
  assert.equal((await member.call("usage", { query: {} })).logicalBytes, 8);
  world.app.clock.advance(3 * DAY_MS);
  await collect({ ...world });
  const { measured } = await world.admin.call("usage", { query: {} });
  assert.deepEqual([measured?.chunks, measured?.bytes, measured?.garbage], [4, 16, 0]);
  assert.equal((await member.call("usage", { query: {} })).measured, null);
  assert.equal(await logLength(world, world.id), 4);
});
