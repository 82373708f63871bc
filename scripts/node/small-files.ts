/**
 * The content of small files between their hashing and their sending: most of what a small file costs is to open it, so it is opened
 * once. What is kept is bounded; a file whose content is gone is read again.
 */
import type { SourceFile } from "../../shared/transfer/ports.ts";
import { KiB, MiB } from "../../shared/units.ts";
import { type CheckedSource, OpenSource } from "./source-file.ts";

/** Small tasks stay in the main thread (movers.ts), where this is. */
export const SMALL_BYTES_MAX = 128 * KiB;
const KEPT_BYTES_MAX = 16 * MiB;

export class SmallFiles {
  /** By where the file is; the oldest first. */
  readonly #kept = new Map<string, { stamp: string; content: Buffer }>();
  #bytes = 0;

  /** Reads a file, and keeps what it held. Throws as `OpenSource.use`. */
  async read(file: SourceFile): Promise<MemorySource> {
    const content = Buffer.allocUnsafeSlow(file.sizeBytes);
    await OpenSource.use(file, (source) => source.fill(content, 0));
    this.#keep(file, content);
    return new MemorySource(content);
  }

  /** What the file held when it was listed and read; null when that is not kept any more. It is forgotten with this. */
  take({ local, stamp }: SourceFile): MemorySource | null {
    const kept = this.#kept.get(local);
    if (kept?.stamp !== stamp) return null;
    this.#forget(local);
    return new MemorySource(kept.content);
  }

  #keep({ local, stamp }: SourceFile, content: Buffer): void {
    this.#forget(local);
    this.#kept.set(local, { stamp, content });
    this.#bytes += content.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= KEPT_BYTES_MAX) return;
      this.#forget(oldest);
    }
  }

  #forget(local: string): void {
    this.#bytes -= this.#kept.get(local)?.content.length ?? 0;
    this.#kept.delete(local);
  }
}

/** A file's content that is in memory: it can't change any more. */
export class MemorySource implements CheckedSource {
  readonly #content: Buffer;

  constructor(content: Buffer) {
    this.#content = content;
  }

  get sizeBytes(): number {
    return this.#content.length;
  }

  check(): void {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#content.subarray(offset, offset + length);
  }

  async fill(buffer: Uint8Array, offset: number): Promise<void> {
    buffer.set(this.#content.subarray(offset, offset + buffer.length));
  }
}
