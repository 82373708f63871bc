/**
 * What push and pull take and give: the doors between the transfer engine and whoever drives it (CLI, agent, tests).
 * The engine is written on ports; disks, sockets and threads are adapters.
 */
import type { FerryClient } from "../client.ts";
import type { ContentReport } from "../contract/content.ts";
import type { SessionName } from "../contract/parts.ts";
import type { RevisionSummary, Source } from "../contract/repositories.ts";
import type { Digest } from "../digest.ts";
import type { OperationId, RefName, RepositoryName, RevisionId } from "../names.ts";
import type { SourceEntry } from "./ports.ts";

export type PushRequest = {
  repository: RepositoryName;
  branch: RefName;
  message: string;
  labels?: Record<string, string>;
  /** Decimal texts. */
  metrics?: Record<string, string>;
  source?: Source;
  /** Local sources: a directory's files keep their paths below it; a file keeps its name. */
  sources: string[];
  include?: string[];
  exclude?: string[];
  /** Create the repository when it does not exist. */
  create: boolean;
  /** The head that must be there; left out: whatever it is when the upload opens, in a session when it is committed. */
  parent?: string | null;
  /** What a link leads to is pushed in its place; left out: links are kept as links. */
  followLinks?: boolean;
  /** That there is nothing to push is fine. */
  mayBeEmpty?: boolean;
  /** These files are one part of a session. */
  session?: PushSession;
  /** Looks into the files that were listed, while they are sent, or before with `inspectFirst`; throws to refuse. Its report is committed. */
  inspect?: (entries: readonly SourceEntry[], signal: AbortSignal) => Promise<ContentReport | null>;
  inspectFirst?: boolean;
  /**
   * Asked right before the commit: the operation id by which this content is committed onto this parent once, or the revision that it is
   * already. Left out: the push is an act of its own.
   */
  once?: (manifest: Digest, parent: RevisionId | null) => Promise<{ operationId: OperationId } | { revision: RevisionSummary }>;
};

/** `part`: counted from 0. All parts of the session become one revision; until then, at most `waitMs`, the push waits. */
export type PushSession = {
  name: SessionName;
  part: number;
  parts: number;
  waitMs: number;
  /** Told whose parts are missing, whenever that was asked: `0, 3-5`. */
  onWaiting?: (missing: string) => void;
};

/** One of `parts` readers, counted from 0, each of whom takes files of its own. */
export type PullShare = { part: number; parts: number };

/** Asked about the revision before anything of it is fetched or written; throws to refuse. */
export type Approve = (revision: RevisionSummary) => Promise<void>;

export type PullRequest = {
  repository: RepositoryName;
  ref: string;
  destination: string;
  include?: string[];
  exclude?: string[];
  /** Of the files that are meant, only this reader's. */
  share?: PullShare;
  /** A folder with chunks of earlier pulls, each as `<first two hex characters>/<sha256>`: what it holds is not fetched. Only read. */
  chunkCache?: string;
  approve?: Approve;
  /** A symbolic link that is switched to the destination, in one step, when all of it is there. */
  current?: string;
};

/** `full`: the digests of whole files, too, which the uploader has claimed; chunks alone are what the store has proven. */
export type VerifyRequest = Omit<PullRequest, "chunkCache" | "current"> & { full: boolean };

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

/** Files and links that are not what the revision says, and why. */
export type VerifyResult = {
  repository: RepositoryName;
  ref: string;
  revision: RevisionSummary;
  files: number;
  bytesTotal: number;
  wrong: { path: string; problem: string }[];
  seconds: number;
};

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
