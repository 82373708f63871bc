/**
 * The folders of a destination, so that nothing planted there leads a write elsewhere. Each folder is opened without following links,
 * and entries are reached through the open folder: one that is swapped for a link afterwards changes nothing.
 *
 * Linux reaches an open folder's entries as /proc/self/fd/<n>/<name>. Other systems have no such path in Node: there each part of the
 * path is looked at before use, which leaves a moment for whoever may write there at the same time.
 */
import { closeSync, constants, existsSync, fsyncSync, lstatSync, mkdirSync, openSync } from "node:fs";
import { FerryError } from "../../shared/errors.ts";
import { fsCode, unwritable } from "./fs-errors.ts";

/** Open folders kept for the next use. */
const OPEN_MAX = 128;
const HAS_DESCRIPTOR_PATHS = process.platform === "linux" && existsSync("/proc/self/fd");
const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class Folders {
  readonly #root: string;
  readonly #makes: boolean;
  /** Path of a folder below the destination → its descriptor; the least recently used comes first. */
  readonly #open = new Map<string, number>();
  /** Folders that were made here, and so began empty. */
  readonly #made = new Set<string>();

  /**
   * @param root absolute; the destination itself may be a link that its owner made
   * @param makes whether missing folders are made; without, they are errors
   * @param isNew whether the destination itself was made just now
   */
  constructor(root: string, makes = true, isNew = false) {
    this.#root = root;
    this.#makes = makes;
    if (isNew) this.#made.add("");
  }

  /** Whether the folder was made by this run, so that what is in it came later. Makes it when it is missing. */
  isNew(path: string): boolean {
    this.#folder(path, path);
    return this.#made.has(path);
  }

  /**
   * A path that stands for `path` (relative, with '/') until the next call. Throws FILE_UNWRITABLE when a link
   * or a file stands where a folder should.
   */
  at(path: string): string {
    const cut = path.lastIndexOf("/");
    return `${this.#folder(cut < 0 ? "" : path.slice(0, cut), path)}/${path.slice(cut + 1)}`;
  }

  /** The folder itself, for listing. */
  folder(path: string): string {
    return this.#folder(path, path);
  }

  /** Makes the names in this folder durable. */
  sync(path: string): void {
    try {
      if (!HAS_DESCRIPTOR_PATHS) return;
      this.#folder(path, path);
      const fd = this.#open.get(path);
      if (fd !== undefined) fsyncSync(fd);
    } catch (error) {
      // Some file systems can't sync folders.
      if (fsCode(error) !== "EINVAL") throw unwritable(path, error);
    }
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #folder(path: string, asked: string): string {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return descriptorPath(known);
    }
    try {
      return this.#enter(path, asked);
    } catch (error) {
      throw unwritable(asked, error);
    }
  }

  #enter(path: string, asked: string): string {
    const here = path === "" ? this.#root : this.#child(path, asked);
    if (!HAS_DESCRIPTOR_PATHS) return here;
    const fd = openSync(here, path === "" ? constants.O_RDONLY | constants.O_DIRECTORY : OPEN_FOLDER);
    this.#open.set(path, fd);
    const [oldest] = this.#open;
    if (this.#open.size > OPEN_MAX && oldest !== undefined) {
      this.#open.delete(oldest[0]);
      closeSync(oldest[1]);
    }
    return descriptorPath(fd);
  }

  #child(path: string, asked: string): string {
    const cut = path.lastIndexOf("/");
    const here = `${this.#folder(cut < 0 ? "" : path.slice(0, cut), asked)}/${path.slice(cut + 1)}`;
    const stats = lstatSync(here, { throwIfNoEntry: false });
    if (stats === undefined && this.#makes) this.#make(here, path);
    else if (stats === undefined) throw new FerryError("FILE_UNWRITABLE", { path: asked, problem: "it is not there" });
    else if (stats.isSymbolicLink())
      throw new FerryError("FILE_UNWRITABLE", { path: asked, problem: `its folder ${path} is a symbolic link` });
    else if (!stats.isDirectory()) throw new FerryError("FILE_UNWRITABLE", { path: asked, problem: `its folder ${path} is a file` });
    return here;
  }

  #make(here: string, path: string): void {
    try {
      mkdirSync(here);
      this.#made.add(path);
    } catch (error) {
      // Another run made it in this moment; opening it tells whether it is a folder.
      if (fsCode(error) !== "EEXIST") throw error;
    }
  }
}

function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
