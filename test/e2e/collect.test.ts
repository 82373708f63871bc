import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { CollectRun } from "../../shared/contract/collect.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries, parseManifest } from "../../shared/manifest.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import { type Live, startLive } from "../support/live.ts";
import { operationId, refName, repositoryName } from "../support/memory-app.ts";
import { type Files, Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";

const PUSHERS = 8;
const CYCLES = Number(process.env["FERRY_COLLECT_CYCLES"] ?? 20);
/** Garbage at once; what is pending is kept, as the protocol needs it to be. */
const MARGINS = { chunkAgeMs: 0, intentWaitMs: 0, skewMs: 1_500, shareMax: 1 };

describe("collection beside pushes on workerd, real Redis and local R2", { skip: whyNoRedis() }, () => {
  let live: Live;
  before(async () => {
    live = await startLive({ runtime: "workerd", vars: { COLLECT_MARGINS: JSON.stringify(MARGINS) } });
  });
  after(() => live?.stop());

  test(`F12: ${CYCLES} cycles beside ${PUSHERS} pushers: every revision that was acknowledged and kept reads back whole`, {
    timeout: 300_000,
  }, async (t) => {
    let running = true;
    let cycles = 0;
    let deleted = 0;
    const sweep = async () => {
      while (cycles < CYCLES) {
        const ended = await cycle(live);
        assert.equal(ended.phase, "done", ended.problem ?? "");
        cycles++;
        deleted += ended.deleted;
      }
      running = false;
    };
    const counts = { pushes: 0, refusals: 0 };
    // Two pushes a cycle each: as many as there is to collect, not as many as the machine takes.
    const isRunning = async (round: number) => {
      while (running && round > 2 * cycles + 2) await new Promise((wake) => setTimeout(wake, 20));
      return running;
    };
    const pushers = Array.from({ length: PUSHERS }, (_, at) => pushOn(live, at, isRunning, counts));
    const [, ...kept] = await Promise.all([
      sweep().finally(() => {
        running = false;
      }),
      ...pushers,
    ]);
    let revisions = 0;
    for (const { repository, contents } of kept) {
      for (const [revision, files] of contents) {
        await assertReadable(live, repository, revision, files);
        revisions++;
      }
    }
    t.diagnostic(
      `${cycles} cycles, ${counts.pushes} pushes, ${deleted} chunks deleted, ${counts.refusals} commits asked for a chunk anew; ${revisions} revisions read back whole, chunks missing 0`,
    );
    assert.ok(deleted > 0 && counts.pushes > CYCLES);
    const last = await cycle(live, true);
    assert.equal(last.missing, 0);
  });
});

async function cycle({ admin }: Live, dryRun = false): Promise<CollectRun> {
  let { run } = await admin.call("startCollect", { body: { dryRun } });
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") ({ run } = await admin.call("stepCollect", {}));
  assert.ok(run !== null);
  return run;
}

type Kept = { repository: RepositoryName; contents: Map<RevisionId, Files> };

/** Pushes contents that others push too, purges old revisions, and tells what must still be there at the end. */
async function pushOn(
  live: Live,
  at: number,
  isRunning: (round: number) => Promise<boolean>,
  counts: { pushes: number; refusals: number },
): Promise<Kept> {
  const pusher = new Pusher(live.admin, fetch as never);
  const repository = repositoryName(`soak/model-${at}`);
  await pusher.create(repository);
  const contents = new Map<RevisionId, Files>();
  for (let round = 0; await isRunning(round); round++) {
    const files = { own: `own ${at} ${round}`, common: `common ${(at + round) % 5}`, rare: `rare ${round % 3}` };
    contents.set(await pushUntilTaken(pusher, repository, files, counts), files);
    counts.pushes++;
    const old = [...contents.keys()].slice(0, -2);
    if (old.length < 3) continue;
    await live.admin.call("trashRevisions", { repository, body: { revisions: old, reason: "old", operationId: operationId() } });
    await live.admin.call("purgeRevisions", { repository, body: { revisions: old, now: true, operationId: operationId() } });
    for (const revision of old) contents.delete(revision);
  }
  return { repository, contents };
}

/** As the engine does: what a commit calls unproven is sent again under the attempt that it names. */
async function pushUntilTaken(pusher: Pusher, repository: RepositoryName, files: Files, counts: { refusals: number }): Promise<RevisionId> {
  const { upload, parent } = await pusher.open(repository, refName("main"));
  const operation = operationId();
  for (let attempt = 1; ; ) {
    const reservation = await pusher.reserve(repository, upload, files, attempt);
    await pusher.send(reservation, files);
    await pusher.confirm(repository, upload, reservation, attempt);
    try {
      return (await pusher.commit(repository, upload, files, { parent, attempt, operationId: operation })).revision;
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
      attempt = Number(error.details["attempt"]);
      counts.refusals++;
    }
  }
}

/** An independent reader: manifest by digest, every chunk by presigned URL, every byte hashed. */
async function assertReadable({ admin }: Live, repository: RepositoryName, ref: RevisionId, files: Files): Promise<void> {
  const answer = await admin.call("manifest", { repository, params: { ref } });
  const manifest = await parseManifest(answer.manifest, answer.revision.manifest);
  assert.deepEqual(manifest.files.map(({ path }) => path).sort(), Object.keys(files).sort());
  const chunks = contentEntries(manifest).flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]));
  const batch = await admin.call("download", { repository, params: { ref }, body: { chunks } });
  for (const item of batch.items) {
    const response = await fetch(downloadUrl(batch, item));
    assert.equal(response.status, 200, `chunk ${item.sha256} of ${repository}@${ref}`);
    assert.equal(
      createHash("sha256")
        .update(new Uint8Array(await response.arrayBuffer()))
        .digest("hex"),
      item.sha256,
    );
  }
}
