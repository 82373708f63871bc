/** The files that a push reads. */
import { createHash } from "node:crypto";
import type { Range } from "../../shared/chunking/group.ts";
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
import { MiB } from "../../shared/units.ts";
import { scanFile } from "./scan.ts";
import { OpenSource } from "./source-file.ts";
import type { StatCache } from "./stat-cache.ts";
import type { BodyReader, Transport } from "./transport.ts";
import { type WalkRequest, walk } from "./walk.ts";

const READ_BYTES = MiB;

export class DiskSource implements Source {
  readonly #request: WalkRequest;
  readonly #transport: Transport;
  readonly #cache: StatCache | null;

  /** @param cache null: every file is hashed. */
  constructor(request: WalkRequest, transport: Transport, cache: StatCache | null) {
    this.#request = request;
    this.#transport = transport;
    this.#cache = cache;
  }

  list(): Promise<SourceEntry[]> {
    return walk(this.#request);
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
    const scanned = await scanFile(file, { ...options, onChunk });
    this.#cache?.keep(file, { ...scanned, chunks });
    return scanned;
  }

  send({ file, chunk, request }: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    return OpenSource.use(file, (source) =>
      this.#transport.put({ ...request, sizeBytes: chunk.size, body: () => bodyOf(source, chunk) }, options),
    );
  }

  holds(file: SourceFile, chunk: LocalChunk, signal: AbortSignal): Promise<boolean> {
    return OpenSource.use(file, async (source) => {
      const hash = createHash("sha256");
      const reader = new RangeReader(source, chunk.ranges);
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, chunk.size));
      for (let leftBytes = chunk.size; leftBytes > 0; ) {
        signal.throwIfAborted();
        const bytes = buffer.subarray(0, Math.min(buffer.length, leftBytes));
        await reader.fill(bytes);
        hash.update(bytes);
        leftBytes -= bytes.length;
      }
      const isHeld = hash.digest("hex") === chunk.sha256;
      if (!isHeld) this.#cache?.forget(file);
      return isHeld;
    });
  }
}

/** The last bytes leave only when the file is still the one that was hashed: a store that checks nothing must not get others. */
function bodyOf(source: OpenSource, chunk: LocalChunk): BodyReader {
  const reader = new RangeReader(source, chunk.ranges);
  let leftBytes = chunk.size;
  return async (buffer) => {
    await reader.fill(buffer);
    leftBytes -= buffer.length;
    if (leftBytes === 0) await source.check();
  };
}

/** Reads the concatenation of `ranges`. */
class RangeReader {
  readonly #source: OpenSource;
  readonly #ranges: readonly Range[];
  #next = 0;
  /** Bytes of the next range that were read. */
  #done = 0;

  constructor(source: OpenSource, ranges: readonly Range[]) {
    this.#source = source;
    this.#ranges = ranges;
  }

  /** Fills the buffer; the ranges have as much left. */
  async fill(buffer: Uint8Array): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const [offset, length] = this.#ranges[this.#next] ?? [0, 0];
      const piece = buffer.subarray(filled, filled + Math.min(length - this.#done, buffer.length - filled));
      if (piece.length === 0) throw new RangeError("the ranges are shorter than the chunk");
      await this.#source.fill(piece, offset + this.#done);
      filled += piece.length;
      this.#done += piece.length;
      if (this.#done === length) [this.#next, this.#done] = [this.#next + 1, 0];
    }
  }
}
