/** A whole chunk's file, open for reading. */
import { createHash } from "node:crypto";
import { fstatSync } from "node:fs";
import { MiB } from "../../shared/units.ts";
import { readAt, yieldToOthers } from "../node/read-at.ts";
import type { Chunk } from "./filling.ts";

const READ_BYTES = MiB;

export class ChunkFile {
  readonly fd: number;
  readonly chunk: Chunk;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(fd: number, chunk: Chunk, onClose: () => void) {
    this.fd = fd;
    this.chunk = chunk;
    this.#onClose = onClose;
  }

  /** Whether all of the file is the chunk: reads it. A disk that can't give it back has lost it. */
  async isRight(): Promise<boolean> {
    try {
      return await this.#hasDigest();
    } catch {
      return false;
    }
  }

  async #hasDigest(): Promise<boolean> {
    const { size, sha256 } = this.chunk;
    if (fstatSync(this.fd).size !== size) return false;
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, size)));
    for (let at = 0; at < size; ) {
      const bytesRead = await readAt(this.fd, buffer, at);
      if (bytesRead === 0) return false;
      hash.update(buffer.subarray(0, Math.min(bytesRead, size - at)));
      at += bytesRead;
      await yieldToOthers();
    }
    return hash.digest("hex") === sha256;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }
}
