/** The system under soak: the whole stack, with a Redis that fails over and a front before the home store. */
import { setTimeout as sleep } from "node:timers/promises";
import { FerryClient } from "../../shared/client.ts";
import { FerryError } from "../../shared/errors.ts";
import { type Forwarder, startForwarder } from "../../test/support/forwarder.ts";
import { type Live, startLive } from "../../test/support/live.ts";
import type { TestStack } from "../../test/support/stack.ts";
import type { Journal } from "./journal.ts";
import type { Options } from "./options.ts";
import { SwitchedRedis } from "./redis.ts";

/** Garbage at once; what is pending is kept, as the protocol needs it to be. */
const MARGINS = { chunkAgeMs: 0, intentWaitMs: 0, skewMs: 1_500, shareMax: 1 };
/** For longer than any fault: what is still refused then is a violation. */
const PATIENCE_MS = 180_000;

export type System = { live: Live; redis: SwitchedRedis; store: Forwarder; client: FerryClient; stop(): Promise<void> };

export async function startSystem({ runtime }: Options, journal: Journal): Promise<System> {
  const redis = await SwitchedRedis.start();
  const store = await startForwarder();
  let stack: TestStack | undefined;
  try {
    const live = await startLive({
      runtime,
      redis: redis.asTestRedis(),
      vars: { COLLECT_MARGINS: JSON.stringify(MARGINS) },
      stores: ([home, ...others]) => {
        if (home === undefined) throw new Error("no home store");
        store.target = home.endpoint;
        return [{ ...home, endpoint: store.url + new URL(home.endpoint).pathname }, ...others];
      },
      onStack: (started) => {
        stack = started;
      },
    });
    const stop = async () => {
      await live.stop();
      await store.stop();
    };
    return { live, redis, store, stop, client: clientOf(live, journal) };
  } catch (error) {
    await (stack ?? redis).stop();
    await store.stop();
    throw error;
  }
}

/** Counts what fails on its way; patience is `persistently`'s. */
function clientOf({ stack }: Live, journal: Journal): FerryClient {
  const counted = async (url: string, init: RequestInit) => {
    const failed = (error: unknown): never => {
      journal.count("calls without an answer");
      throw error;
    };
    const response = await fetch(url, init).catch(failed);
    if (response.status >= 500) journal.count("calls answered by 5xx");
    return response;
  };
  return new FerryClient({ endpoint: stack.endpoint, token: stack.token, fetch: counted, sleep: (ms) => sleep(ms), random: Math.random });
}

/** Again and again while that may help. */
export async function persistently<T>(act: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + PATIENCE_MS; ; ) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof FerryError) || !error.retryable || Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof FerryError && codes.includes(error.code);
}
