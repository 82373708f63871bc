/**
 * Nodes that want one model at once, as a schedule of transfers: each node takes the chunks one after another, each from where the ring says,
 * over links that carry one transfer at a time (a link shared by several is as fast in sum). It is the ring's own code that decides. What is
 * left out: latency, loss, and that a link to a far zone is slower.
 */
import { createHash } from "node:crypto";
import { Ring, type RingMember } from "../../shared/ring.ts";
import { Heap } from "./heap.ts";

export type Setting = {
  nodes: number;
  zones: number;
  chunks: number;
  chunkBytes: number;
  /** In bytes per second: of each node each way, of the origin, of a node's disk. */
  linkRate: number;
  originRate: number;
  diskRate: number;
  /** `direct`: every node asks the origin. `ring`: as agents do. `warm`: as agents do, before anybody waits. */
  mode: "direct" | "ring" | "warm";
  /** Of the nodes, while the first third is under way. */
  deadShare: number;
  /** Of the model, that each cache may hold. */
  cacheShare: number;
  seed: number;
};

/** `originCopies`: bytes from the origin by the model's. `imbalance`: most bytes that a node gave, by the average. */
export type Outcome = { originCopies: number; p50Seconds: number; p99Seconds: number; imbalance: number };

const SOURCES_MAX = 4;
/** Until an agent knows that another is dead. */
const DEAD_SECONDS = 0.05;
/** A transfer may begin so long after that of its source: what came is passed on. */
const STREAM_SECONDS = 0.02;

/** Transfers that wait for a node's link, before it names others; and how many of those are looked at. */
const BACKLOG_MAX = 8;
const READERS_TRIED = 3;

type Held = { from: number; until: number };

export function simulate(setting: Setting): Outcome {
  return new World(setting).run();
}

class World {
  readonly #setting: Setting;
  readonly #ranked: RingMember[][];
  readonly #upFree: Float64Array;
  readonly #originFree: Float64Array;
  readonly #given: Float64Array;
  readonly #held: (Held | undefined)[][];
  readonly #order: number[][];
  readonly #diesAt: Float64Array;
  readonly #zoneOf: number[];
  /** Of each chunk, who got it from another node. */
  readonly #readers: number[][];
  readonly #random: () => number;
  #originTransfers = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { nodes, zones, chunks, seed, deadShare, originRate, linkRate } = setting;
    const random = seeded(seed);
    this.#random = random;
    this.#readers = Array.from({ length: chunks }, () => []);
    const members = Array.from({ length: nodes }, (_, at) => ({ id: String(at), weight: 1, zone: String(at % zones) }));
    const ring = new Ring<RingMember>(members);
    this.#zoneOf = members.map((_, at) => at % zones);
    const digests = Array.from({ length: chunks }, (_, at) => createHash("sha256").update(`${seed} ${at}`).digest("hex"));
    this.#ranked = setting.mode === "direct" ? [] : digests.map((digest) => ring.ranked(digest, Math.min(nodes, 16 * SOURCES_MAX * zones)));
    this.#upFree = new Float64Array(nodes);
    this.#given = new Float64Array(nodes);
    this.#originFree = new Float64Array(Math.max(1, Math.floor(originRate / linkRate)));
    this.#held = Array.from({ length: nodes }, () => []);
    this.#order = Array.from({ length: nodes }, () => []);
    const wholeSeconds = (chunks * setting.chunkBytes) / linkRate;
    this.#diesAt = Float64Array.from({ length: nodes }, () =>
      random() < deadShare ? (random() * wholeSeconds) / 3 : Number.POSITIVE_INFINITY,
    );
  }

  run(): Outcome {
    const { nodes, chunks, mode, chunkBytes, diskRate } = this.#setting;
    const turns = new Heap();
    const ready: number[] = [];
    const done = new Uint32Array(nodes);
    for (let node = 0; node < nodes; node++) turns.push(0, node);
    for (let turn = turns.pop(); turn !== null; turn = turns.pop()) {
      const { at, value: node } = turn;
      if (at >= (this.#diesAt[node] ?? 0)) continue;
      const nth = done[node] ?? 0;
      if (nth === chunks) ready.push(at);
      else {
        done[node] = nth + 1;
        // Each begins elsewhere, so that all bring different chunks at first.
        turns.push(this.#take(node, (nth + Math.floor((node * chunks) / nodes)) % chunks, at), node);
      }
    }
    ready.sort((a, b) => a - b);
    // Whoever waits for a warm node waits for its disk.
    const local = (chunks * chunkBytes) / diskRate;
    const at = (share: number) => (mode === "warm" ? local : (ready[Math.min(ready.length - 1, Math.floor(share * ready.length))] ?? 0));
    const living = this.#given.filter((_, node) => this.#diesAt[node] === Number.POSITIVE_INFINITY);
    const mean = living.reduce((sum, bytes) => sum + bytes, 0) / living.length;
    return {
      originCopies: this.#originTransfers / chunks,
      p50Seconds: at(0.5),
      p99Seconds: at(0.99),
      imbalance: mean === 0 ? 0 : living.reduce((most, bytes) => Math.max(most, bytes), 0) / mean,
    };
  }

  /** When the node has the chunk. */
  #take(node: number, chunk: number, now: number): number {
    const there = this.#held[node]?.[chunk];
    if (there !== undefined) return Math.max(now, there.until);
    const seconds = this.#setting.chunkBytes / this.#setting.linkRate;
    const { source, lost } = this.#sourceOf(node, chunk, now);
    if (source === null) return this.#hold(node, chunk, this.#fromOrigin(now + lost, seconds));
    const giver = this.#lessBusy(source, chunk, now + lost);
    // It brings the chunk itself, if it has not yet.
    const sourceDone = this.#take(giver, chunk, now + lost);
    const sourceFrom = this.#held[giver]?.[chunk]?.from ?? sourceDone;
    const from = Math.max(now + lost, this.#upFree[giver] ?? 0, sourceFrom + STREAM_SECONDS);
    this.#upFree[giver] = from + seconds;
    this.#given[giver] = (this.#given[giver] ?? 0) + this.#setting.chunkBytes;
    this.#readers[chunk]?.push(node);
    return this.#hold(node, chunk, { from, until: Math.max(from + seconds, sourceDone + STREAM_SECONDS) });
  }

  /** A node that gives to many already names some that have the chunk, or get it: of them, one that has less to do (readers.ts). */
  #lessBusy(source: number, chunk: number, now: number): number {
    const seconds = this.#setting.chunkBytes / this.#setting.linkRate;
    const backlog = (node: number) => (this.#upFree[node] ?? 0) - now;
    if (backlog(source) < BACKLOG_MAX * seconds) return source;
    const readers = this.#readers[chunk] ?? [];
    let best = source;
    for (let tries = 0; tries < READERS_TRIED && readers.length > 0; tries++) {
      const other = readers[Math.floor(this.#random() * readers.length)] ?? source;
      if ((this.#diesAt[other] ?? 0) > now && this.#held[other]?.[chunk] !== undefined && backlog(other) < backlog(best)) best = other;
    }
    return best;
  }

  /** As Ring.sources has it, from the ranks that were found once for each chunk. */
  #sourceOf(node: number, chunk: number, now: number): { source: number | null; lost: number } {
    if (this.#setting.mode === "direct") return { source: null, lost: 0 };
    let lost = 0;
    const better: number[] = [];
    const enough = this.#setting.zones > 1 ? 16 * SOURCES_MAX * this.#setting.zones : SOURCES_MAX;
    for (const { id } of this.#ranked[chunk] ?? []) {
      if (Number(id) === node || better.length >= enough) break;
      better.push(Number(id));
    }
    const near =
      this.#setting.zones > 1 ? better.filter((other) => this.#zoneOf[other] === this.#zoneOf[node]).slice(0, SOURCES_MAX / 2) : [];
    for (const other of [...near, ...better.slice(0, SOURCES_MAX)]) {
      if ((this.#diesAt[other] ?? 0) > now) return { source: other, lost };
      lost += DEAD_SECONDS;
    }
    return { source: null, lost };
  }

  #fromOrigin(now: number, seconds: number): Held {
    const lanes = this.#originFree;
    let best = 0;
    for (let lane = 1; lane < lanes.length; lane++) if ((lanes[lane] ?? 0) < (lanes[best] ?? 0)) best = lane;
    const from = Math.max(now, lanes[best] ?? 0);
    lanes[best] = from + seconds;
    this.#originTransfers++;
    return { from, until: from + seconds };
  }

  /** A cache that is full lets go of what it got first. */
  #hold(node: number, chunk: number, held: Held): number {
    const chunks = this.#held[node] ?? [];
    const order = this.#order[node] ?? [];
    chunks[chunk] = held;
    order.push(chunk);
    const most = Math.max(1, Math.floor(this.#setting.chunks * this.#setting.cacheShare));
    if (order.length > most) chunks[order.shift() ?? 0] = undefined;
    return held.until;
  }
}

/** mulberry32: chance that can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
