/**
 * Remembers what large files were cut into, so that pushing an unchanged tree again costs no hashing. A file counts as unchanged when
 * device, inode, size and both of its times are those it had then. One entry a file, in `<cache>/scans`; all of it may be deleted at any
 * time. Small files are not worth an entry: reading it costs what hashing them does.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { Digest } from "../../shared/digest.ts";
import { Recipe } from "../../shared/recipe.ts";
import type { LocalChunk, ScannedFile, SourceFile } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import { stampOf } from "./walk.ts";

const FILE_BYTES_MIN = 4 * MiB;
/** A file changed so short before it was hashed may have been changed again within one step of the disk's clock. */
const SETTLED_MS = 2000;
const UNUSED_DAYS = 60;

const Entry = z.object({
  v: z.literal(1),
  stamp: z.string(),
  sha256: Digest,
  recipe: Recipe.nullable(),
  /** base64, by chunk; null when they were not asked for. */
  md5s: z.record(z.string(), z.string()).nullable(),
});
type Entry = z.infer<typeof Entry>;

export type Remembered = ScannedFile & { chunks: LocalChunk[] };

export class StatCache {
  readonly #folder: string;
  #isTidied = false;

  constructor(cacheDir: string) {
    this.#folder = join(cacheDir, "scans");
  }

  /** What the file was cut into, or null when that is not known of this very content. */
  find(file: SourceFile, { md5 }: { md5: boolean }): Remembered | null {
    if (file.sizeBytes < FILE_BYTES_MIN) return null;
    const entry = this.#read(this.#place(file));
    if (entry === null || entry.stamp !== fullStamp(file) || (md5 && entry.md5s === null)) return null;
    const { sha256, recipe, md5s } = entry;
    return { sha256, recipe, chunks: chunksOf(file, entry).map((chunk) => ({ ...chunk, ...md5Of(md5 ? md5s : null, chunk) })) };
  }

  /** Never fails: what can't be kept is hashed again. */
  keep(file: SourceFile, { sha256, recipe, chunks }: Remembered): void {
    if (file.sizeBytes < FILE_BYTES_MIN || !isSettled(file)) return;
    const md5s = chunks.every((chunk) => chunk.md5 !== undefined)
      ? Object.fromEntries(chunks.map(({ sha256, md5 }) => [sha256, md5 ?? ""]))
      : null;
    const entry: Entry = { v: 1, stamp: fullStamp(file) ?? "", sha256, recipe, md5s };
    const place = this.#place(file);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      this.#tidy();
      writeFileSync(`${place}.${process.pid}`, JSON.stringify(entry), { mode: 0o600 });
      renameSync(`${place}.${process.pid}`, place);
    } catch {}
  }

  forget(file: SourceFile): void {
    rmSync(this.#place(file), { force: true });
  }

  #place(file: SourceFile): string {
    return join(this.#folder, createHash("sha256").update(file.local).digest("hex").slice(0, 40));
  }

  #read(place: string): Entry | null {
    try {
      const parsed = Entry.safeParse(JSON.parse(readFileSync(place, "utf8")));
      if (!parsed.success) return null;
      utimesSync(place, new Date(), new Date());
      return parsed.data;
    } catch {
      return null;
    }
  }

  /** Once a process: removes what was not used for long. */
  #tidy(): void {
    if (this.#isTidied) return;
    this.#isTidied = true;
    const oldestMs = Date.now() - UNUSED_DAYS * 86_400_000;
    for (const name of readdirSync(this.#folder)) {
      const place = join(this.#folder, name);
      if (statSync(place).mtimeMs < oldestMs) rmSync(place, { force: true });
    }
  }
}

/** Also changes when the file's times were set back by hand. Null when it is no longer what was listed. */
function fullStamp(file: SourceFile): string | null {
  const stats = lstatSync(file.local, { bigint: true, throwIfNoEntry: false });
  return stats === undefined || stampOf(stats) !== file.stamp ? null : `${file.stamp}-${stats.ctimeNs}`;
}

function isSettled(file: SourceFile): boolean {
  const stats = lstatSync(file.local, { throwIfNoEntry: false });
  return stats !== undefined && Math.max(stats.mtimeMs, stats.ctimeMs) < Date.now() - SETTLED_MS;
}

/** From a recipe back to where its chunks lie in the file. A chunk that lies there twice is taken from one place. */
function chunksOf(file: SourceFile, { sha256, recipe }: Entry): LocalChunk[] {
  if (recipe === null) return [{ sha256, size: file.sizeBytes, ranges: [[0, file.sizeBytes]] }];
  const chunks = recipe.chunks.map(([digest, size]): LocalChunk & { taken: number } => ({ sha256: digest, size, ranges: [], taken: 0 }));
  let fileOffset = 0;
  for (const [index, offset, length] of recipe.extents) {
    const chunk = chunks[index];
    if (chunk !== undefined && offset === chunk.taken) {
      chunk.ranges.push([fileOffset, length]);
      chunk.taken += length;
    }
    fileOffset += length;
  }
  return chunks.map(({ taken: _, ...chunk }) => chunk);
}

function md5Of(md5s: Entry["md5s"], { sha256 }: LocalChunk): { md5?: string } {
  const md5 = md5s?.[sha256];
  return md5 === undefined ? {} : { md5 };
}
