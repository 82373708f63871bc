/** What was asked of the store: how often each kind of operation on each kind of key, and when the first time was. */

/** `firstAtMs`: on the clock that all processes of this machine share (process.hrtime). */
export type Count = { operation: string; count: number; firstAtMs: number };

export class Counts {
  #counts = new Map<string, Count>();

  /** The kind of a key is its first two folders: `ferry/chunks/…`, `peers/rclone/…`. */
  add(method: string, key: string): void {
    const operation = `${method} ${key.split("/", 2).join("/")}`;
    const known = this.#counts.get(operation);
    if (known === undefined) this.#counts.set(operation, { operation, count: 1, firstAtMs: sharedNowMs() });
    else known.count++;
  }

  /** Everything since the last call. */
  take(): Count[] {
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    return counts;
  }
}

export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
