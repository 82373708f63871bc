/** The files that a push reads. */
import type {
  LocalChunk,
  MoveOptions,
  ScannedFile,
  ScanOptions,
  SendTask,
  Source,
  SourceEntry,
  SourceFile,
  StoreAnswer,
} from "../../shared/transfer/ports.ts";
import type { Movers } from "./movers.ts";
import type { StatCache } from "./stat-cache.ts";
import { type WalkRequest, walk } from "./walk.ts";

export class DiskSource implements Source {
  readonly #request: WalkRequest;
  readonly #movers: Movers;
  readonly #cache: StatCache | null;

  /** @param cache null: every file is hashed. */
  constructor(request: WalkRequest, movers: Movers, cache: StatCache | null) {
    this.#request = request;
    this.#movers = movers;
    this.#cache = cache;
  }

  async list(): Promise<SourceEntry[]> {
    const entries = await walk(this.#request);
    // The threads start while the registry is asked for an upload.
    this.#movers.expect(entries.reduce((most, entry) => (entry.kind === "file" ? Math.max(most, entry.sizeBytes) : most), 0));
    return entries;
  }

  async scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
    const known = this.#cache?.find(file, options) ?? null;
    if (known !== null) {
      for (const chunk of known.chunks) await options.onChunk(chunk);
      return known;
    }
    const chunks: LocalChunk[] = [];
    const onChunk = (chunk: LocalChunk) => {
      chunks.push(chunk);
      return options.onChunk(chunk);
    };
    const scanned = await this.#movers.run(file.sizeBytes, (mover) => mover.scan(file, { ...options, onChunk }));
    this.#cache?.keep(file, { ...scanned, chunks });
    return scanned;
  }

  send(task: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    return this.#movers.run(task.chunk.size, (mover) => mover.send(task, options));
  }

  async holds(file: SourceFile, chunk: LocalChunk, signal: AbortSignal): Promise<boolean> {
    const isHeld = await this.#movers.run(chunk.size, (mover) => mover.holds({ file, chunk }, signal));
    if (!isHeld) this.#cache?.forget(file);
    return isHeld;
  }
}
