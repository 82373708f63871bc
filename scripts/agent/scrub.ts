/**
 * Reads what the cache holds again, past the page cache, so many percent of it a day: disks forget silently. What is wrong is dropped, and
 * comes again when somebody wants it.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import { MiB } from "../../shared/units.ts";
import { fsCode } from "../node/fs-errors.ts";
import { readAt } from "../node/read-at.ts";
import type { Cache } from "./cache.ts";
import type { Chunk } from "./filling.ts";
import type { Log } from "./log.ts";

const DAY_MS = 86_400_000;
const READ_BYTES = MiB;
/** What direct reads must be aligned to. */
const PAGE_BYTES = 4096;
const IDLE_MS = 60_000;

export type ScrubCounts = { chunks: number; bytes: number; wrong: number };

export class Scrub {
  readonly #cache: Cache;
  readonly #log: Log;
  readonly counts: ScrubCounts = { chunks: 0, bytes: 0, wrong: 0 };

  constructor(cache: Cache, log: Log) {
    this.#cache = cache;
    this.#log = log;
  }

  /** Until the signal fires. @param percentPerDay 0: never. */
  async run(percentPerDay: number, sleep: (ms: number, signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    if (percentPerDay <= 0) return;
    while (!signal.aborted) {
      const held = this.#cache.counts.bytes;
      for (const chunk of this.#cache.all()) {
        // Evenly: a chunk takes its share of the day.
        const pauseMs = held === 0 ? IDLE_MS : (chunk.size / held) * (DAY_MS / (percentPerDay / 100));
        await sleep(pauseMs, signal).catch(() => {});
        if (signal.aborted) return;
        await this.look(chunk);
      }
      await sleep(IDLE_MS, signal).catch(() => {});
    }
  }

  /** Whether the chunk's file is right, or there is none any more. */
  async look(chunk: Chunk): Promise<boolean> {
    if (!this.#cache.has(chunk)) return true;
    const isRight = await isRightOnDisk(this.#cache.folder.chunkPath(chunk.sha256), chunk);
    this.counts.chunks++;
    this.counts.bytes += chunk.size;
    if (isRight !== false) return true;
    this.counts.wrong++;
    this.#cache.drop(chunk.sha256);
    this.#log({ event: "scrub.wrong", chunk: chunk.sha256 });
    return false;
  }
}

/** Null: the file is gone. A disk that can't read it has lost it. */
async function isRightOnDisk(path: string, { sha256, size }: Chunk): Promise<boolean | null> {
  let fd: number;
  try {
    fd = openPastCache(path);
  } catch (error) {
    return fsCode(error) === "ENOENT" ? null : false;
  }
  try {
    const hash = createHash("sha256");
    const buffer = alignedBuffer();
    for (let at = 0; at < size; ) {
      const bytesRead = await readAt(fd, buffer, at);
      if (bytesRead === 0) return false;
      hash.update(buffer.subarray(0, Math.min(bytesRead, size - at)));
      at += bytesRead;
    }
    return hash.digest("hex") === sha256;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

function openPastCache(path: string): number {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags | (constants.O_DIRECT ?? 0));
  } catch (error) {
    // Not every file system can.
    if (fsCode(error) === "EINVAL") return openSync(path, flags);
    throw error;
  }
}

/** WebAssembly's memory begins at a page. */
function alignedBuffer(): Buffer {
  const pages = Math.ceil(READ_BYTES / (16 * PAGE_BYTES));
  return Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}
