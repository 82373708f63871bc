/** A repository in which a test makes garbage and collects it, and what must still be there in the end. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { FerryClient } from "../../shared/client.ts";
import type { CollectRun } from "../../shared/contract/collect.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import { type CrashStand, persistently } from "./crash-stand.ts";
import { type Acknowledged, judgeCrowd } from "./crowd.ts";
import { operationId, refName } from "./memory-app.ts";
import { type Files, Pusher } from "./pusher.ts";

export class GarbageYard {
  readonly repository: RepositoryName;
  readonly pusher: Pusher;
  /** What must be there when it is judged. */
  readonly acknowledged: Acknowledged[] = [];
  readonly #stand: CrashStand;

  private constructor(stand: CrashStand, repository: RepositoryName) {
    this.#stand = stand;
    this.repository = repository;
    this.pusher = new Pusher(stand.client, fetch as never);
  }

  static async open(stand: CrashStand, repository: RepositoryName): Promise<GarbageYard> {
    const yard = new GarbageYard(stand, repository);
    await yard.pusher.create(repository);
    return yard;
  }

  /** Three revisions that are purged, and a fourth that stays; the contents of the three. */
  async makeGarbage(seed: string): Promise<Files[]> {
    const contents = [0, 1, 2].map((at) => ({ own: `${seed} ${at}`, shared: `${seed} shared` }));
    const revisions = [];
    for (const files of contents) revisions.push((await this.push(files, `old ${seed}`)).revision);
    await this.push({ own: `${seed} kept` }, `kept ${seed}`);
    await this.purge(revisions);
    return contents;
  }

  async purge(revisions: readonly RevisionId[]): Promise<void> {
    const { client } = this.#stand;
    const { repository } = this;
    await client.call("trashRevisions", { repository, body: { revisions: [...revisions], operationId: operationId() } });
    await client.call("purgeRevisions", { repository, body: { revisions: [...revisions], now: true, operationId: operationId() } });
  }

  /** What was purged is pushed again, and must be there from then on. */
  async pushAgain(contents: readonly Files[], name: string): Promise<void> {
    for (const [at, files] of contents.entries()) {
      const message = `${name} ${at}`;
      this.acknowledged.push({ ...(await this.push(files, message)), files, message });
    }
  }

  /** As the engine does: what a commit calls unproven is sent again under the attempt that it names. */
  async push(files: Files, message: string): Promise<{ revision: RevisionId; seq: number }> {
    const { pusher, repository } = this;
    const { upload, parent } = await persistently(() => pusher.open(repository, refName("main")));
    const commit = { parent, message, operationId: operationId() };
    for (let attempt = 1; ; ) {
      const reservation = await pusher.reserve(repository, upload, files, attempt);
      await pusher.send(reservation, files);
      await pusher.confirm(repository, upload, reservation, attempt);
      try {
        const { revision, seq } = await persistently(() => pusher.commit(repository, upload, files, { ...commit, attempt }));
        return { revision, seq };
      } catch (error) {
        if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
        attempt = Number(error.details["attempt"]);
      }
    }
  }

  /** After two quiet cycles all that was acknowledged reads back, and nothing else is left. */
  async judge(t: TestContext, figures: string): Promise<void> {
    const stand = this.#stand;
    for (let quiet = 0; quiet < 2; quiet++) await collectOn(stand);
    const last = await collectOn(stand, { dryRun: true });
    const all = new Map([[this.repository, this.acknowledged]]);
    const { revisions, lost, torn, doubled } = await judgeCrowd(stand.live, { acknowledged: all, failures: 0, longestMs: 0 });
    t.diagnostic(
      `${figures}; ${revisions} revisions: lost ${lost}, torn ${torn}, doubled ${doubled}; ` +
        `chunks missing ${last.missing}, garbage left ${last.garbage}`,
    );
    assert.deepEqual([lost, torn, doubled, last.missing, last.garbage], [0, 0, 0, 0, 0]);
  }
}

/** `client`: of another server than the stand's. `leaseless`: as if no lease held anybody off, so that collectors really work at once. */
export type CollectHow = { client?: FerryClient; dryRun?: boolean; leaseless?: boolean };

/** A run to its end, whatever that is. */
export async function runToEnd({ endLeases, ...stand }: CrashStand, how: CollectHow = {}): Promise<CollectRun> {
  const { client = stand.client, dryRun = false, leaseless = false } = how;
  for (;;) {
    const started = await persistently(() => client.call("startCollect", { body: { dryRun } }));
    let run = started.busy ? null : started.run;
    while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
      if (leaseless) await endLeases();
      ({ run } = await persistently(() => client.call("stepCollect", {})));
    }
    if (run !== null && run.dryRun === dryRun) return run;
    await endLeases();
  }
}

/** A run that must end well. */
export async function collectOn(stand: CrashStand, how: CollectHow = {}): Promise<CollectRun> {
  const run = await runToEnd(stand, how);
  assert.equal(run.phase, "done", run.problem ?? "");
  return run;
}
