/** A symbolic link that leads to the newest complete pull, for programs that serve from it: it always leads to a whole tree. */
import { randomBytes } from "node:crypto";
import { lstatSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { FerryError } from "../../shared/errors.ts";
import { unwritable } from "./fs-errors.ts";
import { makeFolders } from "./make-folders.ts";

/** Before the work: throws FILE_UNWRITABLE when something else has that name. */
export function checkCurrent(link: string): void {
  const stats = lstatSync(link, { throwIfNoEntry: false });
  if (stats === undefined || stats.isSymbolicLink()) return;
  throw new FerryError("FILE_UNWRITABLE", { path: link, problem: "something that is no symbolic link is there" });
}

/** In one step: whoever opens the link finds the old tree or the new one. Relative where the tree lies beside or below the link. */
export function switchCurrent(link: string, destination: string): void {
  checkCurrent(link);
  try {
    makeFolders(dirname(resolve(link)));
    const folder = realpathSync(dirname(resolve(link)));
    const there = realpathSync(destination);
    const path = relative(folder, there);
    const draft = join(folder, `.ferry-${randomBytes(8).toString("hex")}.link`);
    symlinkSync(path === ".." || path.startsWith(`..${sep}`) ? there : path, draft);
    try {
      renameSync(draft, resolve(link));
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  } catch (error) {
    throw unwritable(link, error);
  }
}
