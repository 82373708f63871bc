/** Commits of the S3 door, one of a branch at a time: who asks for one that is under way waits for that one, as clients that lost patience do. */
import type { FerryClient } from "../../shared/client.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { ChunkAccess } from "./chunk-access.ts";
import type { Log } from "./log.ts";
import { type Committed, commitPending } from "./s3-commit.ts";
import type { PendingBranch } from "./s3-pending.ts";

type Under = { message: string; done: Promise<Committed> };
export type CommitsParts = { chunks: ChunkAccess; chunkPath: (sha256: Digest) => string; log: Log; signal: AbortSignal };

export class Commits {
  readonly #parts: CommitsParts;
  readonly #under = new Map<PendingBranch, Under>();

  constructor(parts: CommitsParts) {
    this.#parts = parts;
  }

  get active(): number {
    return this.#under.size;
  }

  /** @param message of a commit under way it is another: then that one ends first. Throws what a push throws. */
  async commit(branch: PendingBranch, client: FerryClient, message: string): Promise<Committed> {
    for (;;) {
      const under = this.#under.get(branch);
      if (under === undefined) break;
      if (under.message === message) return under.done;
      await under.done.catch(() => {});
    }
    const done = this.#commit(branch, client, message).finally(() => this.#under.delete(branch));
    this.#under.set(branch, { message, done });
    return done;
  }

  async #commit(branch: PendingBranch, client: FerryClient, message: string): Promise<Committed> {
    const { chunks, chunkPath, signal, log } = this.#parts;
    const { repository, branch: name } = branch;
    try {
      const committed = await commitPending({ client, chunks, chunkPath, branch, message, signal });
      log({ event: "s3.committed", repository, branch: name, revision: committed.revision.revision, isNew: committed.isNew });
      return committed;
    } catch (error) {
      log({ event: "s3.commit.failed", repository, branch: name, code: error instanceof FerryError ? error.code : "INTERNAL" });
      throw error;
    }
  }
}
