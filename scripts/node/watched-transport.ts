/**
 * A transport that is watched: what stalls is given up, what is far slower than usual is asked again on a new connection from the byte it
 * had reached, and all of it stays below the cap on bytes per second.
 */

import { type GivenUp, Pace, TICK_MS, type Watch } from "../../shared/transfer/pace.ts";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { originOf } from "./origin-of.ts";
import type { Throttle } from "./throttle.ts";
import type { BodySink, GetAnswer, GetRequest, PutRequest, Transport, TransportOptions } from "./transport.ts";

export type WatchedOptions = {
  /** A request on which nothing moves for so long is given up. */
  stallSeconds: number;
  throttle: Throttle;
  nowMs: () => number;
};

type Given = { up: GivenUp };
type Trying = { watch: Watch; options: TransportOptions };

export class WatchedTransport implements Transport {
  readonly #inner: Transport;
  readonly #options: WatchedOptions;
  readonly #paces = new Map<string, Pace>();
  #timer: NodeJS.Timeout | undefined;
  #tickedMs = 0;

  constructor(inner: Transport, options: WatchedOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  async get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<GetAnswer> {
    const counting = { offset: request.offset };
    let isReplacement = false;
    for (;;) {
      const { offset } = counting;
      const rest: GetRequest = { ...request, offset, fresh: isReplacement || (request.fresh ?? false) };
      const begin = { url: request.url, kind: "get" as const, bytes: request.end - offset, isReplacement };
      const answer = await this.#try(begin, options, ({ watch, options }) => {
        return this.#inner.get(rest, this.#counted(sink, counting, { watch, options }), options);
      });
      if (answer.kind !== "given") return answer;
      // All bytes came, only the end of the answer did not.
      if (counting.offset === request.end) return { kind: "complete" };
      if (answer.up === "stalled") return this.#stalled();
      isReplacement = true;
    }
  }

  async put(request: PutRequest, options: TransportOptions): Promise<StoreAnswer> {
    let isReplacement = false;
    for (;;) {
      const again: PutRequest = { ...request, fresh: isReplacement || (request.fresh ?? false) };
      const begin = { url: request.url, kind: "put" as const, bytes: request.sizeBytes, isReplacement };
      const answer = await this.#try(begin, options, ({ watch, options }) => {
        return this.#inner.put(this.#paced(again, { watch, options }), options);
      });
      if (answer.kind !== "given") return answer;
      if (answer.up === "stalled") return this.#stalled();
      isReplacement = true;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#inner.close();
  }

  async #try<A extends { kind: string }>(
    { url, ...begin }: { url: string; kind: "get" | "put"; bytes: number; isReplacement: boolean },
    { signal, onBytes }: TransportOptions,
    ask: (trying: Trying) => Promise<A>,
  ): Promise<A | (Given & { kind: "given" })> {
    const controller = new AbortController();
    let given: Given | null = null;
    const giveUp = (up: GivenUp) => {
      given = { up };
      controller.abort(given);
    };
    const stop = () => controller.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    const watch = this.#pace(url).begin({ ...begin, giveUp });
    this.#keepTicking();
    const moved = (bytes: number) => {
      watch.moved(bytes);
      onBytes(bytes);
    };
    let answered = false;
    try {
      const answer = await ask({ watch, options: { signal: controller.signal, onBytes: moved } });
      answered = answer.kind === "complete" || answer.kind === "answered";
      return answer;
    } catch (error) {
      if (given === null || error !== given) throw error;
      return { kind: "given", up: (given as Given).up };
    } finally {
      watch.end(answered);
      signal.removeEventListener("abort", stop);
    }
  }

  #counted(sink: BodySink, counting: { offset: number }, { watch, options }: Trying): BodySink {
    return {
      ...(sink.pieceBytesMax === undefined ? {} : { pieceBytesMax: sink.pieceBytesMax }),
      restart: () => {
        counting.offset = 0;
        sink.restart();
      },
      write: (bytes) => {
        const ready = sink.write(bytes);
        counting.offset += bytes.length;
        const paid = this.#options.throttle.spend(bytes.length, options.signal);
        return ready === null && paid === null ? null : paused(watch, [ready, paid]);
      },
    };
  }

  /** Reading from a disk, and waiting for the cap, are no fault of the store. */
  #paced(request: PutRequest, { watch, options }: Trying): PutRequest {
    const body = () => {
      const read = request.body();
      let leftBytes = request.sizeBytes;
      return async (buffer: Uint8Array) => {
        await paused(watch, [read(buffer), this.#options.throttle.spend(buffer.length, options.signal)]);
        leftBytes -= buffer.length;
        if (leftBytes === 0) watch.sent();
      };
    };
    return { ...request, body };
  }

  #stalled(): StoreAnswer {
    const { stallSeconds } = this.#options;
    return { kind: "broken", problem: `nothing moved for ${stallSeconds} s`, stalledSeconds: stallSeconds };
  }

  #pace(url: string): Pace {
    const origin = originOf(url);
    let pace = this.#paces.get(origin);
    if (pace === undefined) {
      pace = new Pace(this.#options.stallSeconds * 1000);
      this.#paces.set(origin, pace);
    }
    return pace;
  }

  /** Runs only while there is something to watch. */
  #keepTicking(): void {
    if (this.#timer !== undefined) return;
    this.#tickedMs = this.#options.nowMs();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  #tick(): void {
    const nowMs = this.#options.nowMs();
    const elapsedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    for (const pace of this.#paces.values()) pace.tick(elapsedMs);
    if (![...this.#paces.values()].every((pace) => pace.isIdle)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

async function paused(watch: Watch, waits: readonly (Promise<void> | null)[]): Promise<void> {
  watch.pause();
  try {
    await Promise.all(waits);
  } finally {
    watch.resume();
  }
}
