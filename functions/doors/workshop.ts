/** What a foreign protocol writes: a catalog that can be changed. Each call looks whether the caller may. */
import type { Digest } from "../../shared/digest.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Catalog, CatalogFile } from "./catalog.ts";

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

/** `branch`, `time`: of the oldest revision that has it. */
export type FileEver = CatalogFile & { branch: string; time: string };

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
  /** Under another name; the old one leads there. */
  move(repository: RepositoryName, to: RepositoryName): Promise<void>;
  /** One revision on the branch, with the files of its head; those before it go into the trash unless something else names them. */
  squash(repository: RepositoryName, branch: string, message: string): Promise<void>;
  /** Files of the newest revisions, each content and path once, by when it came. */
  filesEver(repository: RepositoryName): Promise<FileEver[]>;
  /** Takes these contents from all branches; revisions that have them go into the trash. Throws REVISION_IN_USE when a tag names one. */
  expunge(repository: RepositoryName, contents: readonly Digest[]): Promise<void>;
  /** Answers the branch's head then. */
  commit(repository: RepositoryName, commit: DoorCommit, changes: AsyncIterable<DoorChange>): Promise<string>;
}
