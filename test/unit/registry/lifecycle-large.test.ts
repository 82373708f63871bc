import assert from "node:assert/strict";
import { test } from "node:test";
import { repositoryLogKey } from "../../../functions/registry/layout.ts";
import { encodeRecord, type RepositoryRecord } from "../../../functions/registry/records.ts";
import { type Digest, sha256 } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { OperationId, RevisionId } from "../../../shared/names.ts";
import { isoTime } from "../../../shared/time.ts";
import { operationId } from "../../support/memory-app.ts";
import { digestOf } from "../../support/pusher.ts";
import { DAY_MS, MAIN, MODEL, makeWorld, type World } from "./lifecycle-world.ts";

const REVISIONS = 12_000;

const idOf = (at: number) => RevisionId.parse(String(at).padStart(40, "0"));

/** Writes the log of a long history straight into the bucket: one revision a minute, the first labelled. */
async function longHistory(): Promise<World> {
  const world = await makeWorld();
  const { bucket } = world.app.stores.home;
  let prev: Digest | null = null;
  for (let seq = 1; seq <= REVISIONS; seq++) {
    world.app.clock.advance(60_000);
    const record: RepositoryRecord = {
      v: 1,
      seq,
      prev,
      operationId: OperationId.parse(`large-history-${seq}`.padEnd(20, "-")),
      at: isoTime(world.app.clock.now()),
      actor: "trainer",
      repositoryId: world.id,
      op: "commit",
      branch: MAIN,
      revision: idOf(seq),
      parent: seq === 1 ? null : idOf(seq - 1),
      manifest: digestOf(`manifest ${seq}`),
      attempt: String(seq).padStart(16, "0"),
      message: `step ${seq}`,
      fileCount: 1,
      sizeBytes: 10,
      chunkCount: 1,
      newBytes: 1,
      newChunks: 1,
      labels: seq === 1 ? { first: "yes" } : {},
      metrics: { step: String(seq) },
      source: {},
      origin: null,
    };
    const bytes = encodeRecord(record);
    await bucket.put(repositoryLogKey(world.id, seq), bytes);
    prev = await sha256(bytes);
  }
  world.app.indexes.wipe();
  await rebuilt(() => world.admin.call("describeRepository", { repository: MODEL }));
  return world;
}

/** One request replays 2,000 records, and asks to come again. */
async function rebuilt(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const error = await call().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (error === null) return;
    if (!(error instanceof FerryError) || error.code !== "INDEX_REBUILDING") throw error;
  }
}

test("12,000 revisions: searches go on from page to page, retention and purge in bounded steps, and all steps together do all of it", async () => {
  const world = await longHistory();
  const { admin } = world;
  const list = (query: object) => admin.call("listRevisions", { repository: MODEL, query });

  const first = await list({ label: "first:yes" });
  assert.deepEqual([first.revisions.length, first.next], [0, String(REVISIONS - 10_000 + 1)]);
  const second = await list({ label: "first:yes", cursor: first.next ?? "" });
  assert.deepEqual([second.revisions.map(({ revision }) => revision), second.next], [[idOf(1)], null]);
  const best = await list({ sort: "step", order: "min", limit: 2 });
  assert.deepEqual(
    best.revisions.map(({ seq }) => seq),
    [2001, 2002],
  );

  let runs = 0;
  for (let more = true; more; runs++) {
    const body = { dryRun: false, retention: { keepLast: 5, keepEvery: 1000 }, operationId: operationId() };
    const plan = await admin.call("runRetention", { repository: MODEL, body });
    assert.ok(plan.deletes.length <= 1000);
    ({ more } = plan);
  }
  assert.equal(runs, 12);
  const living: number[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await list({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
    living.push(...page.revisions.map(({ seq }) => seq));
    cursor = page.next;
  }
  assert.deepEqual(
    living.reverse(),
    [1, 1001, 2001, 3001, 4001, 5001, 6001, 7001, 8001, 9001, 10_001, 11_001, 11_996, 11_997, 11_998, 11_999, 12_000],
  );

  world.app.clock.advance(14 * DAY_MS);
  let purged = 0;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const body = { operationId: operationId(), ...(cursor === undefined ? {} : { cursor }) };
    const answer = await admin.call("purgeRevisions", { repository: MODEL, body });
    purged += answer.revisions.length;
    cursor = answer.next;
  }
  assert.equal(purged, REVISIONS - 17);
  const { usage, revisionCount } = await admin.call("describeRepository", { repository: MODEL });
  assert.deepEqual([revisionCount, usage.logicalBytes], [17, 170]);
});
