/**
 * Multipart uploads. Parts of one size, which is what clients send, are written where they belong in one file, so that nothing is copied
 * when the upload is completed; a part of another size, or one that is sent again, gets a file of its own, and then the whole is put
 * together. The digest of the whole is computed as the parts become contiguous.
 */
import { closeSync, constants, fdatasync, ftruncateSync, linkSync, openSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import type { RunningHash } from "../../functions/doors/s3/chunked.ts";
import { S3Refusal } from "../../functions/doors/s3/refusals.ts";
import { Digest } from "../../shared/digest.ts";
import { RefName, RepositoryName } from "../../shared/names.ts";
import { MiB } from "../../shared/units.ts";
import { makeFolders } from "../node/make-folders.ts";
import { readAt, yieldToOthers } from "../node/read-at.ts";
import { startSha256 } from "./s3-crypto.ts";
import type { PendingBranch } from "./s3-pending.ts";
import { append, disk, Journal, type Spool, type SpoolFile, syncFolder, writeAll } from "./s3-spool.ts";

export const PART_NUMBER_MAX = 10_000;
/** All but the last are at least so large, as S3 has it. */
const PART_BYTES_MIN = 5 * MiB;
const READ_BYTES = MiB;
const DATA = "data";

const sync = promisify(fdatasync);

const Opened = z.object({
  kind: z.literal("opened"),
  repository: RepositoryName,
  branch: RefName,
  path: z.string(),
  key: z.string(),
  atMs: z.number(),
});
const Stride = z.object({ kind: z.literal("stride"), sizeBytes: z.int() });
/** `file` null: in the common file, where it belongs. */
const Part = z.object({
  kind: z.literal("part"),
  number: z.int(),
  size: z.int(),
  md5: z.string(),
  file: z.string().nullable(),
  atMs: z.number(),
});
const Line = z.discriminatedUnion("kind", [Opened, Stride, Part]);

export type UploadOf = Omit<z.infer<typeof Opened>, "kind">;
export type Part = z.infer<typeof Part>;
export type Completed = { sha256: Digest; size: number };
/** A part on its way: `write` it, then `keep` it, or `drop` it. */
export type PartWriting = {
  write(bytes: Uint8Array): Promise<void>;
  keep(md5: string, atMs: number): Promise<void>;
  drop(): Promise<void>;
};

export class MultipartUpload {
  readonly id: string;
  readonly of: UploadOf;
  readonly #folder: string;
  readonly #spool: Spool;
  readonly #journal: Journal;
  readonly #parts = new Map<number, Part>();
  /** Parts that are written into the common file now. */
  readonly #writing = new Set<number>();
  #strideBytes: number | null = null;
  #fd: number;
  #hashed: { hash: RunningHash; parts: string[] } = { hash: startSha256(), parts: [] };
  #hashing: Promise<void> = Promise.resolve();
  /** Of the parts' room, what their file has now. */
  #keptBytes = 0;
  #completing: Promise<Completed> | null = null;
  #isClosed = false;
  #isOpen = true;

  constructor(id: string, folder: string, spool: Spool, of: UploadOf, journal: Journal) {
    this.id = id;
    this.of = of;
    this.#folder = folder;
    this.#spool = spool;
    this.#journal = journal;
    this.#fd = openSync(join(folder, DATA), constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  /** In order of number. */
  get parts(): Part[] {
    return [...this.#parts.values()].sort((a, b) => a.number - b.number);
  }

  get changedAtMs(): number {
    return Math.max(this.of.atMs, ...[...this.#parts.values()].map(({ atMs }) => atMs));
  }

  replay(lines: readonly unknown[]): void {
    for (const raw of lines) {
      const line = Line.parse(raw);
      if (line.kind === "stride") this.#strideBytes = line.sizeBytes;
      if (line.kind === "part") this.#parts.set(line.number, line);
    }
    const needed = new Set(["journal", DATA]);
    for (const { size, file } of this.#parts.values()) {
      this.#spool.found(size);
      if (file !== null) needed.add(file);
    }
    for (const name of readdirSync(this.#folder)) if (!needed.has(name)) rmSync(join(this.#folder, name), { force: true });
  }

  /** Its room is taken here. Throws S3Refusal. */
  async begin(number: number, sizeBytes: number): Promise<PartWriting> {
    this.#demandOpen();
    if (this.#completing !== null) throw new S3Refusal("NoSuchUpload", "the upload is being completed");
    this.#spool.take(sizeBytes);
    if (this.#strideBytes === null) {
      this.#strideBytes = sizeBytes;
      await this.#journal.add({ kind: "stride", sizeBytes });
    }
    const isInPlace = sizeBytes <= this.#strideBytes && !this.#parts.has(number) && !this.#writing.has(number);
    return isInPlace ? this.#inPlace(number, sizeBytes) : this.#apart(number, sizeBytes);
  }

  #inPlace(number: number, sizeBytes: number): PartWriting {
    this.#writing.add(number);
    let offset = (number - 1) * (this.#strideBytes ?? 0);
    return {
      write: async (bytes) => {
        offset = await writeAll(this.#fd, bytes, offset);
      },
      keep: async (md5, atMs) => {
        await disk(sync(this.#fd));
        await this.#enter({ kind: "part", number, size: sizeBytes, md5, file: null, atMs });
        this.#writing.delete(number);
        this.#hashOn();
      },
      drop: async () => {
        this.#writing.delete(number);
        this.#spool.give(sizeBytes);
        this.#closeWhenIdle();
      },
    };
  }

  async #apart(number: number, sizeBytes: number): Promise<PartWriting> {
    const file = await this.#spool.begin();
    return {
      write: (bytes) => append(file, bytes),
      keep: async (md5, atMs) => {
        const name = this.#spool.newName();
        await this.#spool.keep(file, join(this.#folder, name));
        await this.#enter({ kind: "part", number, size: sizeBytes, md5, file: name, atMs });
      },
      drop: async () => {
        await this.#spool.drop(file);
        this.#spool.give(sizeBytes);
      },
    };
  }

  async #enter(part: Part): Promise<void> {
    this.#demandOpen();
    await this.#journal.add(part);
    this.#demandOpen();
    const before = this.#parts.get(part.number);
    this.#parts.set(part.number, part);
    if (before === undefined) return;
    this.#spool.give(before.size);
    if (before.file !== null) rmSync(join(this.#folder, before.file), { force: true });
  }

  /** The parts that are meant, checked. Throws S3Refusal. */
  choose(meant: readonly { number: number; etag: string }[]): Part[] {
    const chosen = meant.map(({ number, etag }) => {
      const part = this.#parts.get(number);
      if (part === undefined || part.md5 !== etag) throw new S3Refusal("InvalidPart", `part ${number} was not uploaded, or is another one`);
      return part;
    });
    if (chosen.length === 0) throw new S3Refusal("MalformedXML", "a completed upload has parts");
    for (const [at, part] of chosen.entries()) {
      const next = chosen[at + 1];
      if (next !== undefined && next.number <= part.number) throw new S3Refusal("InvalidPartOrder", "parts are given in ascending order");
      if (next !== undefined && part.size < PART_BYTES_MIN)
        throw new S3Refusal("EntityTooSmall", `all parts but the last have at least ${PART_BYTES_MIN} bytes`);
    }
    return chosen;
  }

  /** Makes one pending file of the parts. Asked again meanwhile, it is the same act. Throws S3Refusal. */
  complete(chosen: readonly Part[], branch: PendingBranch, atMs: number): Promise<Completed> {
    this.#completing ??= this.#complete(chosen, branch, atMs).catch((error: unknown) => {
      this.#completing = null;
      throw error;
    });
    return this.#completing;
  }

  async #complete(chosen: readonly Part[], branch: PendingBranch, atMs: number): Promise<Completed> {
    const size = chosen.reduce((sum, part) => sum + part.size, 0);
    const object = this.#spool.newName();
    const target = branch.pathFor(object);
    const isInPlace = this.#isInPlace(chosen);
    if (!isInPlace) this.#spool.take(size);
    const sha256 = isInPlace ? await this.#inPlaceDigest(chosen) : await this.#assemble(chosen, target);
    if (isInPlace) {
      ftruncateSync(this.#fd, size);
      await disk(sync(this.#fd));
      // A second name: until the branch counts it, the upload has its parts.
      linkSync(join(this.#folder, DATA), target);
      syncFolder(join(target, ".."));
    }
    await branch.adopt({ kind: "put", path: this.of.path, object, size, sha256, atMs, upload: this.id });
    if (isInPlace) this.#keptBytes = size;
    return { sha256, size };
  }

  /** Forgets all of it. */
  remove(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#spool.give([...this.#parts.values()].reduce((sum, { size }) => sum + size, 0) - this.#keptBytes);
    rmSync(this.#folder, { recursive: true, force: true });
    void this.#hashing.then(() => this.#closeWhenIdle());
  }

  close(): void {
    this.#isClosed = true;
    void this.#hashing.then(() => this.#closeWhenIdle());
  }

  /** Not under somebody's hands: the number of the descriptor would soon be another file's. */
  #closeWhenIdle(): void {
    if (!this.#isClosed || !this.#isOpen || this.#writing.size > 0) return;
    this.#isOpen = false;
    this.#journal.close();
    closeSync(this.#fd);
  }

  #demandOpen(): void {
    if (this.#isClosed) throw new S3Refusal("NoSuchUpload", "the upload was aborted, or completed");
  }

  /** Whether the common file is the whole, once it is cut. */
  #isInPlace(chosen: readonly Part[]): boolean {
    const stride = this.#strideBytes ?? 0;
    if (this.#writing.size > 0 || this.#parts.size !== chosen.length) return false;
    return chosen.every(
      ({ number, size, file }, at) => file === null && number === at + 1 && (size === stride || at === chosen.length - 1),
    );
  }

  async #inPlaceDigest(chosen: readonly Part[]): Promise<Digest> {
    await this.#hashing;
    const wanted = chosen.map(({ md5 }) => md5);
    if (this.#hashed.parts.some((md5, at) => wanted[at] !== md5)) this.#hashed = { hash: startSha256(), parts: [] };
    for (const part of chosen.slice(this.#hashed.parts.length)) await this.#hash(part);
    const digest = Digest.parse(this.#hashed.hash.hex());
    this.#hashed = { hash: startSha256(), parts: [] };
    return digest;
  }

  /** In the background, as far as parts of full size follow one another. */
  #hashOn(): void {
    this.#hashing = this.#hashing
      .then(async () => {
        while (!this.#isClosed) {
          const part = this.#parts.get(this.#hashed.parts.length + 1);
          if (part === undefined || part.file !== null || part.size !== this.#strideBytes) return;
          await this.#hash(part);
        }
      })
      // What it could not read is read again when the upload is completed.
      .catch(() => {
        this.#hashed = { hash: startSha256(), parts: [] };
      });
  }

  async #hash({ number, size, md5 }: Part): Promise<void> {
    const begin = (number - 1) * (this.#strideBytes ?? 0);
    await eachSlab(this.#fd, begin, size, async (bytes) => this.#hashed.hash.update(bytes));
    this.#hashed.parts.push(md5);
  }

  async #assemble(chosen: readonly Part[], target: string): Promise<Digest> {
    const file: SpoolFile = await this.#spool.begin();
    const hash = startSha256();
    try {
      for (const part of chosen) {
        await this.#read(part, async (bytes) => {
          hash.update(bytes);
          await append(file, bytes);
        });
      }
      await this.#spool.keep(file, target);
    } catch (error) {
      await this.#spool.drop(file);
      throw error;
    }
    return Digest.parse(hash.hex());
  }

  async #read({ number, size, file }: Part, onBytes: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    if (file === null) return eachSlab(this.#fd, (number - 1) * (this.#strideBytes ?? 0), size, onBytes);
    const fd = openSync(join(this.#folder, file), constants.O_RDONLY);
    try {
      await eachSlab(fd, 0, size, onBytes);
    } finally {
      closeSync(fd);
    }
  }
}

async function eachSlab(fd: number, begin: number, size: number, onBytes: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(READ_BYTES, size)));
  for (let at = 0; at < size; ) {
    const bytesRead = await readAt(fd, buffer.subarray(0, Math.min(buffer.length, size - at)), begin + at);
    if (bytesRead === 0) throw new Error("a part is shorter than it was");
    await onBytes(buffer.subarray(0, bytesRead));
    at += bytesRead;
    await yieldToOthers();
  }
}

/** All uploads that are neither completed nor aborted. */
export class MultipartUploads {
  readonly #folder: string;
  readonly #spool: Spool;
  readonly #uploads = new Map<string, MultipartUpload>();

  constructor(spool: Spool) {
    this.#folder = join(spool.path, "uploads");
    this.#spool = spool;
    for (const id of readdirSync(this.#folder)) this.#load(id);
  }

  async begin(of: UploadOf): Promise<MultipartUpload> {
    const id = `${this.#spool.newName()}-${crypto.randomUUID()}`;
    const folder = join(this.#folder, id);
    makeFolders(folder);
    const { journal } = Journal.open(join(folder, "journal"));
    await journal.add({ kind: "opened", ...of });
    syncFolder(folder);
    syncFolder(this.#folder);
    const upload = new MultipartUpload(id, folder, this.#spool, of, journal);
    this.#uploads.set(id, upload);
    return upload;
  }

  find(id: string): MultipartUpload | null {
    return this.#uploads.get(id) ?? null;
  }

  list(): MultipartUpload[] {
    return [...this.#uploads.values()];
  }

  /** It was completed, or is thrown away. */
  end(upload: MultipartUpload): void {
    this.#uploads.delete(upload.id);
    upload.remove();
  }

  expire(beforeMs: number): void {
    for (const upload of this.list()) if (upload.changedAtMs < beforeMs) this.end(upload);
  }

  close(): void {
    for (const upload of this.#uploads.values()) upload.close();
  }

  #load(id: string): void {
    const folder = join(this.#folder, id);
    const { journal, lines } = Journal.open(join(folder, "journal"));
    const opened = Opened.safeParse(lines[0]);
    if (!opened.success) {
      journal.close();
      rmSync(folder, { recursive: true, force: true });
      return;
    }
    const upload = new MultipartUpload(id, folder, this.#spool, opened.data, journal);
    upload.replay(lines);
    this.#uploads.set(id, upload);
  }
}
