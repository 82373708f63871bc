/**
 * Watches a folder in which training writes checkpoints, and pushes each one that is complete as a revision of its own, in order. It may
 * be killed at any moment and started again: no checkpoint becomes two revisions, and none is left out.
 */
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { type ErrorCode, FerryError } from "../../shared/errors.ts";
import { OperationId, type RefName, type RepositoryName, type RevisionId } from "../../shared/names.ts";
import type { PushRequest, PushResult } from "../../shared/transfer/contract.ts";
import type { Machine } from "../../shared/transfer/ports.ts";
import { walk } from "./walk.ts";
import { Changes } from "./watch-changes.ts";
import { finishRemovals, removeCheckpoint } from "./watch-remove.ts";
import { type Checkpoint, findCheckpoints, type Scan } from "./watch-scan.ts";
import type { WatchState } from "./watch-state.ts";
import { trainerMetrics } from "./watch-trainer.ts";

export type WatchRequest = {
  /** The folder, absolute. */
  root: string;
  repository: RepositoryName;
  branch: RefName;
  message: string | null;
  labels: Record<string, string>;
  include?: string[];
  exclude?: string[];
  /** A glob that declares a folder complete, in place of the frameworks' own markers. */
  marker: string | null;
  /** Local checkpoints to leave, the newest; null: all. */
  keep: number | null;
  /** Look once: push what is complete now, then end. */
  once: boolean;
  create: boolean;
  everyMs: number;
};

export type WatchControl = {
  client: FerryClient;
  machine: Machine;
  state: WatchState;
  signal: AbortSignal;
  push: (request: PushRequest) => Promise<PushResult>;
  onStored: (checkpoint: Checkpoint, result: PushResult) => void;
  onRemoved: (checkpoint: Checkpoint) => void;
  note: (text: string) => void;
};

const PAUSE_MS_MAX = 60_000;
/** Failures of one checkpoint after another, of a kind that passes soon if it does. */
const FAILURES_MAX = 8;
const SOON = new Set<ErrorCode>(["FILE_CHANGED", "FILE_UNREADABLE", "BRANCH_MOVED"]);
const PAGES_MAX = 100;

/** Ends only when it looks once, or by what it throws: the signal's reason, or what a push throws and waiting does not help against. */
export async function watchCheckpoints(request: WatchRequest, control: WatchControl): Promise<void> {
  const changes = new Changes(request.root, control.machine);
  try {
    await new Watching(request, control, changes).run();
  } finally {
    changes.close();
  }
}

class Watching {
  readonly #request: WatchRequest;
  readonly #control: WatchControl;
  readonly #changes: Changes;
  #failures = 0;

  constructor(request: WatchRequest, control: WatchControl, changes: Changes) {
    this.#request = request;
    this.#control = control;
    this.#changes = changes;
  }

  async run(): Promise<void> {
    for (;;) {
      const scan = await this.#look();
      const next = scan?.checkpoints.find((checkpoint) => !this.#control.state.has(checkpoint));
      if (next !== undefined) {
        await this.#bring(next);
        continue;
      }
      if (scan !== null) await this.#tidy(scan);
      if (this.#request.once) return;
      await this.#changes.next(this.#request.everyMs, this.#control.signal);
    }
  }

  /** Null: there is no such folder yet. */
  async #look(): Promise<Scan | null> {
    const { root, marker, once } = this.#request;
    const isThere = lstatSync(root, { throwIfNoEntry: false }) !== undefined;
    if (!isThere && !once) return null;
    const scan = await findCheckpoints(root, marker);
    if (!once) this.#changes.watch(scan.open);
    return scan;
  }

  /** Pushes one checkpoint. What passes with time is waited for, unless this looks once. */
  async #bring(checkpoint: Checkpoint): Promise<void> {
    const { state, onStored, signal } = this.#control;
    try {
      const result = await this.#push(checkpoint);
      state.keep(checkpoint, result.revision.revision);
      this.#failures = 0;
      onStored(checkpoint, result);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FerryError)) throw error;
      if (await this.#isGone(checkpoint)) return this.#control.note(`${nameOf(checkpoint)} was removed before it was stored`);
      const passes = error.retryable || error.code === "UPLOAD_UNKNOWN";
      const limited = this.#request.once ? passes || SOON.has(error.code) : SOON.has(error.code);
      if (!(limited ? this.#failures < FAILURES_MAX : passes)) throw error;
      await this.#pause(checkpoint, error);
    }
  }

  async #pause(checkpoint: Checkpoint, error: FerryError): Promise<void> {
    const { machine, note, signal } = this.#control;
    this.#failures++;
    note(`${nameOf(checkpoint)}: ${error.message}; trying again`);
    const ceilingMs = Math.min(PAUSE_MS_MAX, 500 * 2 ** this.#failures);
    await machine.sleep(ceilingMs * (0.5 + machine.random() / 2), signal);
  }

  /** Whether its marker went away: frameworks remove old checkpoints themselves. */
  async #isGone({ marker }: Checkpoint): Promise<boolean> {
    return lstatSync(join(this.#request.root, marker), { throwIfNoEntry: false }) === undefined;
  }

  async #push(checkpoint: Checkpoint): Promise<PushResult> {
    const { repository, branch, labels, message, create, include, exclude } = this.#request;
    const { path, step, framework } = checkpoint;
    const folder = join(this.#request.root, path);
    const files = { sources: [folder], ...(include === undefined ? {} : { include }), ...(exclude === undefined ? {} : { exclude }) };
    const listed = await listingOf(files);
    const own = { ...labels, checkpoint: labelOf(path), ...(step === null ? {} : { step: String(step) }) };
    return this.#control.push({
      ...files,
      repository,
      branch,
      message: message ?? nameOf(checkpoint),
      labels: own,
      metrics: await trainerMetrics(folder),
      source: { host: hostname().slice(0, 255), framework },
      create,
      once: async (manifest, parent) => {
        // Whatever came or went while it was sent: the revision is what stands there now, or none.
        if ((await listingOf(files)) !== listed) throw new FerryError("FILE_CHANGED", { path: folder });
        const known = await this.#findRevision(labelOf(path), manifest);
        return known === null ? { operationId: this.#operationOf(path, manifest, parent) } : { revision: known };
      },
    });
  }

  /** A revision that is this checkpoint, in the trash or not. */
  async #findRevision(label: string, manifest: Digest): Promise<RevisionSummary | null> {
    const { repository, branch } = this.#request;
    const { client, signal } = this.#control;
    for (const deleted of ["false", "true"] as const) {
      let cursor: string | null = null;
      for (let page = 0; page < PAGES_MAX; page++) {
        const query = { branch, label: `checkpoint:${label}`, deleted, limit: "1000", ...(cursor === null ? {} : { cursor }) };
        const answer: { revisions: RevisionSummary[]; next: string | null } = await client.call(
          "listRevisions",
          { repository, query },
          signal,
        );
        const found = answer.revisions.find((revision) => revision.manifest === manifest);
        if (found !== undefined) return found;
        if (answer.next === null) break;
        cursor = answer.next;
      }
    }
    return null;
  }

  /**
   * Finds the commit of a process that died, when it lands only after this one has looked for its revision: then the head was the same for
   * both, or one of them is refused.
   */
  #operationOf(path: string, manifest: Digest, parent: RevisionId | null): OperationId {
    const { repository, branch } = this.#request;
    const text = JSON.stringify(["watch", repository, branch, path, manifest, parent]);
    return OperationId.parse(createHash("sha256").update(text).digest("hex").slice(0, 40));
  }

  /** Everything is stored: removes the oldest of what is, and finishes removals that were cut short. */
  async #tidy({ checkpoints, open }: Scan): Promise<void> {
    const { root, keep } = this.#request;
    const { state, onRemoved } = this.#control;
    state.prune(checkpoints);
    if (keep === null) return;
    await finishRemovals(root, open);
    for (const checkpoint of checkpoints.slice(0, Math.max(0, checkpoints.length - keep))) {
      // The folder that is watched is not ours to remove.
      if (checkpoint.path !== "" && state.has(checkpoint) && (await removeCheckpoint(root, checkpoint))) onRemoved(checkpoint);
    }
  }
}

/** Paths and stamps of all files. */
async function listingOf(files: { sources: string[]; include?: string[]; exclude?: string[] }): Promise<string> {
  const entries = await walk(files);
  return JSON.stringify(entries.map((entry) => (entry.kind === "link" ? [entry.path, entry.target] : [entry.path, entry.stamp])));
}

/** For people. */
function nameOf({ path, step }: Checkpoint): string {
  const name = path === "" ? "checkpoint" : `checkpoint ${path}`;
  return step === null || path.endsWith(String(step)) ? name : `${name}, step ${step}`;
}

/** Of a long path the end, which tells checkpoints apart. */
function labelOf(path: string): string {
  return path === "" ? "." : path.slice(-255);
}
