/** Removes checkpoints that are stored. A folder is renamed first, so that nobody ever finds half of one under its name. */
import { randomBytes } from "node:crypto";
import { lstat, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fsCode, unwritable } from "./fs-errors.ts";
import { stampOf } from "./walk.ts";
import type { Checkpoint } from "./watch-scan.ts";

const REMOVED = /^\.ferry-[0-9a-f]{16}\.removed$/;

/** Whether it is a checkpoint whose removal has begun. */
export function isRemoved(name: string): boolean {
  return REMOVED.test(name);
}

/** False when it was written again since it was found, or is gone. Throws FILE_UNWRITABLE. */
export async function removeCheckpoint(root: string, { path, marker, stamp }: Checkpoint): Promise<boolean> {
  const local = join(root, path);
  try {
    if (stampOf(await lstat(join(root, marker), { bigint: true })) !== stamp) return false;
    const aside = join(dirname(local), `.ferry-${randomBytes(8).toString("hex")}.removed`);
    await rename(local, aside);
    await rm(aside, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (fsCode(error) === "ENOENT") return false;
    throw unwritable(local, error);
  }
}

/** Goes on with removals that were cut short in any of these folders. */
export async function finishRemovals(root: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const names = await readdir(join(root, folder)).catch(() => []);
    for (const name of names.filter(isRemoved)) await rm(join(root, folder, name), { recursive: true, force: true });
  }
}
