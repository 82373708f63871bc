/** Cuts a file into chunks and hashes each of them, and the whole, in one read. */
import { createHash, type Hash } from "node:crypto";
import type { PlannedChunk } from "../../shared/chunking/group.ts";
import { planChunks } from "../../shared/chunking/plan.ts";
import { recipeOf } from "../../shared/chunking/recipe-of.ts";
import { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { LocalChunk, ScannedFile, ScanOptions, SourceFile } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import { yieldToOthers } from "./read-at.ts";
import { type CheckedSource, OpenSource } from "./source-file.ts";

const READ_BYTES = MiB;

export function scanFile(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
  return OpenSource.use(file, (source) => scanSource(file, source, options));
}

export async function scanSource(file: SourceFile, source: CheckedSource, options: ScanOptions): Promise<ScannedFile> {
  const plan = await planOf(file, source);
  const hashing = new Hashing(plan.chunks, options.md5);
  for await (const chunk of hashing.run(source, options.signal)) await options.onChunk(chunk);
  const sha256 = hashing.fileDigest();
  // A chunk that is the whole file needs no recipe: its digest is the file's.
  const isOne = plan.chunks.length === 0 || (plan.chunks.length === 1 && hashing.digests[0] === sha256);
  return { sha256, recipe: isOne ? null : recipeOf(plan, hashing.digests, sha256) };
}

async function planOf(file: SourceFile, source: CheckedSource): ReturnType<typeof planChunks> {
  try {
    return await planChunks(source);
  } catch (error) {
    if (error instanceof FerryError && error.code === "FILE_CHANGED") throw new FerryError("FILE_CHANGED", { path: file.path });
    throw error;
  }
}

type Piece = { fileOffset: number; length: number; chunk: number };
type OpenChunk = { sha256: Hash; md5: Hash | null; leftBytes: number };

class Hashing {
  readonly digests: Digest[] = [];
  readonly #planned: readonly PlannedChunk[];
  readonly #pieces: Piece[];
  readonly #md5: boolean;
  /** Hashes the whole, when that is not what its only chunk says. */
  readonly #whole: Hash | null;
  readonly #open = new Map<number, OpenChunk>();
  #nextPiece = 0;

  constructor(planned: readonly PlannedChunk[], md5: boolean) {
    this.#planned = planned;
    this.#md5 = md5;
    this.#whole = planned.length === 1 ? null : createHash("sha256");
    this.#pieces = planned.flatMap(({ ranges }, chunk) => ranges.map(([fileOffset, length]) => ({ fileOffset, length, chunk })));
    this.#pieces.sort((a, b) => a.fileOffset - b.fileOffset);
  }

  /** Reads the file once, from its start to its end; yields each chunk when its last byte was read. */
  async *run(source: CheckedSource, signal: AbortSignal): AsyncGenerator<LocalChunk> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, source.sizeBytes));
    for (let offset = 0; offset < source.sizeBytes; offset += buffer.length) {
      signal.throwIfAborted();
      const bytes = buffer.subarray(0, Math.min(buffer.length, source.sizeBytes - offset));
      await source.fill(bytes, offset);
      this.#whole?.update(bytes);
      yield* this.#feed(bytes, offset);
      await yieldToOthers();
    }
  }

  fileDigest(): Digest {
    const [only] = this.digests;
    return this.#whole === null && only !== undefined ? only : Digest.parse((this.#whole ?? createHash("sha256")).digest("hex"));
  }

  *#feed(bytes: Uint8Array, offset: number): Generator<LocalChunk> {
    const end = offset + bytes.length;
    for (;;) {
      const piece = this.#pieces[this.#nextPiece];
      if (piece === undefined || piece.fileOffset >= end) return;
      const from = Math.max(piece.fileOffset, offset);
      const to = Math.min(piece.fileOffset + piece.length, end);
      const chunk = this.#update(piece.chunk, bytes.subarray(from - offset, to - offset));
      if (chunk !== null) yield chunk;
      if (piece.fileOffset + piece.length > end) return;
      this.#nextPiece++;
    }
  }

  /** The chunk, when these were its last bytes. */
  #update(index: number, bytes: Uint8Array): LocalChunk | null {
    const planned = this.#planned[index] as PlannedChunk;
    let open = this.#open.get(index);
    if (open === undefined) {
      open = { sha256: createHash("sha256"), md5: this.#md5 ? createHash("md5") : null, leftBytes: planned.sizeBytes };
      this.#open.set(index, open);
    }
    open.sha256.update(bytes);
    open.md5?.update(bytes);
    open.leftBytes -= bytes.length;
    if (open.leftBytes > 0) return null;
    this.#open.delete(index);
    const sha256 = Digest.parse(open.sha256.digest("hex"));
    this.digests[index] = sha256;
    const chunk: LocalChunk = { sha256, size: planned.sizeBytes, ranges: planned.ranges };
    return open.md5 === null ? chunk : { ...chunk, md5: open.md5.digest("base64") };
  }
}
