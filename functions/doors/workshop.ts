/** What a foreign protocol writes: a catalog that can be changed. Each call looks whether the caller may. */
import type { Digest } from "../../shared/digest.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Catalog } from "./catalog.ts";

export type DoorChange =
  | { kind: "bytes"; path: string; bytes: Uint8Array }
  | { kind: "named"; path: string; sha256: Digest }
  | { kind: "remove"; path: string }
  | { kind: "removeFolder"; path: string };

export type Wanted = { sha256: Digest; size: number };
/** `urls`: PUTs of the pieces, all but the last of `pieceBytes`; null when the file is there. `ticket`: names the upload to `finish`. */
export type Slotted = Wanted & { upload: { urls: string[]; pieceBytes: number; ticket: string } | null };

/** `parent`: the head that the caller saw; undefined: any. */
export type DoorCommit = { branch: string; parent: string | undefined; message: string };

export interface Workshop extends Catalog {
  create(repository: RepositoryName): Promise<void>;
  remove(repository: RepositoryName): Promise<void>;
  createBranch(repository: RepositoryName, branch: string, ref: string | undefined): Promise<void>;
  removeBranch(repository: RepositoryName, branch: string): Promise<void>;
  tag(repository: RepositoryName, tag: string, at: { ref: string; message: string }): Promise<void>;
  untag(repository: RepositoryName, tag: string): Promise<void>;
  stage(repository: RepositoryName, files: readonly Wanted[]): Promise<Slotted[]>;
  /** The pieces are there: makes chunks of them. Throws FILE_UNSTAGED, DIGEST_INVALID. */
  finish(repository: RepositoryName, file: Wanted): Promise<void>;
  /** Answers the branch's head then. */
  commit(repository: RepositoryName, commit: DoorCommit, changes: AsyncIterable<DoorChange>): Promise<string>;
}
