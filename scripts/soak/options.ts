/** What a soak is told, and its chance: one seed gives each part of it a sequence of its own. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";

export const USAGE = `Usage: npm run soak -- [--hours N] [options]

Clients push, tag, clone, purge and read beside collection, while Redis, the store and the server fail. Every acknowledged revision must
read back whole. Ends with a table, and with 1 when anything was violated.

  --hours N       how long at most (default 1; parts of an hour are fine)
  --cycles N      ends earlier, after so many cycles of collection that came to their end
  --clients N     pushing clients (default 8)
  --runtime R     node (default) or workerd
  --seed N        of all chance; printed, and random when left out
  --pause MS      between two acts of a client (default 250)
  --calm MS       between two faults, about (default 15000)
  --json FILE     the figures as JSON, too, which are written each minute as they stand`;

export type Options = {
  hours: number;
  cycles: number;
  clients: number;
  runtime: "node" | "workerd";
  seed: number;
  pauseMs: number;
  calmMs: number;
  json: string | null;
};

/** Null: help was asked for. Throws on what it does not understand. */
export function parseOptions(argv: string[]): Options | null {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: argv,
    options: {
      hours: text,
      cycles: text,
      clients: text,
      runtime: text,
      seed: text,
      pause: text,
      calm: text,
      json: text,
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return null;
  const { runtime = "node" } = values;
  if (runtime !== "node" && runtime !== "workerd") throw new Error(`--runtime is node or workerd, not ${runtime}`);
  return {
    hours: numberOf("hours", values.hours ?? "1", { above: 0 }),
    cycles: numberOf("cycles", values.cycles ?? "Infinity", { above: 0 }),
    clients: numberOf("clients", values.clients ?? "8", { above: 0 }),
    runtime,
    seed: numberOf("seed", values.seed ?? String(randomInt(2 ** 31)), { above: -1 }),
    pauseMs: numberOf("pause", values.pause ?? "250", { above: -1 }),
    calmMs: numberOf("calm", values.calm ?? "15000", { above: 0 }),
    json: values.json ?? null,
  };
}

function numberOf(name: string, text: string, { above }: { above: number }): number {
  const value = Number(text);
  if (!(value > above)) throw new Error(`--${name} is a number, not ${text}`);
  return value;
}

/** From 0 to 1, as Math.random. */
export type Chance = () => number;

/** mulberry32 of the seed and the part's name. */
export function chanceOf(seed: number, part: string): Chance {
  let state = seed;
  for (const letter of part) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function pick<T>(chance: Chance, items: readonly T[]): T | undefined {
  return items[Math.floor(chance() * items.length)];
}
