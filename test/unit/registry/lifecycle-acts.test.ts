import assert from "node:assert/strict";
import { test } from "node:test";
import { Margins } from "../../../functions/registry/collect/margins.ts";
import type { Ports } from "../../../functions/registry/ports.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { OperationId, RevisionId } from "../../../shared/names.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { COPY, calls, codeOf, MAIN, MODEL, makeWorld, records, type World } from "./lifecycle-world.ts";

/** A world with something for every act to act on. */
type Stage = World & { old: RevisionId; head: RevisionId; trashed: RevisionId; gone: string; failApply(): void };

async function makeStage(): Promise<Stage> {
  let failures = 0;
  const failing = <T extends object>(index: T): T =>
    new Proxy(index, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (name !== "apply" || failures === 0) return typeof member === "function" ? member.bind(target) : member;
        return async () => {
          failures--;
          throw new FerryError("INDEX_UNAVAILABLE", { problem: "injected" });
        };
      },
    });
  const decorate = (ports: Ports): Ports => ({
    ...ports,
    margins: Margins.parse({ chunkAgeMs: 0, intentWaitMs: 0, skewMs: 0, shareMax: 1 }),
    system: failing(ports.system),
    repositories: failing(ports.repositories),
  });
  const world = await makeWorld({ decorate });
  const [trashed, old] = [await world.push({ a: "1" }), await world.push({ a: "2" })];
  const head = await world.push({ a: "3" });
  await world.push({ side: "side" }, { branch: refName("side") });
  await calls.tag(world, "moved", old);
  await calls.tag(world, "moved", head, { force: true });
  await calls.tag(world, "locked", head);
  await calls.lock(world, "locked");
  await calls.trash(world, [trashed]);
  const repository = repositoryName("team/gone");
  await world.pusher.create(repository);
  await world.push({ gone: "gone" }, { repository });
  const { id: gone } = await world.admin.call("describeRepository", { repository });
  await world.admin.call("deleteRepository", { repository, query: { operationId: operationId() } });
  const failApply = () => {
    failures = 1;
  };
  return { ...world, old, head, trashed, gone, failApply };
}

const repository = MODEL;

/** Every act, and how many records it writes in all logs. */
const ACTS: { name: string; records: number; act: (stage: Stage, operation: { operationId: OperationId }) => Promise<unknown> }[] = [
  {
    name: "clone",
    records: 2,
    act: ({ admin, old }, operation) =>
      admin.call("clone", { repository: COPY, body: { from: MODEL, ref: old, branch: MAIN, ...operation } }),
  },
  {
    name: "restoreBranch",
    records: 1,
    act: ({ admin, old, head }, operation) =>
      admin.call("restoreBranch", { repository, params: { branch: "main" }, body: { ref: old, expected: head, ...operation } }),
  },
  {
    name: "setTag",
    records: 1,
    act: ({ admin }, operation) =>
      admin.call("setTag", { repository, params: { tag: "moved" }, body: { ref: "side", expectedRef: "main", ...operation } }),
  },
  {
    name: "deleteTag",
    records: 1,
    act: ({ admin, head }, operation) =>
      admin.call("deleteTag", { repository, params: { tag: "moved" }, query: { expected: head, ...operation } }),
  },
  {
    name: "deleteBranch",
    records: 1,
    act: ({ admin }, operation) => admin.call("deleteBranch", { repository, params: { branch: "side" }, query: operation }),
  },
  { name: "lockTag", records: 1, act: ({ admin }, body) => admin.call("lockTag", { repository, params: { tag: "moved" }, body }) },
  { name: "unlockTag", records: 1, act: ({ admin }, query) => admin.call("unlockTag", { repository, params: { tag: "locked" }, query }) },
  {
    name: "rollbackTag",
    records: 1,
    act: ({ admin, head }, operation) =>
      admin.call("rollbackTag", { repository, params: { tag: "moved" }, body: { expected: head, ...operation } }),
  },
  {
    name: "setLabels",
    records: 1,
    act: ({ admin }, operation) =>
      admin.call("setLabels", { repository, params: { ref: "main" }, body: { labels: { a: "b" }, ...operation } }),
  },
  {
    name: "setSettings",
    records: 1,
    act: ({ admin }, operation) =>
      admin.call("setSettings", { repository, body: { settings: { retention: { keepLast: 1 } }, ...operation } }),
  },
  {
    name: "trashRevisions",
    records: 1,
    act: ({ admin, old }, operation) => admin.call("trashRevisions", { repository, body: { revisions: [old], ...operation } }),
  },
  {
    name: "restoreRevisions",
    records: 1,
    act: ({ admin, trashed }, operation) => admin.call("restoreRevisions", { repository, body: { revisions: [trashed], ...operation } }),
  },
  {
    name: "purgeRevisions",
    records: 1,
    act: ({ admin, trashed }, operation) =>
      admin.call("purgeRevisions", { repository, body: { revisions: [trashed], now: true, ...operation } }),
  },
  {
    name: "runRetention",
    records: 1,
    act: ({ admin }, operation) =>
      admin.call("runRetention", { repository, body: { dryRun: false, retention: { keepLast: 1 }, ...operation } }),
  },
  { name: "deleteRepository", records: 1, act: ({ admin }, query) => admin.call("deleteRepository", { repository, query }) },
  {
    name: "restoreRepository",
    records: 1,
    act: ({ admin, gone }, body) => admin.call("restoreRepository", { params: { id: gone }, body }),
  },
  {
    name: "purgeRepository",
    records: 2,
    act: ({ admin, gone }, operation) => admin.call("purgeRepository", { params: { id: gone }, body: { now: true, ...operation } }),
  },
];

for (const { name, records: count, act } of ACTS) {
  test(`${name}: asked 8 times at once and again later, under one operation id, happens once; all answers are one`, async () => {
    const stage = await makeStage();
    const before = await records(stage);
    const operation = { operationId: operationId() };
    const answers = await Promise.all(Array.from({ length: 8 }, () => act(stage, operation)));
    answers.push(await act(stage, operation));
    stage.app.indexes.wipe();
    answers.push(await act(stage, operation));
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
    assert.equal((await records(stage)).length, before.length + count);
  });

  for (const loss of ["nothing", "everything"] as const) {
    test(`${name}: the index fails right after the commit point and loses ${loss}: 503, and the retry finds what happened, once`, async () => {
      const stage = await makeStage();
      const before = await records(stage);
      const operation = { operationId: operationId() };
      stage.failApply();
      assert.equal(await codeOf(act(stage, operation)), "INDEX_UNAVAILABLE");
      if (loss === "everything") stage.app.indexes.wipe();
      const again = await act(stage, operation);
      assert.equal((await records(stage)).length, before.length + count);
      const other = await makeStage();
      const straight = await act(other, { operationId: operationId() });
      assert.equal(typeof again, typeof straight);
    });
  }

  test(`${name}: an operation id of another act is refused, and nothing changes`, async () => {
    const stage = await makeStage();
    const used = { operationId: operationId() };
    // Used in both kinds of log.
    await stage.admin.call("createRepository", { body: { repository: repositoryName("team/used"), ...used } });
    await stage.admin.call("setTag", { repository, params: { tag: "used" }, body: { ref: "main", ...used } });
    if (name === "clone") {
      await stage.pusher.create(COPY);
      await stage.push({ copy: "copy" }, { repository: COPY, operationId: used.operationId });
    }
    const before = await records(stage);
    assert.equal(await codeOf(act(stage, used)), "REQUEST_INVALID");
    assert.deepEqual(await records(stage), before);
  });
}
