/**
 * Makes a folder and those above it, one by one: where nothing can be made (/proc), Node's own way of making all of them never ends.
 * Answers whether it made any. Throws what the file system says.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

export function makeFolders(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return false;
  if (dirname(path) !== path) makeFolders(dirname(path));
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    // Somebody else was faster.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return false;
    throw error;
  }
}
