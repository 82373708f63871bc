/** All parts of a session as one manifest with one place for each chunk. */
import { canonical } from "../../shared/canonical.ts";
import { type ContentReport, REPORT_FILES_MAX } from "../../shared/contract/content.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { FILES_MAX, type FileEntry, MANIFEST_BYTES_MAX, type Manifest, makeManifest, manifestText } from "../../shared/manifest.ts";
import type { Part } from "./parts-records.ts";

export type MergedPlace = { sha256: Digest; size: number; tag: string; origin: Part["places"][number][3] };
/** `places`: sorted by digest. `attempt`: the latest of any part. */
export type Merged = { manifest: Manifest; places: MergedPlace[]; attempt: number; content: ContentReport | null };

/** Throws PATH_TAKEN, PATH_UNSAFE when paths of two parts can't stand in one tree, MANIFEST_INVALID when it is too large. */
export function mergeParts(parts: readonly Part[]): Merged {
  const manifest = makeManifest(mergeFiles(parts));
  if (manifest.files.length > FILES_MAX) throw tooLarge(`${manifest.files.length} files instead of at most ${FILES_MAX}`);
  const bytes = new TextEncoder().encode(manifestText(manifest)).length;
  if (bytes > MANIFEST_BYTES_MAX) throw tooLarge(`${bytes} bytes of manifest instead of at most ${MANIFEST_BYTES_MAX}`);
  return { manifest, places: mergePlaces(parts), attempt: Math.max(...parts.map(({ attempt }) => attempt)), content: mergeContent(parts) };
}

/** Ranks may have the same file, such as a config: it counts once. */
function mergeFiles(parts: readonly Part[]): FileEntry[] {
  const files = new Map<string, { file: FileEntry; part: number }>();
  for (const { part, manifest } of parts) {
    for (const file of manifest.files) {
      const first = files.get(file.path);
      if (first === undefined) files.set(file.path, { file, part });
      else if (canonical(first.file) !== canonical(file))
        throw new FerryError("PATH_TAKEN", { part: first.part, other: part, path: file.path });
    }
  }
  return [...files.values()].map(({ file }) => file);
}

/** Null unless every part says what is in its files. */
function mergeContent(parts: readonly Part[]): ContentReport | null {
  const reports = parts.flatMap(({ content }) => (content === undefined ? [] : [content]));
  if (reports.length < parts.length) return null;
  const sum = (of: (report: ContentReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  return {
    v: 1,
    files: sum(({ files }) => files),
    unsafe: sum(({ unsafe }) => unsafe),
    dangerous: sum(({ dangerous }) => dangerous),
    secrets: sum(({ secrets }) => secrets),
    listed: reports.flatMap(({ listed }) => listed).slice(0, REPORT_FILES_MAX),
  };
}

/** Of a chunk with several places that of the latest attempt: earlier ones may have been refused since. */
function mergePlaces(parts: readonly Part[]): MergedPlace[] {
  const places = new Map<Digest, MergedPlace>();
  for (const part of [...parts].sort((a, b) => a.attempt - b.attempt)) {
    for (const [sha256, size, tag, origin] of part.places) {
      const first = places.get(sha256);
      if (first !== undefined && first.size !== size)
        throw new FerryError("MANIFEST_INVALID", { problem: `chunk ${sha256} has two sizes, ${first.size} and ${size}` });
      places.set(sha256, { sha256, size, tag, origin });
    }
  }
  return [...places.values()].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1));
}

function tooLarge(problem: string): FerryError {
  return new FerryError("MANIFEST_INVALID", { problem: `all parts together have ${problem}` });
}
