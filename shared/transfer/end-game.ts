/**
 * When connections have nothing to do any more, they take half of the longest piece that others are still bringing: the end of a
 * transfer would otherwise take as long as its slowest connection.
 */
import { MiB } from "../units.ts";

/** Shorter halves cost more than they bring. */
const HALF_BYTES_MIN = 4 * MiB;
/** What ends within so many steps anyway is left alone. */
const STEPS_MIN = 2;

/** A piece on its way. */
export type Running = {
  leftBytes(): number;
  /** Gives so many of the bytes at its end to another connection. */
  halve(bytes: number): Promise<void>;
};

export class EndGame {
  /** With what was left of each at the last step. */
  readonly #running = new Map<Running, number>();
  readonly #halving = new Set<Running>();

  enter(running: Running): void {
    this.#running.set(running, Number.POSITIVE_INFINITY);
  }

  leave(running: Running): void {
    this.#running.delete(running);
  }

  /** @param free connections that have nothing to do. */
  step(free: number): void {
    const worth = [...this.#running].filter(([running, before]) => this.#isWorth(running, before)).map(([running]) => running);
    for (const running of this.#running.keys()) this.#running.set(running, running.leftBytes());
    worth.sort((a, b) => b.leftBytes() - a.leftBytes());
    for (const running of worth.slice(0, free)) this.#halve(running);
  }

  #isWorth(running: Running, beforeBytes: number): boolean {
    const leftBytes = running.leftBytes();
    const byStep = Number.isFinite(beforeBytes) ? beforeBytes - leftBytes : leftBytes;
    return leftBytes >= 2 * HALF_BYTES_MIN && leftBytes > STEPS_MIN * byStep && !this.#halving.has(running);
  }

  #halve(running: Running): void {
    this.#halving.add(running);
    const done = () => {
      this.#halving.delete(running);
      // What was given away did not come.
      if (this.#running.has(running)) this.#running.set(running, running.leftBytes());
    };
    running.halve(Math.floor(running.leftBytes() / 2)).then(done, done);
  }
}
