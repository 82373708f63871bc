/**
 * Chunks for the doors of this agent, which are read by programs that hash nothing. So they get bytes of a chunk's file that this process
 * has seen to be right, once it is whole here; a reader that holds a whole chunk against its digest itself may follow it as it comes.
 */
import { FerryError } from "../../shared/errors.ts";
import type { Bringer } from "./bring.ts";
import type { Cache } from "./cache.ts";
import type { ChunkFile } from "./chunk-file.ts";
import type { Filling } from "./filling.ts";
import type { Wanted } from "./origin.ts";
import { firstRound, PART_BYTES, readPart } from "./sending.ts";
import type { Uncached } from "./uncached.ts";

/** Part of a chunk. */
export type Stretch = { offset: number; length: number };

export class ChunkAccess {
  readonly #cache: Cache;
  readonly #bringer: Bringer;
  readonly #uncached: Uncached;

  constructor(cache: Cache, bringer: Bringer, uncached: Uncached) {
    this.#cache = cache;
    this.#bringer = bringer;
    this.#uncached = uncached;
  }

  /**
   * The chunk's file, brought when it is not here, and right; whoever gets it closes it. Throws AGENT_CACHE_FULL, TRANSFER_FAILED, and what
   * the API answers.
   */
  async open(wanted: Wanted, signal: AbortSignal): Promise<ChunkFile> {
    for (let isAgain = false; ; isAgain = true) {
      await unless(signal, this.#bringer.bring(wanted, "live"));
      const isRight = await unless(signal, this.#cache.check(wanted, { again: false }));
      const file = isRight ? this.#cache.read(wanted) : null;
      if (file !== null) return file;
      // It was wrong, or somebody took it away: then it comes anew, but not for ever.
      if (isAgain) throw this.#cache.full(wanted, new Error("the chunk does not stay in the cache"));
    }
  }

  /** The same; null when the cache has no room for it: then it may be read past the cache. */
  async openIfRoom(wanted: Wanted, signal: AbortSignal): Promise<ChunkFile | null> {
    try {
      return await this.open(wanted, signal);
    } catch (error) {
      if (!isFull(error)) throw error;
      return null;
    }
  }

  /** Right bytes of a chunk that need no room in the cache, in slabs. Throws as Uncached.read does. */
  past(wanted: Wanted, stretch: Stretch, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    return this.#uncached.read(wanted, stretch, PART_BYTES, signal);
  }

  /**
   * Bytes of a chunk, in slabs. @param checks `self`: whoever reads hashes the whole chunk and believes nothing before, so that it may come
   * while it is fetched. `agent`: nothing comes before all of the chunk was seen to be right.
   */
  read(
    wanted: Wanted,
    stretch: Stretch,
    { checks, signal }: { checks: "self" | "agent"; signal: AbortSignal },
  ): ReadableStream<Uint8Array> {
    return streamOf(this.#slabs(wanted, stretch, checks, signal));
  }

  /** Lets chunks come that will be read soon. Nobody waits for them. */
  ahead(wanted: readonly Wanted[]): void {
    for (const chunk of wanted) if (!this.#cache.has(chunk)) this.#bringer.bring(chunk, "live").catch(() => {});
  }

  has(wanted: Wanted): boolean {
    return this.#cache.has(wanted);
  }

  /** When the cache has no room the chunk comes without it. */
  async *#slabs(wanted: Wanted, stretch: Stretch, checks: "self" | "agent", signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let sent = 0;
    try {
      for await (const part of this.#cached(wanted, stretch, checks, signal)) {
        sent += part.length;
        yield part;
      }
    } catch (error) {
      if (!isFull(error)) throw error;
      yield* this.past(wanted, { offset: stretch.offset + sent, length: stretch.length - sent }, signal);
    }
  }

  async *#cached(wanted: Wanted, { offset, length }: Stretch, checks: "self" | "agent", signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const filling = checks === "self" && !this.#cache.has(wanted) ? this.#bringer.fly(wanted, "live").filling : null;
    if (filling !== null && !filling.isClosed) return yield* followed(filling, { offset, length }, signal);
    const file = await this.open(wanted, signal);
    try {
      yield* parts(file.fd, { offset, length }, signal, async () => wanted.size);
    } finally {
      file.close();
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof FerryError && error.code === "AGENT_CACHE_FULL";
}

async function* followed(filling: Filling, stretch: Stretch, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  filling.follow();
  try {
    const round = await unless(signal, firstRound(filling, stretch.offset));
    yield* parts(filling.fd, stretch, signal, (offset) => filling.beyond(offset, round));
  } finally {
    filling.unfollow();
  }
}

/** @param beyond how far bytes may be read, once there are more than so many. */
async function* parts(
  fd: number,
  { offset, length }: Stretch,
  signal: AbortSignal,
  beyond: (offset: number) => Promise<number>,
): AsyncGenerator<Uint8Array> {
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const reachable = Math.min(end, await unless(signal, beyond(at)));
    const part = await readPart(fd, at, reachable);
    at += part.length;
    yield part;
  }
}

function streamOf(parts: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      // One that waits for bytes ends when they come, or do not.
      cancel: () => void parts.return(undefined).catch(() => {}),
    },
    { highWaterMark: 0 },
  );
}

/** Throws the signal's reason as soon as it fires; the work goes on for others. */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
