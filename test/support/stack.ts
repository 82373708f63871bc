/**
 * Real parts for tests: redis-server, the REST bridge, local S3 stores and the app, each in a temporary home of its own, on free ports.
 * Whatever is started is stopped by its `stop`, and ends by itself when the test's process dies.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBridge } from "../../scripts/stack/bridge.ts";
import { startLocalS3 } from "../../scripts/stack/local-s3.ts";
import { startNodeServer } from "../../scripts/stack/node-server.ts";
import { type Redis, startRedis } from "../../scripts/stack/redis.ts";
import { findRedisServer } from "../../scripts/stack/redis-install.ts";
import { type Store, storeVars } from "../../scripts/stack/stores.ts";
import { startWorker } from "../../scripts/stack/worker.ts";
import { makeToken } from "../../shared/token.ts";

export type TestRedis = {
  url: string;
  port: number;
  /** The process that runs now. */
  pid(): number;
  /** Kills it as a crash would, and starts it again on the same port with the same data. */
  restart(): Promise<void>;
  /** Kills it; `restart` brings it back. */
  crash(): Promise<void>;
  stop(): Promise<void>;
};

/** For `{ skip: whyNoRedis() }`. */
export function whyNoRedis(): string | false {
  try {
    findRedisServer();
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export async function startTestRedis(): Promise<TestRedis> {
  const home = temporaryHome();
  const first = await startRedis({ home: home.path });
  const again = { home: home.path, port: first.port, password: first.password };
  let running: Redis = first;
  return {
    url: first.url,
    port: first.port,
    pid: () => running.child.pid,
    crash: () => running.child.kill(),
    async restart() {
      await running.child.kill();
      running = await startRedis(again);
    },
    async stop() {
      await running.stop();
      home.remove();
    },
  };
}

export type TestBridge = { url: string; token: string; stop(): Promise<void> };

/** The REST bridge in front of `redisUrl`: what `@upstash/redis` takes as url and token. */
export async function startTestBridge(redisUrl: string): Promise<TestBridge> {
  const token = randomBytes(24).toString("base64url");
  const bridge = await startBridge({ redisUrl, token, port: 0 });
  return { url: bridge.url, token, stop: bridge.stop };
}

export type TestS3 = { stores: Store[]; stop(): Promise<void> };

/** Local R2 with a bucket for each name; each bucket has its own keys, unless they share them: then it copies from one to another. */
export async function startTestS3(buckets: readonly string[] = ["home", "west"], { sharedKeys = false } = {}): Promise<TestS3> {
  const home = temporaryHome();
  const keys = randomKeys();
  const named = buckets.map((name) => [name, sharedKeys ? keys : randomKeys()]);
  const s3 = await startLocalS3({ home: home.path, buckets: Object.fromEntries(named) });
  return {
    stores: s3.stores,
    async stop() {
      await s3.stop();
      home.remove();
    },
  };
}

export type TestStackOptions = {
  runtime: "workerd" | "node";
  /** More stores, such as a Ceph's, or others in place of the local ones. The first is home. */
  stores?: (local: Store[]) => Store[];
  /** The local stores have the same keys. */
  sharedKeys?: boolean;
  /** More vars of the app, or others. */
  vars?: Record<string, string>;
  /** In place of a redis-server of its own; ended with the stack. */
  redis?: TestRedis;
  /** Where the Node server finds Redis, when that is not the redis-server itself. */
  redisUrl?: (own: string) => string;
  /** Where the Worker finds the REST bridge, when that is not the bridge itself. */
  bridgeUrl?: (own: TestBridge) => string;
};

/** The app's process. */
export type TestApp = {
  /** Kills it as a crash would. */
  crash(): Promise<void>;
  /** Starts it again at the same address, with the same settings. */
  restart(): Promise<void>;
};

export type TestStack = {
  endpoint: string;
  /** An administrator's token. */
  token: string;
  app: TestApp;
  redis: TestRedis;
  bridge: TestBridge;
  stores: Store[];
  /** What the app was told, secrets included. */
  vars: Record<string, string>;
  /** Where the parts' logs are, until it is stopped. */
  logs: string;
  stop(): Promise<void>;
};

/** The whole of modelferry: the app answers at `endpoint`. Stores are not probed yet. */
export async function startTestStack(options: TestStackOptions): Promise<TestStack> {
  const home = temporaryHome();
  const stops: (() => Promise<void>)[] = [async () => home.remove()];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const redis = options.redis ?? (await startTestRedis());
    stops.push(redis.stop);
    const s3 = await startTestS3(undefined, { sharedKeys: options.sharedKeys ?? false });
    stops.push(s3.stop);
    const bridge = await startTestBridge(redis.url);
    stops.push(bridge.stop);
    const stores = options.stores?.(s3.stores) ?? s3.stores;
    const token = makeToken(randomBytes(32));
    const vars = {
      ...storeVars(stores),
      UPSTASH_REDIS_REST_URL: options.bridgeUrl?.(bridge) ?? bridge.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      FERRY_SECRET: randomBytes(32).toString("base64url"),
      BOOTSTRAP_TOKEN: token,
      ...options.vars,
    };
    const redisUrl = options.redisUrl?.(redis.url) ?? redis.url;
    const start = (port?: number) => {
      const settings = { home: home.path, vars, ...(port === undefined ? {} : { port }) };
      return options.runtime === "workerd" ? startWorker(settings) : startNodeServer({ ...settings, redisUrl });
    };
    let running = await start();
    stops.push(() => running.stop());
    const { url, port } = running;
    const app: TestApp = {
      crash: () => running.child.kill(),
      async restart() {
        running = await start(port);
      },
    };
    return { endpoint: url, token, app, redis, bridge, stores, vars, logs: join(home.path, "logs"), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function randomKeys() {
  return { accessKeyId: randomBytes(12).toString("hex"), secretAccessKey: randomBytes(24).toString("hex") };
}

function temporaryHome(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "ferry-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}
