/** Brings the bytes of a filling from one place, and says how that ended. */
import { FerryError } from "../../shared/errors.ts";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import type { BodySink, Transport } from "../node/transport.ts";
import type { Filling } from "./filling.ts";

/** `whole`: all bytes are there, unseen whether right. `slow`: given up. `disk`: they could not be kept. */
export type FetchEnd = { kind: "whole" } | { kind: "slow" } | { kind: "disk"; error: unknown } | StoreAnswer;

/**
 * When a peer is suspected to crawl: nothing for `firstByteMs`, or less than its rate for `windowMs`. Then it is asked how much of the chunk
 * it has: one that has no more waits for somebody else, which is no fault of its own, but not for longer than `standstillMs`. One that has
 * more, twice, is given up, and one that does not answer is after `silentMs`: the machine may be busy.
 */
export type PeerPatience = { firstByteMs: number; windowMs: number; silentMs: number; standstillMs: number };
export const PATIENCE: PeerPatience = { firstByteMs: 3_000, windowMs: 2_000, silentMs: 10_000, standstillMs: 60_000 };

/** How much of the chunk the peer has; null: it does not say. */
export type AskProgress = () => Promise<number | null>;

export type Suspicion = { patience: PeerPatience; bytesPerSecondMin: number; progress: AskProgress };

class DiskFault extends Error {}
const SLOW = new Error("too slow");

type Fetching = { transport: Transport; signal: AbortSignal; onBytes: (bytes: number) => void };

/** Goes on from the bytes that are there. Rejects only with the signal's reason. @param suspicion null: the transport's own patience is enough. */
export async function fetchInto(
  filling: Filling,
  url: string,
  { transport, signal, onBytes }: Fetching,
  suspicion: Suspicion | null,
): Promise<FetchEnd> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const watch = suspicion === null ? undefined : watchPace(filling, suspicion, () => controller.abort(SLOW));
  const { size } = filling.chunk;
  try {
    const request = { url, offset: filling.bytes, end: size, sizeBytes: size };
    const answer = await transport.get(request, sinkOf(filling), { signal: controller.signal, onBytes });
    return answer.kind === "complete" ? { kind: "whole" } : answer;
  } catch (error) {
    if (error === SLOW) return { kind: "slow" };
    if (error instanceof DiskFault) return { kind: "disk", error: error.cause };
    if (error instanceof FerryError) return { kind: "broken", problem: error.message };
    throw error;
  } finally {
    clearInterval(watch);
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

function watchPace(filling: Filling, { patience, bytesPerSecondMin, progress }: Suspicion, giveUp: () => void): NodeJS.Timeout {
  const { firstByteMs, windowMs, silentMs, standstillMs } = patience;
  const tickMs = windowMs / 2;
  const startBytes = filling.bytes;
  let seenBytes = startBytes;
  let [slowMs, standingMs] = [0, 0];
  let [isAsking, timesAhead] = [false, 0];
  // Counted in ticks: while this process was busy nobody else was slow.
  const timer = setInterval(() => {
    const moved = filling.bytes - seenBytes;
    seenBytes = filling.bytes;
    standingMs = moved > 0 ? 0 : standingMs + tickMs;
    slowMs = moved < (bytesPerSecondMin * tickMs) / 1000 ? slowMs + tickMs : 0;
    if (standingMs >= standstillMs) return giveUp();
    if (isAsking || slowMs < (seenBytes === startBytes ? firstByteMs : windowMs)) return;
    isAsking = true;
    void progress().then((bytes) => {
      isAsking = false;
      const isAhead = bytes !== null && slowMs > 0 && bytes > filling.bytes + (bytesPerSecondMin * windowMs) / 1000;
      timesAhead = isAhead ? timesAhead + 1 : 0;
      if (timesAhead >= 2 || (bytes === null && slowMs >= silentMs)) giveUp();
    });
  }, tickMs);
  timer.unref();
  return timer;
}
