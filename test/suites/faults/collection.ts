/** F12 of reference/safety.md §6: collection, again and again, beside pushers that share chunks and purge what is old. */
import assert from "node:assert/strict";
import type { CollectRun } from "../../../shared/contract/collect.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { isReadable } from "../../support/crowd.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import type { Live } from "../../support/live.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { type Files, Pusher } from "../../support/pusher.ts";

const PUSHERS = 8;

export function collectionSuite(ground: FaultGround, { cycles }: { cycles: number }): void {
  ground.test(
    `F12: ${cycles} cycles beside ${PUSHERS} pushers: every revision that was acknowledged and kept reads back whole`,
    {
      timeout: 300_000,
    },
    async (t, { live }) => {
      // Few cycles need garbage from the first on.
      const purgeAt = cycles < 10 ? 1 : 3;
      let running = true;
      let done = 0;
      let deleted = 0;
      const sweep = async () => {
        while (done < cycles) {
          const ended = await cycle(live);
          assert.equal(ended.phase, "done", ended.problem ?? "");
          done++;
          deleted += ended.deleted;
        }
        running = false;
      };
      const counts = { pushes: 0, refusals: 0 };
      // Two pushes a cycle each: as many as there is to collect, not as many as the machine takes.
      const isRunning = async (round: number) => {
        while (running && round > 2 * done + 2) await new Promise((wake) => setTimeout(wake, 20));
        return running;
      };
      const pushers = Array.from({ length: PUSHERS }, (_, at) => pushOn(live, { at, purgeAt }, isRunning, counts));
      const [, ...kept] = await Promise.all([
        sweep().finally(() => {
          running = false;
        }),
        ...pushers,
      ]);
      let revisions = 0;
      for (const { repository, contents } of kept) {
        for (const [revision, files] of contents) {
          assert.ok(await isReadable(live, repository, { ref: revision, files }), `${repository}@${revision}`);
          revisions++;
        }
      }
      t.diagnostic(
        `${done} cycles, ${counts.pushes} pushes, ${deleted} chunks deleted, ${counts.refusals} commits asked for a chunk anew; ${revisions} revisions read back whole, chunks missing 0`,
      );
      assert.ok(deleted > 0 && counts.pushes > cycles);
      const last = await cycle(live, true);
      assert.equal(last.missing, 0);
    },
  );
}

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
  { at, purgeAt }: { at: number; purgeAt: number },
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
    if (old.length < purgeAt) continue;
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
