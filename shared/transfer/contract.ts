/**
 * What push and pull take and give: the doors between the transfer engine and whoever drives it (CLI, agent, tests).
 * The engine is written on ports; disks, sockets and threads are adapters.
 */
import type { FerryClient } from "../client.ts";
import type { RevisionSummary } from "../contract/repositories.ts";
import type { RefName, RepositoryName } from "../names.ts";

export type PushRequest = {
  repository: RepositoryName;
  branch: RefName;
  message: string;
  labels?: Record<string, string>;
  /** Local sources: a directory's files keep their paths below it; a file keeps its name. */
  sources: string[];
  include?: string[];
  exclude?: string[];
  /** Create the repository when it does not exist. */
  create: boolean;
  /** The head that must be there; left out: whatever it is when the upload opens. */
  parent?: string | null;
};

export type PullRequest = {
  repository: RepositoryName;
  ref: string;
  destination: string;
  include?: string[];
  exclude?: string[];
};

/** Counts for people and for `--json`; bytes are bytes of chunks. */
export type TransferCounts = {
  files: number;
  bytesTotal: number;
  bytesMoved: number;
  chunksTotal: number;
  chunksMoved: number;
  seconds: number;
};

export type PushResult = TransferCounts & { repository: RepositoryName; ref: string; revision: RevisionSummary };
export type PullResult = TransferCounts & { repository: RepositoryName; ref: string; revision: RevisionSummary };

/** Told often; `bytesDone` counts bytes settled in any way (sent, had, verified on disk), so it reaches `bytesTotal`. */
export type TransferProgress = {
  phase: "listing" | "hashing" | "moving" | "finishing";
  bytesDone: number;
  bytesTotal: number;
  bytesMoved: number;
  filesDone: number;
  filesTotal: number;
};

export type TransferControl = { client: FerryClient; onProgress: (progress: TransferProgress) => void; signal: AbortSignal };
