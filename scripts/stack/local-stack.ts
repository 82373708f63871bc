/** The whole local stack of one home: what `npm start` runs. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FerryClient } from "../../shared/client.ts";
import { problemOf } from "../../shared/errors.ts";
import { StoreId } from "../../shared/names.ts";
import { startBridge } from "./bridge.ts";
import type { Child } from "./child.ts";
import { adminToken, type Ports, secretsOf, writeDevEnv } from "./home.ts";
import { startLocalS3 } from "./local-s3.ts";
import { isPortFree } from "./ports.ts";
import { StackProblem } from "./problem.ts";
import { startRedis } from "./redis.ts";
import { storeVars } from "./stores.ts";
import { startWorker } from "./worker.ts";

export type LocalStackOptions = {
  home: string;
  /** null: any free ports. */
  ports: Ports | null;
  /** Told of each process that runs, as soon as it does. */
  onChild: (child: Child) => void;
  /** Something went wrong that the stack can live with. */
  warn: (line: string) => void;
};

export type LocalStack = { endpoint: string; token: string; stop(): Promise<void> };

/** The buckets; the first is home. */
const STORES = ["home", "west"];
const WHAT: Record<keyof Ports, string> = {
  app: "the app",
  stores: "the local stores",
  bridge: "the Redis REST bridge",
  redis: "redis-server",
};
const SOURCES = ["functions", "shared"].map((folder) => fileURLToPath(new URL(`../../${folder}`, import.meta.url)));

/** Starts everything and probes the stores. On failure nothing is left running. Throws StackProblem. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  if (options.ports !== null) await requireFree(options.ports);
  const stops: (() => Promise<void>)[] = [];
  // The app first, so that nobody is answered without its index; redis last, for it writes its data down.
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const { endpoint, token } = await startParts(options, stops);
    await probeStores(endpoint, token, options.warn);
    writeDevEnv(options.home, endpoint, token);
    return { endpoint, token, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts({ home, ports, onChild }: LocalStackOptions, stops: (() => Promise<void>)[]) {
  const secrets = secretsOf(home, STORES);
  const token = adminToken(home);
  const track = <T extends { stop(): Promise<void>; child?: Child }>(part: T): T => {
    stops.push(part.stop);
    if (part.child !== undefined) onChild(part.child);
    return part;
  };
  const buckets = Object.fromEntries(Object.entries(secrets.stores));
  const redis = track(await startRedis({ home, password: secrets.redisPassword, ...(ports === null ? {} : { port: ports.redis }) }));
  const bridge = track(await startBridge({ redisUrl: redis.url, token: secrets.restToken, port: ports?.bridge ?? 0 }));
  const s3 = track(await startLocalS3({ home, buckets, port: ports?.stores ?? 0 }));
  const vars = {
    ...storeVars(s3.stores),
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_TOKEN: secrets.restToken,
    FERRY_SECRET: secrets.ferrySecret,
    BOOTSTRAP_TOKEN: token,
  };
  const worker = track(await startWorker({ home, vars, port: ports?.app ?? 0, watch: SOURCES, cron: true }));
  return { endpoint: worker.url, token };
}

async function requireFree(ports: Ports): Promise<void> {
  const taken: string[] = [];
  for (const part of ["app", "stores", "bridge", "redis"] as const) {
    if (!(await isPortFree(ports[part]))) taken.push(`${ports[part]} (${WHAT[part]})`);
  }
  if (taken.length === 0) return;
  throw new StackProblem(
    `${taken.length === 1 ? "Port" : "Ports"} ${taken.join(", ")} ${taken.length === 1 ? "is" : "are"} taken by another program. ` +
      `Choose others: FERRY_DEV_PORT=<port> npm start takes that port and the three after it.`,
  );
}

/** Uploads need a proof of what each store refuses. A store that can't be probed now can be later, by `ferry store probe`. */
async function probeStores(endpoint: string, token: string, warn: (line: string) => void): Promise<void> {
  const client = new FerryClient({
    endpoint,
    token,
    fetch: (url, init) => fetch(url, init),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: Math.random,
    attempts: 2,
    timeoutMs: 30_000,
  });
  const probe = async (id: string) => {
    try {
      await client.call("probeStore", { params: { store: StoreId.parse(id) } });
    } catch (error) {
      warn(`Store ${id} could not be probed: ${problemOf(error)}`);
    }
  };
  await Promise.all(STORES.map(probe));
}

/** Where the logs of a home are. */
export function logsOf(home: string): string {
  return join(home, "logs");
}
