/**
 * How many requests at once were worth it at an endpoint last time, so that the next transfer begins with it. One small file for all;
 * it may be deleted at any time, and a lost update costs a second of finding out again.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

const ENDPOINTS_MAX = 50;

const Known = z.object({ down: z.int().min(1).max(1000).optional(), up: z.int().min(1).max(1000).optional() });
const Learned = z.object({ v: z.literal(1), widths: z.record(z.string(), Known) });
type Learned = z.infer<typeof Learned>;

export type Direction = "down" | "up";

export class LearnedWidths {
  readonly #folder: string;

  constructor(cacheDir: string) {
    this.#folder = cacheDir;
  }

  /** Null when nothing is known. */
  find(endpoint: string, direction: Direction): number | null {
    return this.#read().widths[endpoint]?.[direction] ?? null;
  }

  /** Never fails: what can't be kept is found out again. */
  keep(endpoint: string, direction: Direction, width: number): void {
    const { [endpoint]: known, ...others } = this.#read().widths;
    // The newest comes last, and the oldest goes first.
    const kept = Object.entries(others).slice(1 - ENDPOINTS_MAX);
    const widths = Object.fromEntries([...kept, [endpoint, { ...known, [direction]: width }]]);
    const draft = `${this.#place()}.${process.pid}`;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(draft, JSON.stringify({ v: 1, widths } satisfies Learned), { mode: 0o600 });
      renameSync(draft, this.#place());
    } catch {}
  }

  #place(): string {
    return join(this.#folder, "widths.json");
  }

  #read(): Learned {
    try {
      return Learned.parse(JSON.parse(readFileSync(this.#place(), "utf8")));
    } catch {
      return { v: 1, widths: {} };
    }
  }
}
