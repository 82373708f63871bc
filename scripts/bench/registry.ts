/** The real app in front of a store: functions/server.ts on Node with a real redis-server, as people run it on their own machines. */
import { randomBytes } from "node:crypto";
import { FerryClient } from "../../shared/client.ts";
import { OperationId, RepositoryName, StoreId } from "../../shared/names.ts";
import { makeToken } from "../../shared/token.ts";
import { startBridge } from "../stack/bridge.ts";
import { startNodeServer } from "../stack/node-server.ts";
import { freePort } from "../stack/ports.ts";
import { startRedis } from "../stack/redis.ts";
import { type Store as AppStore, storeVars } from "../stack/stores.ts";
import { startWorker } from "../stack/worker.ts";
import type { Store } from "./store.ts";

export type RegistryOptions = {
  home: string;
  store: Store;
  runtime: "node" | "workerd";
  /** Whether a debugger may look into the app's heap. */
  inspect?: boolean;
  /** Further stores. */
  others?: readonly AppStore[];
  /** Stands between the app and Redis: given Redis's address, answers its own. */
  between?: (redisUrl: string) => Promise<string>;
};

export type Registry = {
  endpoint: string;
  /** An administrator's. */
  token: string;
  admin: FerryClient;
  /** The app, Redis, and the store. */
  pids: number[];
  appPid: number;
  /** Null: no debugger may come. */
  inspectorPort: number | null;
  redisUrl: string;
  /** A new repository, and a token for it alone: what other repositories hold must be sent again. */
  makeRepository(name: string): Promise<{ repository: RepositoryName; token: string }>;
  clientOf(token: string): FerryClient;
  stop(): Promise<void>;
};

/** One caller asks here for as much as many do elsewhere. */
const LIMITS = { requestsPerMinute: 1_000_000, urlsPerMinute: 100_000_000, openUploads: 1_000_000 };

/** Starts the parts, and has the app probe the store. */
export async function startRegistry({ home, store, runtime, between, inspect = false, others = [] }: RegistryOptions): Promise<Registry> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const redis = await startRedis({ home });
    stops.push(redis.stop);
    const redisUrl = (await between?.(redis.url)) ?? redis.url;
    const token = makeToken(randomBytes(32));
    const vars = {
      ...storeVars([store.appStore(), ...others]),
      FERRY_SECRET: randomBytes(32).toString("base64url"),
      BOOTSTRAP_TOKEN: token,
      LIMITS: JSON.stringify(LIMITS),
      ...(store.options.caFile === null ? {} : { NODE_EXTRA_CA_CERTS: store.options.caFile }),
    };
    const inspectorPort = inspect ? await freePort() : null;
    const app = await (runtime === "node" ? startOnNode : startOnWorkerd)({ home, vars, redisUrl, inspectorPort, stops });
    stops.push(app.stop);
    const clientOf = (bearer: string) => clientFor(app.url, bearer);
    const admin = clientOf(token);
    for (const id of ["home", ...others.map((other) => other.id)]) await admin.call("probeStore", { params: { store: StoreId.parse(id) } });
    return {
      endpoint: app.url,
      token,
      admin,
      pids: [app.child.pid, redis.child.pid, ...store.pids],
      appPid: app.child.pid,
      inspectorPort,
      redisUrl: redis.url,
      clientOf,
      makeRepository: (name) => makeRepository(admin, name),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type AppOptions = {
  home: string;
  vars: Record<string, string>;
  redisUrl: string;
  inspectorPort: number | null;
  stops: (() => Promise<void>)[];
};

function startOnNode({ home, vars, redisUrl, inspectorPort }: AppOptions) {
  const options = inspectorPort === null ? {} : { NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}` };
  return startNodeServer({ home, vars: { ...vars, ...options }, redisUrl });
}

async function startOnWorkerd({ home, vars, redisUrl, inspectorPort, stops }: AppOptions) {
  const restToken = randomBytes(24).toString("base64url");
  const bridge = await startBridge({ redisUrl, token: restToken, port: 0 });
  stops.push(bridge.stop);
  return startWorker({
    home,
    vars: { ...vars, UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: restToken },
    ...(inspectorPort === null ? {} : { inspectorPort }),
  });
}

async function makeRepository(admin: FerryClient, name: string): Promise<{ repository: RepositoryName; token: string }> {
  const repository = RepositoryName.parse(`bench/${name}`);
  await admin.call("createRepository", { body: { repository, operationId: newOperation() } });
  const scopes = [{ repositories: repository, actions: ["pull" as const, "push" as const] }];
  return { repository, token: (await admin.call("createToken", { body: { name, scopes } })).token };
}

export function newOperation(): OperationId {
  return OperationId.parse(randomBytes(16).toString("hex"));
}

function clientFor(endpoint: string, token: string): FerryClient {
  return new FerryClient({
    endpoint,
    token,
    fetch: (url, init) => fetch(url, init),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: Math.random,
  });
}
