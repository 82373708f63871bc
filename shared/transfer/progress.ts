/** Counts what a transfer did, and tells it on. */
import type { TransferProgress } from "./contract.ts";

export class Progress {
  phase: TransferProgress["phase"] = "listing";
  bytesTotal = 0;
  bytesDone = 0;
  filesTotal = 0;
  filesDone = 0;
  /** Bytes that went over the wire, those sent again included. */
  #bytesMoved = 0;
  readonly #tell: (progress: TransferProgress) => void;

  constructor(tell: (progress: TransferProgress) => void) {
    this.#tell = tell;
  }

  start(phase: TransferProgress["phase"], totals?: { bytes: number; files: number }): void {
    this.phase = phase;
    if (totals !== undefined) [this.bytesTotal, this.filesTotal] = [totals.bytes, totals.files];
    this.#publish();
  }

  moved(bytes: number): void {
    this.#bytesMoved += bytes;
    this.#publish();
  }

  done(bytes: number): void {
    this.bytesDone += bytes;
    this.#publish();
  }

  fileDone(): void {
    this.filesDone++;
    this.#publish();
  }

  #publish(): void {
    this.#tell({
      phase: this.phase,
      bytesDone: this.bytesDone,
      bytesTotal: this.bytesTotal,
      bytesMoved: this.#bytesMoved,
      filesDone: this.filesDone,
      filesTotal: this.filesTotal,
    });
  }
}
