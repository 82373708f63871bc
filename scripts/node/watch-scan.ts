/**
 * Finds the checkpoints below a folder that their framework has declared complete. The framework's own marker decides, never the time
 * that nothing was written: a slow disk is idle, too.
 *
 *   torch.distributed.checkpoint   <folder>/.metadata, written last, by the coordinator
 *   Megatron                       latest_checkpointed_iteration.txt names iter_<N>; older ones have a metadata.json of their own
 *   transformers' Trainer          checkpoint-<N>/trainer_state.json, the last file that the main process writes
 *   any other                      a glob for a file that stands in the folder when it is complete
 */
import type { Dirent } from "node:fs";
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathFilter } from "../../shared/transfer/globs.ts";
import { fsCode, unreadable } from "./fs-errors.ts";
import { stampOf } from "./walk.ts";
import { isRemoved } from "./watch-remove.ts";

export type Framework = "dcp" | "megatron" | "transformers" | "other";

/** `path`: the folder, below the one that is watched ("": itself), with '/'. `stamp`: another one when it was written again. */
export type Checkpoint = { path: string; framework: Framework; step: number | null; marker: string; stamp: string; markedAtMs: number };

/** `checkpoints`: in order of step. `open`: folders that were looked into and are no complete checkpoint. */
export type Scan = { checkpoints: Checkpoint[]; open: string[] };

const TRACKER = "latest_checkpointed_iteration.txt";
const ITERATION = /^iter_\d{7,}$/;
const TRAINER = /^checkpoint-\d+$/;
const DEPTH_MAX = 4;
const TRACKER_BYTES_MAX = 100;

/** @param marker a glob on paths below `root`; null: the frameworks' own markers. Throws FILE_UNREADABLE when `root` can't be read. */
export async function findCheckpoints(root: string, marker: string | null): Promise<Scan> {
  const scanner = new Scanner(root, marker === null ? null : markerFilter(marker));
  await scanner.folder("", 0);
  scanner.checkpoints.sort(byStep);
  return scanner;
}

/** A glob that matches a folder matches what is below it, too; here only what it names itself is meant. */
function markerFilter(glob: string): (path: string) => boolean {
  const matches = pathFilter([glob]);
  return (path) => matches(path) && !matches(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
}

function byStep(a: Checkpoint, b: Checkpoint): number {
  const [stepA, stepB] = [a.step ?? Number.POSITIVE_INFINITY, b.step ?? Number.POSITIVE_INFINITY];
  if (stepA !== stepB) return stepA < stepB ? -1 : 1;
  return a.markedAtMs - b.markedAtMs || (a.path < b.path ? -1 : 1);
}

class Scanner implements Scan {
  readonly checkpoints: Checkpoint[] = [];
  readonly open: string[] = [];
  readonly #root: string;
  readonly #isMarker: ((path: string) => boolean) | null;

  constructor(root: string, isMarker: ((path: string) => boolean) | null) {
    this.#root = root;
    this.#isMarker = isMarker;
  }

  async folder(path: string, depth: number): Promise<void> {
    const entries = await this.#list(path);
    const marker = this.#markerIn(path, entries);
    if (marker !== null && (await this.#add(path, marker.framework, childOf(path, marker.name)))) return;
    this.open.push(path);
    const latest = await this.#latestIteration(path, entries);
    for (const entry of entries) {
      if (!entry.isDirectory() || isRemoved(entry.name)) continue;
      const child = childOf(path, entry.name);
      if (await this.#own(path, entry.name, latest)) continue;
      if (depth < DEPTH_MAX) await this.folder(child, depth + 1);
    }
  }

  /** Whether a child is a checkpoint of a framework that has its own names, complete or not: what is in it is no checkpoint then. */
  async #own(path: string, name: string, latest: string | null): Promise<boolean> {
    if (this.#isMarker !== null) return false;
    const child = childOf(path, name);
    if (ITERATION.test(name) || name === latest) {
      await this.#iteration(path, child, latest);
      return true;
    }
    if (!TRAINER.test(name)) return false;
    if (!(await this.#add(child, "transformers", childOf(child, "trainer_state.json")))) this.open.push(child);
    return true;
  }

  async #list(path: string): Promise<Dirent[]> {
    try {
      const entries = await readdir(join(this.#root, path), { withFileTypes: true });
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      if (path === "") throw unreadable(this.#root, error);
      // Frameworks remove old checkpoints while this looks.
      return [];
    }
  }

  /** The file that declares `path` complete. */
  #markerIn(path: string, entries: readonly Dirent[]): { framework: Framework; name: string } | null {
    const isMarker = this.#isMarker ?? ((file: string) => file === childOf(path, ".metadata"));
    const found = entries.find((entry) => entry.isFile() && isMarker(childOf(path, entry.name)));
    return found === undefined ? null : { framework: this.#isMarker === null ? "dcp" : "other", name: found.name };
  }

  /** `iter_0000100`, `release`; null without a tracker, or when it says nothing that this understands. */
  async #latestIteration(path: string, entries: readonly Dirent[]): Promise<string | null> {
    if (this.#isMarker !== null || !entries.some((entry) => entry.isFile() && entry.name === TRACKER)) return null;
    const text = await readFile(join(this.#root, path, TRACKER), "utf8").catch(() => "");
    const value = text.slice(0, TRACKER_BYTES_MAX).trim();
    if (value === "release") return value;
    return /^\d{1,15}$/.test(value) ? `iter_${value.padStart(7, "0")}` : null;
  }

  /**
   * The tracker vouches for the one it names. An older one must vouch for itself: a crash may have left it half-written, and training may
   * have gone on from an earlier one and past it. One that is newer than the tracker is being written.
   */
  async #iteration(path: string, child: string, latest: string | null): Promise<void> {
    const name = child.slice(child.lastIndexOf("/") + 1);
    const isLatest = name === latest;
    const isOlder = latest !== null && latest !== "release" && (stepOf(name) ?? 0) < (stepOf(latest) ?? 0);
    if (!isLatest && !isOlder) return;
    if (await this.#add(child, "megatron", childOf(child, "metadata.json"))) return;
    if (isLatest) await this.#add(child, "megatron", childOf(path, TRACKER));
  }

  /** False when the marker is not there. */
  async #add(path: string, framework: Framework, marker: string): Promise<boolean> {
    const stats = await lstat(join(this.#root, marker), { bigint: true }).catch((error: unknown) => {
      if (fsCode(error) === "ENOENT" || fsCode(error) === "ENOTDIR") return null;
      throw unreadable(join(this.#root, marker), error);
    });
    if (stats === null || !stats.isFile()) return false;
    const step = stepOf(path.slice(path.lastIndexOf("/") + 1));
    this.checkpoints.push({ path, framework, step, marker, stamp: stampOf(stats), markedAtMs: Number(stats.mtimeMs) });
    return true;
  }
}

function childOf(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** The number that a folder's name ends with: `step-100`, `iter_0000100`, `global_step100`. */
function stepOf(name: string): number | null {
  const [digits] = /\d{1,15}$/.exec(name) ?? [];
  return digits === undefined ? null : Number(digits);
}
