/** Lists what a push takes: files and links below the given sources, with their paths in the repository. */
import type { BigIntStats } from "node:fs";
import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FerryError } from "../../shared/errors.ts";
import { linkProblem, pathProblem, treeProblem } from "../../shared/paths.ts";
import { pathFilter } from "../../shared/transfer/globs.ts";
import type { SourceEntry, SourceFile } from "../../shared/transfer/ports.ts";
import { unreadable } from "./fs-errors.ts";
import { isOurs } from "./marks.ts";

export type WalkRequest = {
  sources: readonly string[];
  include?: readonly string[];
  exclude?: readonly string[];
  mayBeEmpty?: boolean;
  /** What a link leads to is pushed in its place. */
  followLinks?: boolean;
};

/**
 * A directory's files keep their paths below it, a file keeps its name. Hidden files are files like others; `.git` and what a running
 * pull leaves are not taken. Throws PATH_UNSAFE, FILE_UNREADABLE (also for what is neither file, folder nor link), USAGE_INVALID when
 * nothing is left.
 */
export async function walk(request: WalkRequest): Promise<SourceEntry[]> {
  const walker = new Walker(pathFilter(request.include, request.exclude), request.followLinks ?? false);
  for (const source of request.sources) await walker.source(source);
  const entries = walker.entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  const clash = treeProblem(entries.map((entry) => entry.path));
  if (clash !== null) throw new FerryError("PATH_UNSAFE", clash);
  if (entries.length === 0 && !request.mayBeEmpty)
    throw new FerryError("USAGE_INVALID", { problem: `there is nothing to push in ${request.sources.join(", ")}` });
  return entries;
}

/** Another text when the content may be another. The time of the last change of content, not of the inode: a chmod changes no byte. */
export function stampOf(stats: BigIntStats): string {
  return `${stats.dev}-${stats.ino}-${stats.size}-${stats.mtimeNs}`;
}

/** `local` leads to it without links at its end. */
type Found = { local: string; path: string; stats: BigIntStats };

class Walker {
  readonly entries: SourceEntry[] = [];
  readonly #isWanted: (path: string) => boolean;
  readonly #followLinks: boolean;
  /** The folders around the one that is being read, by device and inode: a link back to one of them has no end. */
  readonly #around = new Set<string>();

  constructor(isWanted: (path: string) => boolean, followLinks: boolean) {
    this.#isWanted = isWanted;
    this.#followLinks = followLinks;
  }

  /** What a person names may itself be a link; below it, links are kept as links. */
  async source(source: string): Promise<void> {
    const named = resolve(source);
    const { local, stats } = await target(named).catch((error: unknown) => {
      throw unreadable(source, error);
    });
    if (stats.isDirectory()) await this.#folder({ local, path: "", stats });
    else this.#entry({ local, path: storedName(basename(named)), stats });
  }

  async #folder({ local, path, stats }: Found): Promise<void> {
    const id = `${stats.dev}-${stats.ino}`;
    if (this.#around.has(id)) throw new FerryError("PATH_UNSAFE", { path, problem: "its link leads back to a folder that it is in" });
    this.#around.add(id);
    const names = await readdir(local).catch((error: unknown) => {
      throw unreadable(local, error);
    });
    for (const name of names) {
      if (name === ".git" || isOurs(name)) continue;
      await this.#child(join(local, name), path === "" ? storedName(name) : `${path}/${storedName(name)}`);
    }
    this.#around.delete(id);
  }

  async #child(local: string, path: string): Promise<void> {
    const stats = await lstat(local, { bigint: true }).catch((error: unknown) => {
      // Node reads names that are not UTF-8 as something else, under which nothing is there.
      if (path.includes("\ufffd")) throw new FerryError("PATH_UNSAFE", { path, problem: "it is not valid Unicode" });
      throw unreadable(local, error);
    });
    if (stats.isSymbolicLink() && this.#followLinks) return this.#followed(local, path);
    await this.#any({ local, path, stats });
  }

  async #followed(link: string, path: string): Promise<void> {
    const found = await target(link).catch((error: unknown) => {
      throw unreadable(link, error);
    });
    await this.#any({ ...found, path });
  }

  async #any(found: Found): Promise<void> {
    if (found.stats.isDirectory()) return this.#folder(found);
    if (!this.#isWanted(found.path)) return;
    if (found.stats.isSymbolicLink()) return this.#link(found.local, found.path);
    this.#entry(found);
  }

  async #link(local: string, path: string): Promise<void> {
    const target = await readlink(local).catch((error: unknown) => {
      throw unreadable(local, error);
    });
    const problem = pathProblem(path) ?? linkProblem(path, target);
    if (problem !== null) throw new FerryError("PATH_UNSAFE", { path, problem });
    this.entries.push({ kind: "link", path, target });
  }

  #entry({ local, path, stats }: Found): void {
    if (!this.#isWanted(path)) return;
    if (!stats.isFile()) throw new FerryError("FILE_UNREADABLE", { path: local, problem: "it is neither a file, a folder nor a link" });
    const problem = pathProblem(path);
    if (problem !== null) throw new FerryError("PATH_UNSAFE", { path, problem });
    const executable = (stats.mode & 0o100n) !== 0n;
    this.entries.push({ kind: "file", path, local, sizeBytes: Number(stats.size), executable, stamp: stampOf(stats) } satisfies SourceFile);
  }
}

/** What lies behind all links. */
async function target(path: string): Promise<{ local: string; stats: BigIntStats }> {
  const local = await realpath(path);
  return { local, stats: await stat(local, { bigint: true }) };
}

/** macOS hands out names decomposed; the repository holds them composed. Elsewhere a decomposed name is somebody's choice, and refused. */
function storedName(name: string): string {
  return process.platform === "darwin" ? name.normalize("NFC") : name;
}
