/**
 * Tells when something may have changed in some folders: at once where the system says so, else after a while. Network file systems tell
 * nothing of what other machines write, so the while is what counts there.
 */
import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import type { Machine } from "../../shared/transfer/ports.ts";

/** Files come in bursts: one look for each of them would be too many. */
const SETTLE_MS = 100;
const WATCHERS_MAX = 256;

export class Changes {
  readonly #root: string;
  readonly #machine: Machine;
  readonly #watchers = new Map<string, FSWatcher>();
  #changed = false;
  #wake: (() => void) | null = null;

  constructor(root: string, machine: Machine) {
    this.#root = root;
    this.#machine = machine;
  }

  /** Looks at these folders from now on, and at no others. */
  watch(folders: readonly string[]): void {
    const wanted = new Set(folders.slice(0, WATCHERS_MAX));
    for (const folder of this.#watchers.keys()) if (!wanted.has(folder)) this.#close(folder);
    for (const folder of wanted) if (!this.#watchers.has(folder)) this.#open(folder);
  }

  /** Resolves soon after a change since the last call, else after `everyMs`. Rejects with the signal's reason. */
  async next(everyMs: number, signal: AbortSignal): Promise<void> {
    const wait = new AbortController();
    const stop = () => wait.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    this.#wake = () => wait.abort();
    try {
      signal.throwIfAborted();
      if (!this.#changed) await this.#machine.sleep(everyMs, wait.signal).catch(() => {});
      signal.throwIfAborted();
      if (this.#changed) await this.#machine.sleep(SETTLE_MS, signal);
      this.#changed = false;
    } finally {
      this.#wake = null;
      signal.removeEventListener("abort", stop);
    }
  }

  close(): void {
    this.watch([]);
  }

  #open(folder: string): void {
    try {
      const watcher = watch(join(this.#root, folder), { persistent: false }, () => this.#onChange());
      watcher.on("error", () => this.#close(folder));
      this.#watchers.set(folder, watcher);
      // It may have changed between the look and now.
      this.#onChange();
    } catch {
      // No folder any more, or no watchers left: the next look comes by itself.
    }
  }

  #close(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #onChange(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
