/** Brings the bytes of a filling from one place, and says how that ended. */
import { FerryError } from "../../shared/errors.ts";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import type { BodySink, Transport } from "../node/transport.ts";
import type { Filling } from "./filling.ts";
import { type Flow, TICK_MS } from "./pace.ts";

/** `whole`: all bytes are there, unseen whether right. `slow`: given up. `disk`: they could not be kept. */
export type FetchEnd = { kind: "whole" } | { kind: "slow" } | { kind: "disk"; error: unknown } | StoreAnswer;

/**
 * A peer that gives less than the floor for a second is suspected to crawl, and asked how much of the chunk it has. One that has no more
 * waits for somebody else, which is no fault of its own, but not for longer than `standstillMs`. One that has more, twice, crawls: it is
 * left at once, unless it took long to say so, for then the machine is busy. One that does not answer is left after `silentMs`.
 */
export type PeerPatience = { silentMs: number; standstillMs: number };
export const PATIENCE: PeerPatience = { silentMs: 4_000, standstillMs: 60_000 };

/** How much of the chunk the peer has; null: it does not say. */
export type AskProgress = () => Promise<number | null>;

/** `floor`: bytes per second that the peer has to give, as things are now. */
export type Suspicion = { patience: PeerPatience; floor: () => number; progress: AskProgress };

class DiskFault extends Error {}
const SLOW = new Error("too slow");

type Fetching = { transport: Transport; signal: AbortSignal; flow: Flow; onBytes: (bytes: number) => void };

/**
 * Goes on from the bytes that are there. Rejects only with the signal's reason. @param suspicion null: the transport's own patience is
 * enough.
 */
export async function fetchInto(
  filling: Filling,
  url: string,
  { transport, signal, flow, onBytes }: Fetching,
  suspicion: Suspicion | null,
): Promise<FetchEnd> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const watch = suspicion === null ? null : new Watch(filling, suspicion, flow);
  // Counted in ticks: while this process was busy nobody else was slow.
  const timer = setInterval(() => {
    flow.tick();
    if (watch?.isOver()) controller.abort(SLOW);
  }, TICK_MS);
  timer.unref();
  const { size } = filling.chunk;
  const onMoved = (bytes: number) => {
    flow.add(bytes);
    onBytes(bytes);
  };
  try {
    const request = { url, offset: filling.bytes, end: size, sizeBytes: size };
    const answer = await transport.get(request, sinkOf(filling), { signal: controller.signal, onBytes: onMoved });
    return answer.kind === "complete" ? { kind: "whole" } : answer;
  } catch (error) {
    if (error === SLOW) return { kind: "slow" };
    if (error instanceof DiskFault) return { kind: "disk", error: error.cause };
    if (error instanceof FerryError) return { kind: "broken", problem: error.message };
    throw error;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
  }
}

function sinkOf(filling: Filling): BodySink {
  return {
    restart: () => filling.restart(),
    write: (bytes) => {
      try {
        filling.write(bytes);
        return null;
      } catch (cause) {
        if (cause instanceof FerryError) throw cause;
        throw new DiskFault("the cache's disk", { cause });
      }
    },
  };
}

/** How often a peer has to be ahead of what it gives, and how much oftener for each tick that it took to say so: then all are slow. */
const TIMES_AHEAD = 2;
const TIMES_BUSY = 4;

class Watch {
  readonly #filling: Filling;
  readonly #suspicion: Suspicion;
  readonly #flow: Flow;
  #seenBytes: number;
  #standingMs = 0;
  #silentMs = 0;
  #isAsking = false;
  #timesAhead = 0;
  #waitingTicks = 0;
  /** How many ticks the newest answer took: many where peers, or we, have little processor time. */
  #answerTicks = 0;

  constructor(filling: Filling, suspicion: Suspicion, flow: Flow) {
    this.#filling = filling;
    this.#suspicion = suspicion;
    this.#flow = flow;
    this.#seenBytes = filling.bytes;
  }

  /** To be asked at each tick: whether the peer is to be left. */
  isOver(): boolean {
    const { patience, floor, progress } = this.#suspicion;
    const { bytes } = this.#filling;
    this.#standingMs = bytes === this.#seenBytes ? this.#standingMs + TICK_MS : 0;
    this.#seenBytes = bytes;
    const isSlow = (this.#flow.rate ?? Number.POSITIVE_INFINITY) < floor();
    this.#silentMs = isSlow ? this.#silentMs + TICK_MS : 0;
    if (!isSlow) this.#timesAhead = 0;
    else if (this.#isAsking) this.#waitingTicks++;
    else {
      [this.#isAsking, this.#waitingTicks] = [true, 0];
      void progress().then((told) => this.#told(told));
    }
    return (
      this.#timesAhead >= TIMES_AHEAD + TIMES_BUSY * this.#answerTicks ||
      this.#standingMs >= patience.standstillMs ||
      this.#silentMs >= patience.silentMs
    );
  }

  #told(bytes: number | null): void {
    this.#isAsking = false;
    if (bytes === null) return;
    this.#silentMs = 0;
    this.#answerTicks = this.#waitingTicks;
    // Of a small chunk half is much. The last byte comes when the peer has seen all to be right.
    const much = Math.min(this.#suspicion.floor(), Math.max(1, (this.#filling.chunk.size - 1) / 2));
    this.#timesAhead = bytes - this.#filling.bytes > much ? this.#timesAhead + 1 : 0;
  }
}
