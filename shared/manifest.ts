/**
 * The manifest: the file entries of one revision, canonical and free of placement, so that its digest is the same in all stores.
 * A file of one chunk names the chunk (its digest is the file's); others name a recipe; an empty file names neither; a link has a target.
 */
import * as z from "zod";
import { canonical } from "./canonical.ts";
import { Digest, sha256 } from "./digest.ts";
import { FerryError } from "./errors.ts";
import { linkProblem, pathProblem, treeProblem } from "./paths.ts";
import { MiB } from "./units.ts";

export const FILES_MAX = 100_000;
export const MANIFEST_BYTES_MAX = 16 * MiB;
/** Largest chunk that the chunker makes, and that any ticket is given for. */
export const CHUNK_BYTES_MAX = 68 * MiB;

const size = z.int().min(0);

// Members in canonical order, which is that of what these make: the digest of a large manifest takes a tenth of the time (canonical.ts).
const ContentEntry = z.strictObject({
  chunk: Digest.optional(),
  mode: z.enum(["file", "executable"]),
  path: z.string(),
  recipe: Digest.optional(),
  sha256: Digest,
  size,
});
const LinkEntry = z.strictObject({ mode: z.literal("link"), path: z.string(), target: z.string() });

export const FileEntry = z.discriminatedUnion("mode", [ContentEntry, LinkEntry]);
export type FileEntry = z.infer<typeof FileEntry>;
export type ContentEntry = z.infer<typeof ContentEntry>;

export const Manifest = z.strictObject({ files: z.array(FileEntry).max(FILES_MAX), v: z.literal(1) });
export type Manifest = z.infer<typeof Manifest>;

/** Of a path that is too long only the beginning is repeated. */
const PATH_TOLD_MAX = 1024;
const EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Sorts the entries and checks what a schema can't say. Throws PATH_UNSAFE or MANIFEST_INVALID naming the file. */
export function makeManifest(files: readonly FileEntry[]): Manifest {
  for (const file of files) checkEntry(file);
  const clash = treeProblem(files.map((file) => file.path));
  if (clash !== null) throw new FerryError("PATH_UNSAFE", clash);
  const sizeBytes = files.reduce((sum, file) => sum + (file.mode === "link" ? 0 : file.size), 0);
  if (!Number.isSafeInteger(sizeBytes)) throw new FerryError("MANIFEST_INVALID", { problem: "its files sum to 2^53 bytes or more" });
  return { files: [...files].sort((a, b) => (a.path < b.path ? -1 : 1)), v: 1 };
}

function checkEntry(file: FileEntry): void {
  const problem = pathProblem(file.path) ?? (file.mode === "link" ? linkProblem(file.path, file.target) : null);
  if (problem !== null) throw new FerryError("PATH_UNSAFE", { path: file.path.slice(0, PATH_TOLD_MAX), problem });
  if (file.mode === "link") return;
  const wrong = contentProblem(file);
  if (wrong !== null) throw new FerryError("MANIFEST_INVALID", { problem: `${file.path}: ${wrong}` });
}

function contentProblem(file: ContentEntry): string | null {
  if (file.size === 0) {
    if (file.chunk !== undefined || file.recipe !== undefined) return "an empty file has no chunk and no recipe";
    return file.sha256 === EMPTY_DIGEST ? null : "the digest of an empty file is wrong";
  }
  if ((file.chunk === undefined) === (file.recipe === undefined)) return "exactly one of chunk and recipe must be given";
  if (file.chunk === undefined) return null;
  if (file.chunk !== file.sha256) return "a file of one chunk has the chunk's digest";
  return file.size <= CHUNK_BYTES_MAX ? null : `a chunk has at most ${CHUNK_BYTES_MAX} bytes`;
}

/** The bytes that the manifest's digest covers, as text. */
export function manifestText(manifest: Manifest): string {
  return canonical(manifest);
}

export function manifestDigest(manifest: Manifest): Promise<Digest> {
  return sha256(manifestText(manifest));
}

/** The manifest that `value` holds, when it is one and has the digest `expected`. Throws MANIFEST_INVALID or DIGEST_INVALID. */
export async function parseManifest(value: unknown, expected: Digest): Promise<Manifest> {
  const parsed = Manifest.safeParse(value);
  if (!parsed.success) throw new FerryError("MANIFEST_INVALID", { problem: z.prettifyError(parsed.error).slice(0, 300) });
  return checkedManifest(parsed.data.files, expected);
}

/** The manifest of these entries, when it has the digest `expected`. Throws as makeManifest, MANIFEST_INVALID and DIGEST_INVALID. */
export async function checkedManifest(files: readonly FileEntry[], expected: Digest): Promise<Manifest> {
  if (files.length > FILES_MAX) throw new FerryError("MANIFEST_INVALID", { problem: `it has more than ${FILES_MAX} files` });
  const manifest = makeManifest(files);
  if ((await manifestDigest(manifest)) !== expected) throw new FerryError("DIGEST_INVALID", { what: "the manifest", expected });
  return manifest;
}

export function contentEntries(manifest: Manifest): ContentEntry[] {
  return manifest.files.filter((file) => file.mode !== "link");
}
