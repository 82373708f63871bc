/** Brings the bytes of a filling from one place, and says how that ended. */
import { FerryError } from "../../shared/errors.ts";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { KiB } from "../../shared/units.ts";
import type { BodySink, Transport } from "../node/transport.ts";
import type { Filling } from "./filling.ts";

/** `whole`: all bytes are there, unseen whether right. `slow`: given up. `disk`: they could not be kept. */
export type FetchEnd = { kind: "whole" } | { kind: "slow" } | { kind: "disk"; error: unknown } | StoreAnswer;

/** A peer that gives nothing for so long, or less than this after its first bytes, crawls. */
export type PeerPatience = { firstByteMs: number; windowMs: number; bytesPerSecondMin: number };
export const PATIENCE: PeerPatience = { firstByteMs: 5_000, windowMs: 2_000, bytesPerSecondMin: 256 * KiB };

class DiskFault extends Error {}
const SLOW = new Error("too slow");

type Fetching = { transport: Transport; signal: AbortSignal; onBytes: (bytes: number) => void };

/** Goes on from the bytes that are there. Rejects only with the signal's reason. @param patience null: the transport's own is enough. */
export async function fetchInto(
  filling: Filling,
  url: string,
  { transport, signal, onBytes }: Fetching,
  patience: PeerPatience | null,
): Promise<FetchEnd> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const watch = patience === null ? undefined : watchPace(filling, patience, () => controller.abort(SLOW));
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

function watchPace(filling: Filling, { firstByteMs, windowMs, bytesPerSecondMin }: PeerPatience, giveUp: () => void): NodeJS.Timeout {
  const startBytes = filling.bytes;
  let seenBytes = startBytes;
  let waitedMs = 0;
  const tickMs = windowMs / 2;
  let slowTicks = 0;
  const timer = setInterval(() => {
    waitedMs += tickMs;
    const moved = filling.bytes - seenBytes;
    seenBytes = filling.bytes;
    const isSlow = moved < (bytesPerSecondMin * tickMs) / 1000;
    slowTicks = isSlow && seenBytes > startBytes ? slowTicks + 1 : 0;
    if (slowTicks >= 2 || (seenBytes === startBytes && waitedMs >= firstByteMs)) giveUp();
  }, tickMs);
  timer.unref();
  return timer;
}
