/**
 * Where the transfer engine meets the machine. The engine decides what moves, when, and what to do about a failure; a port moves it.
 * Tasks are plain data, so that an adapter may carry them out in another thread: no byte of a chunk passes through the engine.
 */
import type { Range } from "../chunking/group.ts";
import type { Digest } from "../digest.ts";
import type { Recipe } from "../recipe.ts";

/** Time and chance, injected so that tests decide them. */
export type Machine = {
  nowMs(): number;
  /** Rejects with the signal's reason when it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** 0 to 1. */
  random(): number;
  operationId(): string;
};

/** A file to be pushed. `stamp` is another text when the content may be another (device, inode, size, time of change). */
export type SourceFile = { kind: "file"; path: string; local: string; sizeBytes: number; executable: boolean; stamp: string };
export type SourceLink = { kind: "link"; path: string; target: string };
export type SourceEntry = SourceFile | SourceLink;

/** A chunk that lies in a local file as the concatenation of `ranges`. `md5` (base64) only when it was asked for. */
export type LocalChunk = { sha256: Digest; size: number; ranges: Range[]; md5?: string };
/** `recipe` is null for a file of at most one chunk, whose digest is the file's. */
export type ScannedFile = { sha256: Digest; recipe: Recipe | null };

/** What happened to a request that went to a store. `broken`: no whole answer came. */
export type StoreAnswer =
  | { kind: "answered"; status: number; code: string; retryAfterSeconds: number }
  | { kind: "broken"; problem: string; stalledSeconds?: number };

export type ScanOptions = {
  md5: boolean;
  signal: AbortSignal;
  /** Told of each chunk as soon as its digest is known; the scan goes on when it resolves. */
  onChunk: (chunk: LocalChunk) => Promise<void>;
};

export type SendTask = {
  file: SourceFile;
  chunk: LocalChunk;
  request: { method: string; url: string; headers: Record<string, string> };
};

export type MoveOptions = { signal: AbortSignal; onBytes: (bytes: number) => void };

/** Reads what is pushed. Throws FILE_UNREADABLE, and FILE_CHANGED when a file's stamp is no longer the one it was listed with. */
export type Source = {
  /** Every file and link, in the order of their paths. Throws PATH_UNSAFE naming what can't be stored. */
  list(): Promise<SourceEntry[]>;
  /** Cuts a file into chunks and hashes them and the whole. */
  scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile>;
  /** Sends a chunk's bytes as the body of `request`. */
  send(task: SendTask, options: MoveOptions): Promise<StoreAnswer>;
  /** Whether the chunk's bytes in the file still have its digest. */
  holds(file: SourceFile, chunk: LocalChunk, signal: AbortSignal): Promise<boolean>;
};

/** `length` bytes of a chunk, from `chunkOffset`, belong at `fileOffset` of the file. */
export type Place = { chunkOffset: number; fileOffset: number; length: number };
/** A chunk and where a file has it, in order of `chunkOffset`. `shared`: another file of this pull has it, too. */
export type WantedChunk = { sha256: Digest; size: number; places: Place[]; shared: boolean };
export type WantedFile = { path: string; sizeBytes: number; executable: boolean; sha256: Digest; chunks: WantedChunk[] };

/** Bytes `from` to `to` of a chunk that one request after the other brings. The one from 0 is hashed on the way. */
export type Piece = { from: number; to: number };

/**
 * How a fetch of a piece ended. `held`: it was the whole chunk, which has its digest. `there`: a part of the chunk is there, whatever it
 * is. `corrupt`: all bytes came, with another digest; nothing is kept of them. Otherwise all bytes before `reachedBytes` of the chunk,
 * from the piece's first, are there, and the next fetch goes on from them.
 */
export type FetchAnswer = { kind: "held" } | { kind: "there" } | { kind: "corrupt" } | (StoreAnswer & { reachedBytes: number });

/**
 * A file on its way, under a name that no reader takes for the file. A chunk counts as held only after its bytes in this part were seen
 * to have its digest.
 */
export type Part = {
  holds(sha256: Digest): boolean;
  /** Takes the chunk from what is on this machine, when it is there. False when it must be fetched. */
  borrow(chunk: WantedChunk, signal: AbortSignal): Promise<boolean>;
  /** Fetches a piece of the chunk and writes it to its places. */
  fetch(chunk: WantedChunk, piece: Piece, url: string, options: MoveOptions): Promise<FetchAnswer>;
  /** Lets the fetch of a piece, which is under way, end at `to`. False when it is as far already. */
  limit(chunk: WantedChunk, piece: Piece, to: number): Promise<boolean>;
  /** Every piece of the chunk is there: reads and hashes what follows the first one. */
  join(chunk: WantedChunk, signal: AbortSignal): Promise<FetchAnswer & { kind: "held" | "corrupt" }>;
  /** Makes the part durable and gives it its name. Every chunk is held. */
  seal(): Promise<void>;
  /** Lets go of the part; what it holds may serve the next run. */
  leave(): Promise<void>;
};

/** Where a pull writes. Throws FILE_UNWRITABLE naming the path; never follows a link, never writes outside the destination. */
export type Target = {
  /** There will be files to write, of so many bytes at most: what takes a while to start may start. */
  expect(largestBytes: number): void;
  /** Makes the destination ready for these files, and takes over what a run that died has left there. */
  open(files: readonly WantedFile[]): Promise<void>;
  /** The part to fill, or null when the file is there already, every chunk verified. */
  prepare(file: WantedFile, signal: AbortSignal): Promise<Part | null>;
  link(path: string, target: string): Promise<void>;
  /** `complete`: the journal has served. Otherwise it stays for the next run. */
  close(complete: boolean): Promise<void>;
};

/** A tree on this machine that should be a revision. Only looks: never writes, never follows a link below its root. */
export type Tree = {
  /** Null, or why the file is not what it should be. `full`: reads it against the whole file's digest, too. */
  fileProblem(file: WantedFile, full: boolean, signal: AbortSignal): Promise<string | null>;
  linkProblem(path: string, target: string): Promise<string | null>;
  close(): Promise<void>;
};
