/**
 * What one thread does with bytes: read and hash, send, fetch, check. Tasks are plain data, so that it does not matter which thread has
 * the mover: files are named by descriptors, which all threads of a process share, and no byte goes from one thread to another.
 */
import type { Digest } from "../../shared/digest.ts";
import type {
  FetchAnswer,
  LocalChunk,
  MoveOptions,
  Piece,
  ScannedFile,
  ScanOptions,
  SendTask,
  SourceFile,
  StoreAnswer,
  WantedChunk,
} from "../../shared/transfer/ports.ts";
import type { TransportSetting } from "./transports.ts";

/** Plain data: it goes to the threads. */
export type MoverSetting = {
  transport: TransportSetting;
  /** Memory for writing past the page cache. */
  directBytes: number;
};

/**
 * A file that is being filled. `id` is its own, as long as the process lives; `directFd` writes past the page cache; `path` is what a
 * person calls it.
 */
export type PartFile = { id: number; fd: number; directFd: number | null; path: string };

export type FetchTask = { part: PartFile; chunk: WantedChunk; piece: Piece; url: string };
/** The fetch of the piece from `from` is to end at `to`. */
export type LimitTask = { part: number; sha256: Digest; from: number; to: number };
export type JoinTask = { part: PartFile; chunk: WantedChunk };
export type HoldsTask = { file: SourceFile; chunk: LocalChunk };
/** Which of `chunks` lie, with their right bytes, in a file of `sizeBytes`. */
export type FindTask = { fd: number; sizeBytes: number; chunks: WantedChunk[] };
export type DigestTask = { fd: number; sizeBytes: number };
/** Brings a chunk from where `lent` places it in another file. */
export type CopyTask = { from: number; lent: WantedChunk; part: PartFile; chunk: WantedChunk };

export type JoinAnswer = FetchAnswer & { kind: "held" | "corrupt" };

/** Each throws what ports.ts says of it, and the signal's reason, but only when nothing of the task goes on any more. */
export type Mover = {
  scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile>;
  send(task: SendTask, options: MoveOptions): Promise<StoreAnswer>;
  holds(task: HoldsTask, signal: AbortSignal): Promise<boolean>;
  /** A piece is gone on with by the mover that began it. */
  fetch(task: FetchTask, options: MoveOptions): Promise<FetchAnswer>;
  /** Asked of the mover that fetches the piece. */
  limit(task: LimitTask): Promise<boolean>;
  /** Asked of the mover that has the first piece. */
  join(task: JoinTask, signal: AbortSignal): Promise<JoinAnswer>;
  find(task: FindTask, signal: AbortSignal): Promise<Digest[]>;
  /** The sha256 of all of a file, in hex. */
  digest(task: DigestTask, signal: AbortSignal): Promise<string>;
  /** False when what lies there is not the chunk. */
  copy(task: CopyTask, signal: AbortSignal): Promise<boolean>;
  /** Nothing more comes for this part. */
  forget(part: number): void;
  close(): Promise<void>;
};
