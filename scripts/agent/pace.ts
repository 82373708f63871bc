/** How fast bytes come at this moment, from each place: so one who crawls is told from a machine, or a network, on which all are slow. */
import { KiB, MiB } from "../../shared/units.ts";

export const TICK_MS = 250;
/** Over how many ticks a rate is taken. */
const WINDOW_TICKS = 4;
/** What is slower than this share of what others give crawls. */
const SHARE = 1 / 8;
const LEAST = 32 * KiB;
/** Whatever others give: this fast is fast enough. */
const MOST = 4 * MiB;
const USUAL_MOST = 256 * KiB;

/** Bytes that come by one request. Whoever has it calls `tick` every TICK_MS: while this process was busy nobody else was slow. */
export class Flow {
  readonly source: string;
  readonly #ticks: number[] = [];
  #bytes = 0;

  constructor(source: string) {
    this.source = source;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  tick(): void {
    this.#ticks.push(this.#bytes);
    this.#bytes = 0;
    if (this.#ticks.length > WINDOW_TICKS) this.#ticks.shift();
  }

  /** Bytes per second in the last window; null before it has had one. */
  get rate(): number | null {
    if (this.#ticks.length < WINDOW_TICKS) return null;
    return (this.#ticks.reduce((sum, bytes) => sum + bytes, 0) * 1000) / (WINDOW_TICKS * TICK_MS);
  }
}

export class Paces {
  readonly #flows = new Set<Flow>();

  /** `end` has to follow. */
  begin(source: string): Flow {
    const flow = new Flow(source);
    this.#flows.add(flow);
    return flow;
  }

  end(flow: Flow): void {
    this.#flows.delete(flow);
  }

  /**
   * What a source has to give at least, in bytes per second: a share of what the others that give something give now, or, where there are
   * none, of what was usual. @param usual bytes per second; 0: not known.
   */
  floor(source: string, usual: number): number {
    const rates: number[] = [];
    for (const flow of this.#flows) if (flow.source !== source && (flow.rate ?? 0) > 0) rates.push(flow.rate ?? 0);
    rates.sort((a, b) => a - b);
    const others = rates[rates.length >> 1];
    return Math.max(LEAST, others === undefined ? Math.min(USUAL_MOST, usual * SHARE) : Math.min(MOST, others * SHARE));
  }
}
