/** A cache of immutable values, bounded in bytes; the least recently used goes first. Safe to share between requests and tenants: a key says all. */
import type { ImmutableCache } from "./registry/ports.ts";

export class MemoryCache implements ImmutableCache {
  readonly #entries = new Map<string, { value: unknown; sizeBytes: number }>();
  readonly #limitBytes: number;
  #sizeBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get<T>(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value as T;
  }

  set<T>(key: string, value: T, sizeBytes: number): void {
    this.#drop(key);
    if (sizeBytes > this.#limitBytes / 2) return;
    this.#entries.set(key, { value, sizeBytes });
    this.#sizeBytes += sizeBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#sizeBytes <= this.#limitBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#sizeBytes -= entry.sizeBytes;
  }
}
