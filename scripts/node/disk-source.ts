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
import { KiB } from "../../shared/units.ts";
import { scanFile } from "./scan.ts";
import { OpenSource } from "./source-file.ts";
import type { StatCache } from "./stat-cache.ts";
import type { Transport } from "./transport.ts";
import { type WalkRequest, walk } from "./walk.ts";

/** One read and one write to the socket. A connection holds two of them at most. */
const PIECE_BYTES = 512 * KiB;

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
      for await (const bytes of readRanges(source, chunk.ranges)) {
        signal.throwIfAborted();
        hash.update(bytes);
      }
      const isHeld = hash.digest("hex") === chunk.sha256;
      if (!isHeld) this.#cache?.forget(file);
      return isHeld;
    });
  }
}

/** The last bytes leave only when the file is still the one that was hashed: a store that checks nothing must not get others. */
async function* bodyOf(source: OpenSource, chunk: LocalChunk): AsyncGenerator<Uint8Array> {
  let leftBytes = chunk.size;
  for await (const bytes of readRanges(source, chunk.ranges)) {
    leftBytes -= bytes.length;
    if (leftBytes === 0) await source.check();
    yield bytes;
  }
}

/** The concatenation of `ranges`, in pieces. A fresh buffer each time: whoever takes one may keep it. */
async function* readRanges(source: OpenSource, ranges: readonly Range[]): AsyncGenerator<Uint8Array> {
  let leftBytes = ranges.reduce((sum, [, length]) => sum + length, 0);
  let piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, leftBytes));
  let filled = 0;
  for (const [offset, length] of ranges) {
    for (let done = 0; done < length; ) {
      const bytes = piece.subarray(filled, filled + Math.min(length - done, piece.length - filled));
      await source.fill(bytes, offset + done);
      done += bytes.length;
      filled += bytes.length;
      if (filled < piece.length) continue;
      yield piece;
      leftBytes -= filled;
      [piece, filled] = [Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, leftBytes)), 0];
    }
  }
}
