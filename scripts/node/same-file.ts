/** Gives the content of a file to another name without copying its bytes, where the disk can. */
import { chmodSync, constants, copyFileSync, linkSync, rmSync, statSync } from "node:fs";

/**
 * Makes `to` hold what `from` holds: by a clone, whose blocks are shared until one of the two is changed, else by a second name of the
 * same file. False when the disk can do neither; then there is no `to`.
 */
export function shareContent(from: string, to: string, executable: boolean): boolean {
  return cloned(from, to, executable) || linked(from, to, executable);
}

function cloned(from: string, to: string, executable: boolean): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    chmodSync(to, (executable ? 0o777 : 0o666) & ~process.umask());
    return true;
  } catch {
    rmSync(to, { force: true });
    return false;
  }
}

/** Both names have one mode, so a file that should have another one is not linked. */
function linked(from: string, to: string, executable: boolean): boolean {
  try {
    if ((statSync(from).mode & 0o111) !== 0 || executable) return false;
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}
