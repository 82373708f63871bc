/** A closed loop of requests: so many callers, each of whom asks again as soon as it was answered. */
import { quantile } from "./measure/stats.ts";

/** Of the calls that began after the warm-up. */
export type Load = { perSecond: number; p50Ms: number; p99Ms: number; calls: number };

/** @param call one request of the caller `lane`; throws when it is not answered as it should. @param onWarm when measuring begins. */
export async function runLoad(
  call: (lane: number) => Promise<void>,
  { lanes, warmUpMs, runMs, onWarm }: { lanes: number; warmUpMs: number; runMs: number; onWarm: () => void },
): Promise<Load> {
  const beganMs = performance.now();
  const warmMs = beganMs + warmUpMs;
  const endMs = warmMs + runMs;
  const times: number[] = [];
  const timer = setTimeout(onWarm, warmUpMs);
  const run = async (lane: number) => {
    for (let nowMs = performance.now(); nowMs < endMs; ) {
      const startedMs = nowMs;
      await call(lane);
      nowMs = performance.now();
      if (startedMs >= warmMs) times.push(nowMs - startedMs);
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
  } finally {
    clearTimeout(timer);
  }
  times.sort((a, b) => a - b);
  const seconds = (performance.now() - warmMs) / 1000;
  return { perSecond: times.length / seconds, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99), calls: times.length };
}

/** So many calls in all, by so many callers: each takes the next as soon as its last was answered. @param call of a lane; the number of the call */
export async function runCalls(
  call: (lane: number, at: number) => Promise<void>,
  { lanes, calls }: { lanes: number; calls: number },
): Promise<void> {
  let next = 0;
  const run = async (lane: number) => {
    while (next < calls) await call(lane, next++);
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane)));
}
