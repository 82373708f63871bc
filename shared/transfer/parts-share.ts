/** Readers that load one revision together: each takes files of its own. */
import type { FileEntry } from "../manifest.ts";
import type { PullShare } from "./contract.ts";

/**
 * The share of one reader, in the order of `files`. Every file is in exactly one share, and shares differ in bytes by no more than one
 * file. All who see the same files come to the same shares.
 */
export function shareOf(files: readonly FileEntry[], { part, parts }: PullShare): FileEntry[] {
  const loads = Array.from({ length: parts }, () => ({ bytes: 0, files: 0 }));
  const mine = new Set<FileEntry>();
  // Largest first, each to whoever has least so far.
  for (const file of [...files].sort(bySize)) {
    const to = lightest(loads);
    const load = loads[to];
    if (load === undefined) break;
    load.bytes += sizeOf(file);
    load.files++;
    if (to === part) mine.add(file);
  }
  return files.filter((file) => mine.has(file));
}

function bySize(a: FileEntry, b: FileEntry): number {
  return sizeOf(b) - sizeOf(a) || (a.path < b.path ? -1 : 1);
}

function sizeOf(file: FileEntry): number {
  return file.mode === "link" ? 0 : file.size;
}

function lightest(loads: readonly { bytes: number; files: number }[]): number {
  let best = 0;
  for (const [at, load] of loads.entries()) {
    const least = loads[best];
    if (least === undefined) break;
    if (load.bytes < least.bytes || (load.bytes === least.bytes && load.files < least.files)) best = at;
  }
  return best;
}
