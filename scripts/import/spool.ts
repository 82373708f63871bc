/**
 * Files of an origin on a local disk, for as long as they are needed: brought in segments over several connections, which a later run goes on
 * with, and thrown away again, the longest unused first, when all together are more than they may be.
 */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { FerryError } from "../../shared/errors.ts";
import type { SourceFile } from "../../shared/transfer/ports.ts";
import { Semaphore } from "../../shared/transfer/semaphore.ts";
import { MiB } from "../../shared/units.ts";
import { unwritable } from "../node/fs-errors.ts";
import { stampOf } from "../node/walk.ts";
import { claimProblem } from "./claims.ts";
import type { Origin, OriginFile } from "./origin.ts";

export type SpoolOptions = {
  origin: Origin;
  folder: string;
  /** What complete files may take together; a single larger one is kept while it is used. */
  bytesMax: number;
  /** Requests to the origin at once. */
  connections: number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

const SEGMENT_BYTES = 64 * MiB;
/** Tries of one segment, each of which goes on where the last one stopped. */
const TRIES = 6;
const PAUSE_MS = 500;
/** An origin that sends nothing for so long is asked again. */
const STALL_MS = 60_000;

type Kept = { file: OriginFile; place: string; ready: Promise<void> | null; users: number; usedAt: number };

export class Spool {
  readonly #options: SpoolOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #connections: Semaphore;
  #turn = 0;
  /** That came from the origin in this run. */
  bytesRead = 0;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#connections = new Semaphore(options.connections);
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /** Runs `work` on the file's local copy, which is whole and what the origin says it is. Throws SOURCE_UNAVAILABLE, FILE_CHANGED, DIGEST_INVALID. */
  async use<T>(file: OriginFile, signal: AbortSignal, work: (local: SourceFile) => Promise<T>): Promise<T> {
    const kept = this.#keep(file);
    kept.users++;
    try {
      kept.ready ??= this.#bring(kept, signal);
      await kept.ready;
      const stamp = stampOf(statSync(kept.place, { bigint: true }));
      return await work({ kind: "file", path: file.path, local: kept.place, sizeBytes: file.sizeBytes, executable: false, stamp });
    } catch (error) {
      if (kept.users === 1) kept.ready = null;
      throw error;
    } finally {
      kept.users--;
      kept.usedAt = ++this.#turn;
      this.#tidy();
    }
  }

  /** What was brought is not needed any more. */
  drop(): void {
    rmSync(this.#options.folder, { recursive: true, force: true });
  }

  /** What it holds was not right: the next run brings it again. */
  spoil(file: OriginFile): void {
    const { place } = this.#keep(file);
    rmSync(place, { force: true });
    rmSync(`${place}.done`, { force: true });
  }

  #keep(file: OriginFile): Kept {
    const name = createHash("sha256")
      .update(JSON.stringify([file.path, file.sizeBytes, file.sha256, file.gitId, file.etag]))
      .digest("hex");
    const kept = this.#kept.get(name) ?? { file, place: join(this.#options.folder, name), ready: null, users: 0, usedAt: 0 };
    this.#kept.set(name, kept);
    return kept;
  }

  #tidy(): void {
    const idle = [...this.#kept.values()].filter(({ users, ready }) => users === 0 && ready !== null).sort((a, b) => a.usedAt - b.usedAt);
    let bytes = [...this.#kept.values()].reduce((sum, { file, ready }) => sum + (ready === null ? 0 : file.sizeBytes), 0);
    for (const kept of idle) {
      if (bytes <= this.#options.bytesMax) return;
      this.spoil(kept.file);
      kept.ready = null;
      bytes -= kept.file.sizeBytes;
    }
  }

  async #bring({ file, place }: Kept, signal: AbortSignal): Promise<void> {
    // One file in many pieces, or many files: the connections are for all of them.
    const handle = await open(place, existsSync(place) ? "r+" : "w+", 0o600).catch((error: unknown) => {
      throw unwritable(place, error);
    });
    let hidden = false;
    try {
      const done = doneOf(place);
      await handle.truncate(file.sizeBytes);
      const segments = segmentsOf(file).filter(({ from }) => !done.has(from));
      const bring = async (segment: Segment) => {
        hidden = (await this.#segment(handle, file, segment, signal)) || hidden;
        // A line that outlives its bytes would be believed.
        await handle.datasync();
        appendFileSync(`${place}.done`, `${segment.from}\n`, { mode: 0o600 });
      };
      await Promise.all(segments.map((segment) => this.#connections.use(signal, () => bring(segment))));
    } finally {
      await handle.close();
    }
    if ((await claimProblem(place, hidden ? { ...file, md5: null } : file)) !== null) {
      this.spoil(file);
      throw new FerryError("DIGEST_INVALID", { what: file.path, expected: file.gitId ?? file.md5 ?? "its own" });
    }
  }

  /** Whether the store hides the content from its ETag. */
  async #segment(handle: FileHandle, file: OriginFile, segment: Segment, signal: AbortSignal): Promise<boolean> {
    const reading: Reading = { handle, file, at: segment.from, to: segment.to, hidden: false };
    for (let tries = 1; ; tries++) {
      try {
        await this.#read(reading, signal);
        return reading.hidden;
      } catch (error) {
        signal.throwIfAborted();
        const failure = error instanceof FerryError ? error : this.#broken(file, error);
        if (!mayPass(failure) || tries >= TRIES) throw failure;
      }
      await this.#options.sleep(PAUSE_MS * 2 ** tries, signal);
    }
  }

  /** Goes on at `at`, as far as one answer leads. Throws when that is not to the end. */
  async #read(reading: Reading, signal: AbortSignal): Promise<void> {
    const { handle, file, to } = reading;
    const over = new AbortController();
    try {
      const opened = await this.#options.origin.open(file, { from: reading.at, to }, AbortSignal.any([signal, over.signal]));
      reading.hidden = opened.hidden;
      for await (const [at, bytes] of piecesOf(opened, over)) {
        this.bytesRead += bytes.length;
        const wanted = bytes.subarray(Math.max(0, reading.at - at), Math.max(0, to - at));
        await handle.write(wanted, 0, wanted.length, reading.at);
        reading.at += wanted.length;
        if (reading.at >= to) return;
      }
      throw new FerryError("SOURCE_UNAVAILABLE", { source: this.#options.origin.name, problem: `${file.path} ended too early` });
    } finally {
      over.abort(new Error("it is over"));
    }
  }

  #broken({ path }: OriginFile, cause: unknown): FerryError {
    return new FerryError("SOURCE_UNAVAILABLE", { source: this.#options.origin.name, problem: `${path} broke off` }, { cause });
  }
}

/** A source that says no, says no again. */
function mayPass({ retryable, details }: FerryError): boolean {
  const status = Number(details["status"] ?? 500);
  return retryable && (status >= 500 || status === 408 || status === 429);
}

/** `at`: the next byte that is not there. */
type Reading = { handle: FileHandle; file: OriginFile; at: number; to: number; hidden: boolean };
type Segment = { from: number; to: number };

function segmentsOf({ sizeBytes }: OriginFile): Segment[] {
  const count = Math.ceil(sizeBytes / SEGMENT_BYTES);
  return Array.from({ length: count }, (_, at) => ({ from: at * SEGMENT_BYTES, to: Math.min(sizeBytes, (at + 1) * SEGMENT_BYTES) }));
}

/** First bytes of segments that an earlier run has brought. A line that was cut off is none. */
function doneOf(place: string): Set<number> {
  if (!existsSync(`${place}.done`)) return new Set();
  const lines = readFileSync(`${place}.done`, "utf8").split("\n");
  return new Set(
    lines
      .slice(0, -1)
      .filter((line) => /^\d+$/.test(line))
      .map(Number),
  );
}

/** Pieces and where each begins; breaks off where nothing comes any more. */
async function* piecesOf(
  { offset, body }: { offset: number; body: ReadableStream<Uint8Array> },
  over: AbortController,
): AsyncGenerator<[number, Uint8Array]> {
  let at = offset;
  const reader = body.getReader();
  try {
    for (;;) {
      const timer = setTimeout(() => over.abort(new Error("it sends nothing any more")), STALL_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done || value === undefined) return;
      yield [at, value];
      at += value.length;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
