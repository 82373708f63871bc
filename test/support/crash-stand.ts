/**
 * A whole system whose app is killed with SIGKILL at a chosen call: fronts stand between it and the home store and Redis, count the calls
 * it makes, and kill it when call number `at` is `seen` (and never arrives) or `applied` (and its answer reaches nobody). It comes back at
 * once, at the same address; clients wait for that and ask again, as they do in any case.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Store } from "../../scripts/stack/stores.ts";
import { FerryClient } from "../../shared/client.ts";
import { FerryError } from "../../shared/errors.ts";
import { type Forwarder, startForwarder } from "./forwarder.ts";
import { type Live, startLive } from "./live.ts";
import type { TestStack, TestStackOptions } from "./stack.ts";
import { startTcpFront, type TcpFront } from "./tcp-front.ts";

export type CrashHow = "seen" | "applied";

export type CrashStand = {
  live: Live;
  client: FerryClient;
  raw: Redis;
  /** In front of the home store. */
  store: Forwarder;
  /** In front of the REST bridge, which a Worker asks; a Node server asks Redis by TCP. */
  index: Forwarder;
  /** Does `act`, while the app is killed at its call number `at` (from 0). Whether there was such a call. */
  dieAt(at: number, how: CrashHow, act: () => Promise<void>): Promise<boolean>;
  /** How many calls the app makes for `act`. */
  countCalls(act: () => Promise<void>): Promise<number>;
  /** As if the leases of the dead had run out, which takes a minute. */
  endLeases(): Promise<void>;
  stop(): Promise<void>;
};

type Death = { at: number; how: CrashHow; calls: number; restarted: Promise<void> | null };

/** `home`: another home store than local R2. */
export type CrashStandOptions = Pick<TestStackOptions, "runtime" | "vars"> & { home?: Store };

export async function startCrashStand({ home, ...options }: CrashStandOptions): Promise<CrashStand> {
  const fronts = { store: await startForwarder(), rest: await startForwarder(), tcp: await startTcpFront() };
  const stopFronts = async () => void (await Promise.all(Object.values(fronts).map((front) => front.stop())));
  let stack: TestStack | null = null;
  const onStack = (started: TestStack) => {
    stack = started;
  };
  const live = await startLive({ ...options, ...behind(fronts, home), onStack }).catch(async (error: unknown) => {
    await (stack as TestStack | null)?.stop();
    await stopFronts();
    throw error;
  });
  const { store, rest, tcp } = fronts;
  let death: Death | null = null;
  const onCall = async () => {
    if (death === null || death.restarted !== null || death.calls++ !== death.at) return "pass";
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    death.restarted = promise;
    await live.stack.app.crash();
    live.stack.app.restart().then(resolve, reject);
    return death.how === "seen" ? "drop" : "lose";
  };
  for (const front of [store, rest, tcp]) front.rule = onCall;
  const raw = new Redis(live.stack.redis.url);
  raw.on("error", () => undefined);
  const { endpoint, token } = live.stack;
  // Whoever waits, waits for the app to be back.
  const wait = async () => void (await Promise.all([death?.restarted, sleep(10)]));
  const client = new FerryClient({ endpoint, token, fetch, sleep: wait, random: Math.random, attempts: 10 });
  return {
    live,
    client,
    raw,
    store,
    index: rest,
    async dieAt(at, how, act) {
      death = { at, how, calls: 0, restarted: null };
      try {
        await act();
        await death.restarted;
        return death.restarted !== null;
      } finally {
        death = null;
      }
    },
    async countCalls(act) {
      const counting: Death = { at: -1, how: "seen", calls: 0, restarted: null };
      death = counting;
      try {
        await act();
        return counting.calls;
      } finally {
        death = null;
      }
    },
    async endLeases() {
      const keys = (await raw.keys("mf:1:lease:*")).filter((key) => !key.endsWith(":fence"));
      if (keys.length > 0) await raw.del(keys);
    },
    async stop() {
      raw.disconnect();
      await live.stop();
      await stopFronts();
    },
  };
}

type Fronts = { store: Forwarder; rest: Forwarder; tcp: TcpFront };

/** What makes a stack ask its home store and its Redis through the fronts. */
function behind({ store, rest, tcp }: Fronts, other?: Store): Pick<TestStackOptions, "stores" | "redisUrl" | "bridgeUrl"> {
  return {
    stores: ([local, ...others]) => {
      const home = other ?? local;
      if (home === undefined) throw new Error("no home store");
      store.target = home.endpoint;
      return [{ ...home, endpoint: store.url + new URL(home.endpoint).pathname }, ...others];
    },
    redisUrl: (own) => throughTcp(tcp, own),
    bridgeUrl: (bridge) => {
      rest.target = bridge.url;
      return rest.url;
    },
  };
}

function throughTcp(front: TcpFront, own: string): string {
  const url = new URL(own);
  front.targetPort = Number(url.port);
  url.port = String(front.port);
  return url.href;
}

/** Until the call succeeds: what a dead app left half done is asked for again. */
export async function persistently<T>(act: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ; ) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof FerryError) || !error.retryable || Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}
