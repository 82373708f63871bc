/** The content of objects: small in memory, large in files, or counted and thrown away. Reads and writes block: it is a local disk. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { KiB, MiB } from "../../../shared/units.ts";

/** Content up to this size is kept in memory, and checked against what its sender said of it. */
export const SMALL_BYTES_MAX = MiB;

/** A run of bytes. `lost`: it was thrown away, and can't be read. `owned`: the file goes with the object. */
export type Piece =
  | { kind: "memory"; sizeBytes: number; bytes: Buffer }
  | { kind: "file"; sizeBytes: number; path: string; owned: boolean }
  | { kind: "lost"; sizeBytes: number };

export type Content = readonly Piece[];

export function sizeOf(content: Content): number {
  return content.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Whether some of it was thrown away. */
export function isLost(content: Content): boolean {
  return content.some(({ kind }) => kind === "lost");
}

export function dispose(content: Content): void {
  for (const piece of content) if (piece.kind === "file" && piece.owned) rmSync(piece.path, { force: true });
}

/** Takes a body in as it comes. */
export class ContentWriter {
  readonly #path: string;
  readonly #keep: boolean;
  readonly #small: Buffer[] = [];
  #sizeBytes = 0;
  #file: number | null = null;

  /** @param path where a large body goes. @param keep false: a large body is thrown away. */
  constructor(path: string, keep: boolean) {
    this.#path = path;
    this.#keep = keep;
  }

  /** @param bytes used again by the caller. */
  write(bytes: Buffer): void {
    this.#sizeBytes += bytes.length;
    if (this.#sizeBytes <= SMALL_BYTES_MAX) this.#small.push(Buffer.from(bytes));
    else if (this.#keep) this.#spill(bytes);
    else this.#small.length = 0;
  }

  /** Everything was written. */
  end(): Piece {
    const sizeBytes = this.#sizeBytes;
    if (this.#file !== null) {
      ftruncateSync(this.#file, sizeBytes);
      closeSync(this.#file);
      return { kind: "file", sizeBytes, path: this.#path, owned: true };
    }
    if (sizeBytes > SMALL_BYTES_MAX) return { kind: "lost", sizeBytes };
    return { kind: "memory", sizeBytes, bytes: Buffer.concat(this.#small) };
  }

  /** The sender broke off. */
  abandon(): void {
    if (this.#file === null) return;
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }

  #spill(bytes: Buffer): void {
    if (this.#file === null) {
      this.#file = openSync(this.#path, "wx", 0o600);
      let at = 0;
      for (const early of this.#small.splice(0)) at += writeAt(this.#file, early, at);
    }
    writeAt(this.#file, bytes, this.#sizeBytes - bytes.length);
  }
}

/** A hole is made of whole blocks, whatever the pieces that a body comes in. */
const BLOCK_BYTES = 16 * KiB;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Zeros become holes, so that a store of sparse files takes little more memory than they do. @returns the length of `bytes` */
function writeAt(file: number, bytes: Buffer, offset: number): number {
  let from = 0;
  for (let at = 0; at < bytes.length; at += blockLength(offset + at)) {
    const end = Math.min(bytes.length, at + blockLength(offset + at));
    if (bytes.compare(ZEROS, 0, end - at, at, end) !== 0) continue;
    writeAll(file, bytes.subarray(from, at), offset + from);
    from = end;
  }
  writeAll(file, bytes.subarray(from), offset + from);
  return bytes.length;
}

/** To the end of the block that `offset` is in. */
function blockLength(offset: number): number {
  return BLOCK_BYTES - (offset % BLOCK_BYTES);
}

function writeAll(file: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, offset + done);
}

/** Reads a range of `content`, front to back. */
export class ContentReader {
  readonly #content: Content;
  #at: number;
  #leftBytes: number;
  #open: { path: string; file: number } | null = null;

  constructor(content: Content, offset: number, sizeBytes: number) {
    this.#content = content;
    this.#at = offset;
    this.#leftBytes = sizeBytes;
  }

  /** Fills `target` from its start; 0 at the end. Throws RangeError for bytes that were thrown away. */
  read(target: Buffer): number {
    let start = 0;
    for (const piece of this.#content) {
      const end = start + piece.sizeBytes;
      if (this.#at < end && this.#leftBytes > 0) return this.#readPiece(piece, this.#at - start, target);
      start = end;
    }
    return 0;
  }

  close(): void {
    if (this.#open !== null) closeSync(this.#open.file);
    this.#open = null;
  }

  #readPiece(piece: Piece, offset: number, target: Buffer): number {
    const wanted = Math.min(target.length, this.#leftBytes, piece.sizeBytes - offset);
    const length = this.#copy(piece, offset, target.subarray(0, wanted));
    if (length === 0) throw new RangeError("the content ended too early");
    this.#at += length;
    this.#leftBytes -= length;
    return length;
  }

  #copy(piece: Piece, offset: number, target: Buffer): number {
    switch (piece.kind) {
      case "memory":
        return piece.bytes.copy(target, 0, offset);
      case "file":
        return readSync(this.#fileOf(piece.path), target, 0, target.length, offset);
      case "lost":
        throw new RangeError("the content was thrown away");
      default:
        return piece satisfies never;
    }
  }

  #fileOf(path: string): number {
    if (this.#open?.path === path) return this.#open.file;
    this.close();
    const file = openSync(path, "r");
    this.#open = { path, file };
    return file;
  }
}

type Claim = { header: string; algorithm: string; encoding: "hex" | "base64" };

const CLAIMS: readonly Claim[] = [
  { header: "x-amz-content-sha256", algorithm: "sha256", encoding: "hex" },
  { header: "x-amz-checksum-sha256", algorithm: "sha256", encoding: "base64" },
  { header: "content-md5", algorithm: "md5", encoding: "base64" },
];

/**
 * The first header whose claim about a small body is wrong, or null. Large bodies are believed: what checking costs a store is not
 * measured here, and on one machine it would be taken from the client that is.
 */
export function falseClaim(headers: ReadonlyMap<string, string>, piece: Piece): string | null {
  if (piece.kind !== "memory") return null;
  for (const { header, algorithm, encoding } of CLAIMS) {
    const said = headers.get(header);
    if (said === undefined || said === "UNSIGNED-PAYLOAD" || said.startsWith("STREAMING-")) continue;
    if (said !== digestOf(createHash(algorithm), piece.bytes).digest(encoding)) return header;
  }
  return null;
}

/** The content's MD5 where it is known for nothing or cheaply; else something that nobody takes for one. */
export function etagOf(headers: ReadonlyMap<string, string>, piece: Piece, unique: number): string {
  if (piece.kind === "memory") return digestOf(createHash("md5"), piece.bytes).digest("hex");
  const md5 = headers.get("content-md5");
  return md5 === undefined ? `${unique.toString(16).padStart(32, "0")}-1` : Buffer.from(md5, "base64").toString("hex");
}

function digestOf(hash: Hash, bytes: Buffer): Hash {
  return hash.update(bytes);
}
