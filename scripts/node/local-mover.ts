/** The mover that works in the thread that calls it. */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import type { Digest } from "../../shared/digest.ts";
import { Placing } from "../../shared/transfer/placing.ts";
import type { FetchAnswer, MoveOptions, ScannedFile, ScanOptions, SendTask, SourceFile, StoreAnswer } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import { Arena, BLOCK_BYTES } from "./arena.ts";
import { Fetcher } from "./fetcher.ts";
import { hashRange } from "./hash-range.ts";
import { copiesOf, HeldChunks } from "./held-chunks.ts";
import type {
  CopyTask,
  DigestTask,
  FetchTask,
  FindTask,
  HoldsTask,
  JoinAnswer,
  JoinTask,
  LimitTask,
  Mover,
  MoverSetting,
} from "./mover.ts";
import { writeAt } from "./part-writer.ts";
import { readerOf } from "./range-reader.ts";
import { yieldToOthers } from "./read-at.ts";
import { ReadDesk } from "./read-desk.ts";
import { SMALL_BYTES_MAX, SmallFiles } from "./small-files.ts";
import { type CheckedSource, OpenSource } from "./source-file.ts";
import type { Transport } from "./transport.ts";
import { makeTransport } from "./transports.ts";

const READ_BYTES = MiB;

export class LocalMover implements Mover {
  readonly #transport: Transport;
  readonly #fetcher: Fetcher;
  readonly #small = new SmallFiles();
  readonly #desk = new ReadDesk();

  private constructor(transport: Transport, arena: Arena) {
    this.#transport = transport;
    this.#fetcher = new Fetcher(transport, arena);
  }

  static async make({ transport, directBytes }: MoverSetting): Promise<LocalMover> {
    return new LocalMover(await makeTransport(transport), new Arena(Math.floor(directBytes / BLOCK_BYTES)));
  }

  async scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
    // Loaded here: a thread that only fetches does without.
    const { scanFile, scanSource } = await import("./scan.ts");
    if (file.sizeBytes > SMALL_BYTES_MAX) return scanFile(file, options);
    return scanSource(file, await this.#small.read(file), options);
  }

  async send(task: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    const known = this.#small.take(task.file);
    const put = (source: CheckedSource) => {
      const { chunk, request } = task;
      const body = () => readerOf(source, chunk.ranges, chunk.size);
      return this.#transport.put({ ...request, sizeBytes: chunk.size, body }, options);
    };
    return known === null ? OpenSource.use(task.file, put) : put(known);
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
        await yieldToOthers();
      }
      return hash.digest("hex") === chunk.sha256;
    });
  }

  fetch(task: FetchTask, options: MoveOptions): Promise<FetchAnswer> {
    return this.#fetcher.fetch(task, options);
  }

  async limit(task: LimitTask): Promise<boolean> {
    return this.#fetcher.limit(task);
  }

  join(task: JoinTask, signal: AbortSignal): Promise<JoinAnswer> {
    return this.#fetcher.join(task, signal);
  }

  find({ fd, sizeBytes, chunks }: FindTask, signal: AbortSignal): Promise<Digest[]> {
    return this.#desk.use((buffer) => new HeldChunks({ fd, sizeBytes, buffer }).find(chunks, signal));
  }

  digest({ fd, sizeBytes }: DigestTask, signal: AbortSignal): Promise<string> {
    return this.#desk.use(async (buffer) => {
      const hash = createHash("sha256");
      await hashRange(hash, { fd, from: 0, to: sizeBytes }, buffer, signal);
      return hash.digest("hex");
    });
  }

  copy(task: CopyTask, signal: AbortSignal): Promise<boolean> {
    return this.#desk.use((buffer) => copyChunk(task, buffer, signal));
  }

  forget(part: number): void {
    this.#fetcher.forget(part);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

/** What is hashed is what is written: the buffer is the copier's alone. */
async function copyChunk({ from, lent, part, chunk }: CopyTask, buffer: Buffer, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  const hash = createHash("sha256");
  const placing = new Placing(chunk.places, (bytes, fileOffset) => writeAt(part, bytes, fileOffset));
  let yieldAt = READ_BYTES;
  for (const { fileOffset, length } of copiesOf(lent)[0] ?? []) {
    for (let done = 0; done < length; ) {
      const bytesRead = readSync(from, buffer, 0, Math.min(buffer.length, length - done), fileOffset + done);
      if (bytesRead === 0) return false;
      hash.update(buffer.subarray(0, bytesRead));
      placing.push(buffer.subarray(0, bytesRead));
      done += bytesRead;
      if (placing.offset < yieldAt) continue;
      yieldAt += READ_BYTES;
      await yieldToOthers();
      signal.throwIfAborted();
    }
  }
  return placing.offset === chunk.size && hash.digest("hex") === chunk.sha256;
}
