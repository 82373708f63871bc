/**
 * Which checkpoints of a folder are stored already, so that a restart reads none of them again. One file in `<cache>/watch` for each
 * folder, repository and branch. It may be lost: then each checkpoint is read once more, and the registry finds that it has it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";
import { RevisionId } from "../../shared/names.ts";
import type { Checkpoint } from "./watch-scan.ts";

const Stored = z.object({ stamp: z.string(), revision: RevisionId });
const State = z.object({ v: z.literal(1), stored: z.record(z.string(), Stored) });

export class WatchState {
  readonly #place: string;
  readonly #stored: Map<string, z.infer<typeof Stored>>;

  /** @param of what the state is that of: endpoint, repository, branch, absolute path of the folder. */
  constructor(cacheDir: string, of: readonly string[]) {
    const name = createHash("sha256").update(JSON.stringify(of)).digest("hex").slice(0, 40);
    this.#place = join(cacheDir, "watch", `${name}.json`);
    this.#stored = readState(this.#place);
  }

  /** Whether the checkpoint is stored as it is now. */
  has({ path, stamp }: Checkpoint): boolean {
    return this.#stored.get(path)?.stamp === stamp;
  }

  /** Never fails: what can't be kept is found out again. */
  keep({ path, stamp }: Checkpoint, revision: RevisionId): void {
    this.#stored.set(path, { stamp, revision });
    this.#write();
  }

  /** Forgets those that are no longer there. */
  prune(checkpoints: readonly Checkpoint[]): void {
    const there = new Set(checkpoints.map(({ path }) => path));
    const gone = [...this.#stored.keys()].filter((path) => !there.has(path));
    for (const path of gone) this.#stored.delete(path);
    if (gone.length > 0) this.#write();
  }

  #write(): void {
    try {
      mkdirSync(dirname(this.#place), { recursive: true, mode: 0o700 });
      writeFileSync(`${this.#place}.${process.pid}`, JSON.stringify({ v: 1, stored: Object.fromEntries(this.#stored) }), { mode: 0o600 });
      renameSync(`${this.#place}.${process.pid}`, this.#place);
    } catch {}
  }
}

function readState(place: string): Map<string, z.infer<typeof Stored>> {
  try {
    return new Map(Object.entries(State.parse(JSON.parse(readFileSync(place, "utf8"))).stored));
  } catch {
    return new Map();
  }
}
