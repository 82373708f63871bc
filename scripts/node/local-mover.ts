/** The mover that works in the thread that calls it. */
import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import type { Digest } from "../../shared/digest.ts";
import { Placing } from "../../shared/transfer/placing.ts";
import type {
  FetchAnswer,
  MoveOptions,
  ScannedFile,
  ScanOptions,
  SendTask,
  SourceFile,
  StoreAnswer,
  WantedChunk,
} from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import { Arena, BLOCK_BYTES } from "./arena.ts";
import { DirectWriter } from "./direct-writer.ts";
import { HeldChunks } from "./held-chunks.ts";
import type { CopyTask, FetchTask, FindTask, HoldsTask, Mover, MoverSetting, PartFile } from "./mover.ts";
import { CachedWriter, type PartWriter, writeAt } from "./part-writer.ts";
import { readerOf } from "./range-reader.ts";
import { scanFile } from "./scan.ts";
import { OpenSource } from "./source-file.ts";
import type { GetAnswer, Transport } from "./transport.ts";
import { makeTransport } from "./transports.ts";

const READ_BYTES = MiB;
/** Shorter chunks are mostly odd bytes at both ends. */
const DIRECT_BYTES_MIN = MiB;

/** A chunk of which the beginning is there. */
type Begun = { hash: Hash; placing: Placing; writer: PartWriter };

function makeBegun(chunk: WantedChunk, writer: PartWriter): Begun {
  const placing = new Placing(chunk.places, (bytes, fileOffset) => begun.writer.write(bytes, fileOffset));
  const begun: Begun = { hash: createHash("sha256"), placing, writer };
  return begun;
}

export class LocalMover implements Mover {
  readonly #transport: Transport;
  readonly #arena: Arena;
  /** By part and digest. */
  readonly #begun = new Map<number, Map<Digest, Begun>>();

  private constructor(transport: Transport, arena: Arena) {
    this.#transport = transport;
    this.#arena = arena;
  }

  static async make({ transport, directBytes }: MoverSetting): Promise<LocalMover> {
    return new LocalMover(await makeTransport(transport), new Arena(Math.floor(directBytes / BLOCK_BYTES)));
  }

  scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
    return scanFile(file, options);
  }

  send({ file, chunk, request }: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    return OpenSource.use(file, (source) => {
      const body = () => readerOf(source, chunk.ranges, chunk.size);
      return this.#transport.put({ ...request, sizeBytes: chunk.size, body }, options);
    });
  }

  holds({ file, chunk }: HoldsTask, signal: AbortSignal): Promise<boolean> {
    return OpenSource.use(file, async (source) => {
      const hash = createHash("sha256");
      const read = readerOf(source, chunk.ranges, chunk.size);
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, chunk.size));
      for (let leftBytes = chunk.size; leftBytes > 0; ) {
        signal.throwIfAborted();
        const bytes = buffer.subarray(0, Math.min(buffer.length, leftBytes));
        await read(bytes);
        hash.update(bytes);
        leftBytes -= bytes.length;
      }
      return hash.digest("hex") === chunk.sha256;
    });
  }

  async fetch(task: FetchTask, options: MoveOptions): Promise<FetchAnswer> {
    const { part, chunk } = task;
    const begun = this.#begin(task);
    // All bytes came, but the answer did not end: nothing is left to ask for.
    const isThere = begun.placing.offset === chunk.size;
    const answer = isThere ? ({ kind: "complete" } as const) : await this.#receive(begun, task, options);
    if (answer.kind !== "complete") return { ...answer, reachedBytes: begun.placing.offset };
    this.#begun.get(part.id)?.delete(chunk.sha256);
    return begun.hash.digest("hex") === chunk.sha256 ? { kind: "held" } : { kind: "corrupt" };
  }

  async #receive(begun: Begun, { part, chunk, url }: FetchTask, options: MoveOptions): Promise<GetAnswer> {
    const { placing } = begun;
    const writer = this.#writer(part, chunk);
    begun.writer = writer;
    const sink = {
      restart: () => {
        begun.hash = createHash("sha256");
        placing.restart();
        writer.restart();
      },
      write: (bytes: Uint8Array) => {
        begun.hash.update(bytes);
        placing.push(bytes);
        return writer.room();
      },
    };
    try {
      const request = { url, offset: placing.offset, end: chunk.size, sizeBytes: chunk.size };
      return await this.#transport.get(request, sink, options);
    } finally {
      // Also after a failure: the memory belongs to the next one then.
      await writer.flush().finally(() => writer.close());
    }
  }

  /** Many short places of a chunk are better gathered by the page cache. */
  #writer(part: PartFile, chunk: WantedChunk): PartWriter {
    const { directFd } = part;
    const isLong = chunk.places.length === 1 && chunk.size >= DIRECT_BYTES_MIN;
    const pair = directFd !== null && isLong ? this.#arena.takePair() : null;
    return directFd === null || pair === null ? new CachedWriter(part) : new DirectWriter({ ...part, directFd }, this.#arena, pair);
  }

  async find({ fd, sizeBytes, chunks }: FindTask, signal: AbortSignal): Promise<Digest[]> {
    return [...(await new HeldChunks(fd, sizeBytes).find(chunks, signal))];
  }

  async copy({ from, lent, part, chunk }: CopyTask, signal: AbortSignal): Promise<boolean> {
    const hash = createHash("sha256");
    const placing = new Placing(chunk.places, (bytes, fileOffset) => writeAt(part, bytes, fileOffset));
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, chunk.size));
    let yieldAt = READ_BYTES;
    for (const { chunkOffset, fileOffset, length } of lent.places) {
      if (chunkOffset !== placing.offset) return false;
      for (let done = 0; done < length; ) {
        const bytesRead = readSync(from, buffer, 0, Math.min(buffer.length, length - done), fileOffset + done);
        if (bytesRead === 0) return false;
        hash.update(buffer.subarray(0, bytesRead));
        placing.push(buffer.subarray(0, bytesRead));
        done += bytesRead;
        if (placing.offset < yieldAt) continue;
        yieldAt += READ_BYTES;
        await yieldTo(signal);
      }
    }
    return placing.offset === chunk.size && hash.digest("hex") === chunk.sha256;
  }

  forget(part: number): void {
    this.#begun.delete(part);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #begin({ part, chunk }: FetchTask): Begun {
    let ofPart = this.#begun.get(part.id);
    if (ofPart === undefined) {
      ofPart = new Map();
      this.#begun.set(part.id, ofPart);
    }
    let begun = ofPart.get(chunk.sha256);
    if (begun === undefined) {
      begun = makeBegun(chunk, new CachedWriter(part));
      ofPart.set(chunk.sha256, begun);
    }
    return begun;
  }
}

/** Lets others run between two long synchronous steps. */
async function yieldTo(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
