/** Where the bench works: one folder in memory, one on a disk; both gone afterwards. */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `kind`: of the file system, such as `tmpfs`. */
export type Folder = { path: string; kind: string };

export type Folders = { memory: Folder; disk: Folder; remove(): void };

/** Magic numbers of statfs(2). */
const KINDS: Readonly<Record<number, string>> = {
  16914836: "tmpfs",
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  2035054128: "overlayfs",
  801189825: "zfs",
};

/** @param disk where "disk" is; the system's temporary folder when left out. */
export function makeFolders(disk: string | undefined): Folders {
  const memory = makeFolder(kindOf("/dev/shm") === "tmpfs" ? "/dev/shm" : tmpdir());
  const onDisk = makeFolder(disk ?? tmpdir());
  return {
    memory,
    disk: onDisk,
    remove: () => {
      for (const { path } of [memory, onDisk]) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function makeFolder(parent: string): Folder {
  const path = mkdtempSync(join(parent, "ferry-bench-"));
  return { path, kind: kindOf(path) };
}

function kindOf(path: string): string {
  try {
    const { type } = statfsSync(path);
    return KINDS[type] ?? `file system 0x${type.toString(16)}`;
  } catch {
    return "none";
  }
}
