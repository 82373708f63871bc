/**
 * What the agent holds: an index of the chunks in its folder, bounded by size and age. The least recently used goes first; what is pinned
 * or being read stays. The index is rebuilt by looking at the folder, so nothing but the folder has to survive.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { fsCode, fsProblem } from "../node/fs-errors.ts";
import { CacheFolder, type FolderOptions } from "./cache-folder.ts";
import { CacheLock } from "./cache-lock.ts";
import { ChunkFile } from "./chunk-file.ts";
import { type Chunk, Filling } from "./filling.ts";

/** A use that is noted on the disk is not noted again for so long. */
const NOTE_MS = 3_600_000;

export type CacheOptions = {
  maxBytes: number;
  /** What was not used for so long goes. */
  maxAgeMs: number;
  /** Of the disk, for others. */
  keepFreeBytes: number;
  nowMs: () => number;
} & FolderOptions;

/** `checked`: this process has seen that the bytes have the digest. `noted`: the use that the disk knows. */
type Entry = { size: number; usedAtMs: number; notedAtMs: number; checked: boolean; readers: number };

export type CacheCounts = { chunks: number; bytes: number; pinnedBytes: number; evicted: number; evictedBytes: number; dropped: number };

export class Cache {
  readonly folder: CacheFolder;
  readonly #lock: CacheLock;
  readonly #options: CacheOptions;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<Digest, Entry>();
  /** Until when each holder wants what; a holder is a warm-up, or a reader that was given a path. */
  readonly #pins = new Map<Digest, Map<string, number>>();
  #bytes = 0;
  #reservedBytes = 0;
  readonly #ended = { evicted: 0, evictedBytes: 0, dropped: 0 };

  private constructor(folder: CacheFolder, lock: CacheLock, options: CacheOptions) {
    this.folder = folder;
    this.#lock = lock;
    this.#options = options;
  }

  /** Throws AGENT_CACHE_UNFIT, AGENT_CACHE_BUSY. */
  static async open(path: string, options: CacheOptions): Promise<Cache> {
    const folder = CacheFolder.open(path, options);
    const lock = await CacheLock.take(folder.path);
    const cache = new Cache(folder, lock, options);
    const found = await folder.scan();
    for (const { sha256, size, usedAtMs } of found.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      cache.#add({ sha256, size }, { usedAtMs, checked: false });
    }
    cache.tidy();
    return cache;
  }

  close(): void {
    this.#lock.release();
  }

  has({ sha256, size }: Chunk): boolean {
    return this.#entries.get(sha256)?.size === size;
  }

  isChecked(sha256: Digest): boolean {
    return this.#entries.get(sha256)?.checked ?? false;
  }

  /** The chunk's file to read from, or null when it is not here. Counts as a use; it stays until the file is closed. */
  read(chunk: Chunk): ChunkFile | null {
    const entry = this.#entries.get(chunk.sha256);
    if (entry === undefined || entry.size !== chunk.size) return null;
    let fd: number;
    try {
      fd = openSync(this.folder.chunkPath(chunk.sha256), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      // Removed by hand. Too many open files says nothing about it.
      if (fsCode(error) === "ENOENT") this.#forget(chunk.sha256);
      return null;
    }
    this.#use(chunk.sha256, entry);
    entry.readers++;
    return new ChunkFile(fd, chunk, () => {
      closeSync(fd);
      entry.readers--;
    });
  }

  /**
   * Whether the chunk is here with the right bytes: read and hashed, unless this process has seen them already. `again`: read them in any
   * case. Drops what is wrong.
   */
  async check(chunk: Chunk, { again }: { again: boolean }): Promise<boolean> {
    const entry = this.#entries.get(chunk.sha256);
    if (entry?.checked && !again) return entry.size === chunk.size;
    const file = this.read(chunk);
    if (file === null) return false;
    try {
      if (await file.isRight()) {
        if (entry !== undefined) entry.checked = true;
        return true;
      }
    } finally {
      file.close();
    }
    this.drop(chunk.sha256);
    return false;
  }

  /** The chunk is wrong. */
  drop(sha256: Digest): void {
    if (!this.#entries.has(sha256)) return;
    this.#forget(sha256);
    this.folder.remove(sha256);
    this.#ended.dropped++;
  }

  /** Removes a chunk that nobody wants any more. False: it is pinned, or being read. */
  evict(sha256: Digest): boolean {
    const entry = this.#entries.get(sha256);
    if (entry === undefined || this.#isHeld(sha256, entry)) return false;
    this.#forget(sha256);
    this.folder.remove(sha256);
    this.#ended.evicted++;
    this.#ended.evictedBytes += entry.size;
    return true;
  }

  /** Takes room for a chunk and begins to fill it; `settle` or `fail` has to follow. Throws AGENT_CACHE_FULL. */
  begin(chunk: Chunk): Filling {
    this.#makeRoom(chunk.size);
    this.#reservedBytes += chunk.size;
    try {
      return new Filling(this.folder, chunk);
    } catch (error) {
      this.#reservedBytes -= chunk.size;
      throw this.full(chunk, error);
    }
  }

  /** What a write into a filling threw, as the cache says it. Gives back room when the disk is full: others use it, too. */
  full({ size }: Chunk, error: unknown): FerryError {
    if (error instanceof FerryError) return error;
    if (fsCode(error) === "ENOSPC") this.#evictBytes(2 * size);
    return new FerryError("AGENT_CACHE_FULL", { sizeBytes: size, problem: fsProblem(error) }, { cause: error });
  }

  /**
   * The chunk is here from now on. It does not wait for the disk, which a machine full of pulls keeps busy for minutes: a chunk that the disk
   * fails to take is dropped, and one that a power cut took bytes of is found wrong, since the next process checks what it finds.
   *
   * @param from whom to name when the bytes are wrong. Throws as Filling.settle does.
   */
  settle(filling: Filling, from: string): void {
    filling.settle(from);
    this.#reservedBytes -= filling.chunk.size;
    this.#forget(filling.chunk.sha256);
    this.#add(filling.chunk, { usedAtMs: this.#options.nowMs(), checked: true });
    void this.#keep(filling.chunk.sha256);
  }

  async #keep(sha256: Digest): Promise<void> {
    if (!(await this.folder.keep(sha256))) this.drop(sha256);
  }

  fail(filling: Filling, error: unknown): void {
    this.#reservedBytes -= filling.chunk.size;
    filling.fail(error);
  }

  /** Keeps the chunk, and what comes of it, until then. */
  pin(sha256: Digest, holder: string, untilMs: number): void {
    const pins = this.#pins.get(sha256) ?? new Map<string, number>();
    pins.set(holder, untilMs);
    this.#pins.set(sha256, pins);
  }

  unpin(holder: string): void {
    for (const [sha256, pins] of this.#pins) {
      pins.delete(holder);
      if (pins.size === 0) this.#pins.delete(sha256);
    }
  }

  /** Lets go of what is too old, and of pins that are over. */
  tidy(): void {
    const nowMs = this.#options.nowMs();
    for (const [sha256, pins] of this.#pins) {
      for (const [holder, untilMs] of pins) if (untilMs <= nowMs) pins.delete(holder);
      if (pins.size === 0) this.#pins.delete(sha256);
    }
    for (const [sha256, { usedAtMs }] of this.#entries) {
      if (usedAtMs > nowMs - this.#options.maxAgeMs) break;
      this.evict(sha256);
    }
    if (this.#bytes > this.#options.maxBytes) this.#evictBytes(this.#bytes - this.#options.maxBytes);
  }

  /** Chunks that may be wrong by now, the one that was checked or used longest ago first. */
  *all(): Generator<Chunk> {
    for (const [sha256, { size }] of [...this.#entries]) yield { sha256, size };
  }

  get counts(): CacheCounts {
    let pinnedBytes = 0;
    for (const sha256 of this.#pins.keys()) pinnedBytes += this.#entries.get(sha256)?.size ?? 0;
    return { chunks: this.#entries.size, bytes: this.#bytes, pinnedBytes, ...this.#ended };
  }

  get maxBytes(): number {
    return this.#options.maxBytes;
  }

  #add({ sha256, size }: Chunk, { usedAtMs, checked }: { usedAtMs: number; checked: boolean }): void {
    this.#entries.set(sha256, { size, usedAtMs, notedAtMs: usedAtMs, checked, readers: 0 });
    this.#bytes += size;
  }

  #forget(sha256: Digest): void {
    this.#bytes -= this.#entries.get(sha256)?.size ?? 0;
    this.#entries.delete(sha256);
  }

  #use(sha256: Digest, entry: Entry): void {
    entry.usedAtMs = this.#options.nowMs();
    this.#entries.delete(sha256);
    this.#entries.set(sha256, entry);
    if (entry.usedAtMs - entry.notedAtMs < NOTE_MS) return;
    entry.notedAtMs = entry.usedAtMs;
    this.folder.noteUse(sha256, entry.usedAtMs);
  }

  #isHeld(sha256: Digest, { readers }: Entry): boolean {
    if (readers > 0) return true;
    const nowMs = this.#options.nowMs();
    for (const untilMs of this.#pins.get(sha256)?.values() ?? []) if (untilMs > nowMs) return true;
    return false;
  }

  #makeRoom(sizeBytes: number): void {
    const { maxBytes, keepFreeBytes } = this.#options;
    const over = this.#bytes + this.#reservedBytes + sizeBytes - maxBytes;
    const free = this.folder.freeBytes();
    const lacking = free === null ? 0 : keepFreeBytes + this.#reservedBytes + sizeBytes - free;
    const wanted = Math.max(over, lacking);
    if (wanted <= 0) return;
    if (this.#evictBytes(wanted) >= wanted) return;
    const problem = over >= lacking ? `it may hold ${maxBytes} bytes, and what it holds is in use` : "no space left on the disk";
    throw new FerryError("AGENT_CACHE_FULL", { sizeBytes, problem });
  }

  /** Returns how many bytes went. */
  #evictBytes(bytes: number): number {
    let gone = 0;
    for (const [sha256, { size }] of this.#entries) {
      if (gone >= bytes) break;
      if (this.evict(sha256)) gone += size;
    }
    return gone;
  }
}
