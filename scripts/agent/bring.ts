/**
 * Brings chunks into the cache, each once however many want it: from members of the ring that are better for the chunk than this one
 * (shared/ring.ts), and from the origin when there are none, or none gives it. So one agent of a ring fetches a chunk from the origin, and
 * the others get it from that one, as it comes.
 */
import type { RingPeer } from "../../shared/contract/agents.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Ring } from "../../shared/ring.ts";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import type { Transport } from "../node/transport.ts";
import type { Cache } from "./cache.ts";
import { chunkAddress } from "./chunk-address.ts";
import { type FetchEnd, fetchInto, PATIENCE } from "./fetching.ts";
import type { Filling } from "./filling.ts";
import { Gate, type Urgency } from "./gate.ts";
import type { Origin, Wanted } from "./origin.ts";
import { Paces } from "./pace.ts";
import type { Fault, Peers } from "./peers.ts";

/** How many peers are asked for one chunk. */
const SOURCES_MAX = 4;
/** How many of those who have it by then. */
const READERS_MAX = 3;
const ORIGIN_TRIES = 4;
/** How long peers that are all busy are asked again. */
const BUSY_MS_MAX = 60_000;
const BUSY_PAUSE_MS = 250;
/** How often one who is there may break off in the middle of a chunk, before he is taken for one that dies. */
const BREAKS_MAX = 2;

/** A chunk on its way. `done` rejects when it does not come. */
export type Flight = { filling: Filling; done: Promise<void> };

export type BringerParts = {
  cache: Cache;
  peers: Peers;
  origin: Origin;
  transport: Transport;
  ring: () => { ring: Ring<RingPeer>; self: { id: string; zone: string } };
  /** A ticket with which peers give it. */
  ticket: (wanted: Wanted) => Promise<string | null>;
  /** What a peer answers when it is asked how much it has; null: nothing that makes sense. */
  progress: (url: string) => Promise<{ bytes: number; readers: readonly string[] } | null>;
  originWidth: number;
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  random: () => number;
  nowMs: () => number;
  log: (line: Record<string, string | number | boolean>) => void;
  signal: AbortSignal;
};

type Answer = "there" | "busy" | "no";
type Asking = { wanted: Wanted; filling: Filling; pass: string; breaks: Map<string, number> };
type AskingOne = Asking & { only: "here" | "any" };

export type BringCounts = {
  originBytes: number;
  originChunks: number;
  peerBytes: number;
  peerChunks: number;
  corrupt: number;
  failed: number;
};

export class Bringer {
  readonly #parts: BringerParts;
  readonly #flights = new Map<Digest, Flight>();
  readonly #paces = new Paces();
  readonly gate: Gate;
  readonly counts: BringCounts = { originBytes: 0, originChunks: 0, peerBytes: 0, peerChunks: 0, corrupt: 0, failed: 0 };

  constructor(parts: BringerParts) {
    this.#parts = parts;
    this.gate = new Gate(parts.originWidth);
  }

  get flying(): number {
    return this.#flights.size;
  }

  /** How much of a chunk that is on its way is here. */
  bytesOf(sha256: Digest): number {
    return this.#flights.get(sha256)?.filling.bytes ?? 0;
  }

  /** The chunk is in the cache afterwards. Throws AGENT_CACHE_FULL, TRANSFER_FAILED, and what the API answers. */
  async bring(wanted: Wanted, urgency: Urgency): Promise<void> {
    if (!this.#parts.cache.has(wanted)) await this.fly(wanted, urgency).done;
  }

  /** The flight that brings the chunk: the one that is under way, or a new one. Throws AGENT_CACHE_FULL. */
  fly(wanted: Wanted, urgency: Urgency): Flight {
    const under = this.#flights.get(wanted.sha256);
    if (under !== undefined && under.filling.chunk.size === wanted.size) return under;
    const filling = this.#parts.cache.begin(wanted);
    const flight = { filling, done: this.#run(wanted, filling, urgency) };
    // Whoever waits is told; when nobody does it is no failure of the process.
    flight.done.catch(() => {});
    this.#flights.set(wanted.sha256, flight);
    return flight;
  }

  async #run(wanted: Wanted, filling: Filling, urgency: Urgency): Promise<void> {
    try {
      // The flight is entered in the table first.
      await Promise.resolve();
      if (!(await this.#fromPeers(wanted, filling))) await this.gate.pass(urgency, () => this.#fromOrigin(wanted, filling));
    } catch (error) {
      this.counts.failed++;
      const told = error instanceof FerryError ? error : this.#parts.cache.full(wanted, error);
      this.#parts.cache.fail(filling, told);
      throw told;
    } finally {
      if (this.#flights.get(wanted.sha256)?.filling === filling) this.#flights.delete(wanted.sha256);
    }
  }

  async #fromPeers(wanted: Wanted, filling: Filling): Promise<boolean> {
    const { ticket, nowMs, sleep, random, signal } = this.#parts;
    const pass = await ticket(wanted);
    if (pass === null) return false;
    const endMs = nowMs() + BUSY_MS_MAX;
    const breaks = new Map<string, number>();
    for (;;) {
      const ended = await this.#askAll({ wanted, filling, pass, breaks });
      if (ended === "there") return true;
      if (ended === "no" || nowMs() > endMs) return false;
      await sleep(BUSY_PAUSE_MS * (0.5 + random()), signal);
    }
  }

  /** Everybody who may be asked, once. */
  async #askAll(asking: Asking): Promise<Answer> {
    const { ring: now, self } = this.#parts.ring();
    const { peers } = this.#parts;
    // Those that are left alone for a while stay out, and others take their part.
    const better = now.sources(asking.wanted.sha256, self, 4 * SOURCES_MAX);
    const sources = better.filter((peer) => peer.address !== "" && !peers.isLeft(peer)).slice(0, SOURCES_MAX);
    let isBusy = false;
    for (const peer of sources) {
      const ended = await this.#fromPeer(peer, { ...asking, only: "any" });
      if (ended === "there") return "there";
      if (ended !== "busy") continue;
      isBusy = true;
      if (await this.#fromReaders(peer, asking)) return "there";
    }
    return isBusy ? "busy" : "no";
  }

  /** A peer that gives the chunk to many now knows some who have it. */
  async #fromReaders(peer: RingPeer, asking: Asking): Promise<boolean> {
    const { ring: now, self } = this.#parts.ring();
    const told = await this.#progressAt(peer, asking);
    const others = shuffled(told?.readers ?? [], this.#parts.random).filter((id) => id !== self.id);
    const members = others.flatMap((id) => now.members.find((member) => member.id === id) ?? []);
    for (const other of members.filter((member) => !this.#parts.peers.isLeft(member)).slice(0, READERS_MAX)) {
      if ((await this.#fromPeer(other, { ...asking, only: "here" })) === "there") return true;
    }
    return false;
  }

  async #fromPeer(peer: RingPeer, asking: AskingOne): Promise<Answer> {
    const { wanted, filling } = asking;
    const isOnly = filling.bytes === 0;
    const startedMs = this.#parts.nowMs();
    const end = await this.#fetch(peer, asking);
    switch (end.kind) {
      case "disk":
        throw end.error;
      case "slow":
        return this.#blame(peer, "crawled", "it gives too few bytes");
      case "broken":
        return this.#broke(peer, asking, end.problem);
      case "answered":
        if (end.status === 503 || (asking.only === "here" && end.status === 404)) return "busy";
        return this.#blame(peer, "refused", `it answered ${end.status}`);
      default:
        end satisfies { kind: "whole" };
    }
    if (this.#settle(wanted, filling, `agent ${peer.id}`)) {
      this.counts.peerChunks++;
      this.#parts.peers.praise(peer, wanted.size / Math.max(0.001, (this.#parts.nowMs() - startedMs) / 1000));
      return "there";
    }
    if (isOnly) return this.#blame(peer, "lied", `chunk ${wanted.sha256} does not have its digest`);
    // Of bytes that came from several, or in several rounds, nobody knows whose were wrong: once more, all from this one.
    return this.#fromPeer(peer, asking);
  }

  async #fetch(peer: RingPeer, asking: AskingOne): Promise<FetchEnd> {
    const { peers, transport, signal } = this.#parts;
    const { wanted, filling, pass, only } = asking;
    const url = chunkAddress(`http://${peer.address}`, wanted, pass, { only, from: this.#parts.ring().self.id });
    const floor = () => this.#paces.floor(peer.id, peers.usualRate);
    const suspicion = { patience: PATIENCE, floor, progress: async () => (await this.#progressAt(peer, asking))?.bytes ?? null };
    const flow = this.#paces.begin(peer.id);
    const onBytes = (bytes: number) => {
      this.counts.peerBytes += bytes;
    };
    try {
      return await fetchInto(filling, url, { transport, signal, flow, onBytes }, suspicion);
    } finally {
      this.#paces.end(flow);
    }
  }

  #progressAt(peer: RingPeer, { wanted, pass }: Asking): Promise<{ bytes: number; readers: readonly string[] } | null> {
    return this.#parts.progress(chunkAddress(`http://${peer.address}`, wanted, pass, { as: "progress" }));
  }

  /** One who is there, and breaks off, has himself been given wrong bytes, or goes: that is no fault of his, as long as it does not go on. */
  async #broke(peer: RingPeer, asking: AskingOne, problem: string): Promise<Answer> {
    const breaks = (asking.breaks.get(peer.id) ?? 0) + 1;
    asking.breaks.set(peer.id, breaks);
    if (breaks > BREAKS_MAX || (await this.#progressAt(peer, asking)) === null) return this.#blame(peer, "died", problem);
    return "busy";
  }

  #blame(peer: RingPeer, fault: Fault, problem: string): "no" {
    this.#parts.peers.blame(peer, fault);
    this.#parts.log({ event: "peer.fault", peer: peer.id, fault, problem });
    return "no";
  }

  /** Throws TRANSFER_FAILED, DIGEST_INVALID, AGENT_CACHE_FULL, and what the API answers. */
  async #fromOrigin(wanted: Wanted, filling: Filling): Promise<void> {
    const { origin, transport, sleep, random, signal } = this.#parts;
    const onBytes = (bytes: number) => {
      this.counts.originBytes += bytes;
    };
    let problem = "";
    for (let attempt = 0; attempt < ORIGIN_TRIES; attempt++) {
      if (attempt > 0) await sleep(200 * 2 ** attempt * (0.5 + random()), signal);
      const url = await origin.url(wanted);
      const flow = this.#paces.begin("origin");
      const end = await fetchInto(filling, url, { transport, signal, flow, onBytes }, null).finally(() => this.#paces.end(flow));
      if (end.kind === "disk") throw end.error;
      if (end.kind === "whole") {
        if (this.#settle(wanted, filling, "the store")) {
          this.counts.originChunks++;
          return;
        }
        problem = "its bytes do not have its digest";
      } else problem = problemOf(end);
    }
    throw new FerryError("TRANSFER_FAILED", { what: `chunk ${wanted.sha256}`, problem });
  }

  /** False, and the filling is empty again, when the bytes are wrong. */
  #settle(wanted: Wanted, filling: Filling, from: string): boolean {
    try {
      this.#parts.cache.settle(filling, from);
      return true;
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "DIGEST_INVALID") throw error;
      this.counts.corrupt++;
      this.#parts.log({ event: "chunk.corrupt", chunk: wanted.sha256, from });
      filling.restart();
      return false;
    }
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const ranked = items.map((item) => ({ item, rank: random() }));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ item }) => item);
}

function problemOf(answer: StoreAnswer | { kind: "slow" }): string {
  switch (answer.kind) {
    case "answered":
      return `the store answered ${answer.status} ${answer.code}`;
    case "broken":
      return answer.problem;
    case "slow":
      return "it is too slow";
    default:
      return answer satisfies never;
  }
}
