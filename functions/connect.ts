/** Composition: the adapters of a deployment, built from its settings. */
import { AsyncLocalStorage } from "node:async_hooks";
import { MiB } from "../shared/units.ts";
import { MemoryCache } from "./cache.ts";
import type { Config } from "./config.ts";
import type { LogLine, Services } from "./http/edge.ts";
import { redeemer } from "./identity/redeem.ts";
import { identities } from "./identity/verify.ts";
import { makeKeyed } from "./keyed.ts";
import type { RedisCommands } from "./metadata/commands.ts";
import { redisIndexes } from "./metadata/indexes.ts";
import { meteredCommands, meteredFetch } from "./metered.ts";
import { fetchOutbound } from "./outbound.ts";
import type { Outbound } from "./registry/hooks/ports.ts";
import type { Clock, Digests, Hasher, Ports, Random } from "./registry/ports.ts";
import { type Spent, Traffic } from "./registry/traffic.ts";
import { makeServices } from "./services.ts";
import { makeStores } from "./storage/stores.ts";
import { webDigests } from "./web-digests.ts";

/** Of a Worker's 128 MB; envelopes and recipes are counted at twice their bytes. */
const CACHE_BYTES = 32 * MiB;

/** @param privateHosts hosts that may be asked although they are private ones */
type MakeOutbound = (privateHosts: readonly string[]) => Outbound;

export type World = {
  clock: Clock;
  random: Random;
  hasher: Hasher;
  digests: Digests;
  fetch: typeof fetch;
  outbound: MakeOutbound;
  log: (line: LogLine) => void;
  sleep: (ms: number) => Promise<void>;
};

/** What a runtime has that is better than what all have. */
type OfRuntime = Partial<Pick<World, "digests" | "fetch">>;

export function realWorld(
  log: (line: LogLine) => void,
  hasher: Hasher,
  outbound: MakeOutbound = byFetch,
  ofRuntime: OfRuntime = {},
): World {
  return {
    hasher,
    digests: webDigests,
    clock: { now: () => Date.now() },
    random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
    fetch: (...input) => fetch(...input),
    outbound,
    log,
    sleep: (ms) => new Promise((wake) => setTimeout(wake, ms)),
    ...ofRuntime,
  };
}

const byFetch: MakeOutbound = (privateHosts) => fetchOutbound((...input) => fetch(...input), privateHosts);

/** The deployment as its settings say, on Redis reached by `commands` and stores reached by S3. */
export async function connect(config: Config, commands: RedisCommands, world: World): Promise<Services> {
  const { clock, random, hasher, digests } = world;
  const { stores, homeStore } = config;
  const profiles = stores.map(({ profile }) => profile);
  const credentials = Object.fromEntries(stores.map(({ profile, credentials }) => [profile.id, credentials]));
  const traffic = new Traffic(clock, new AsyncLocalStorage<Spent>());
  const fetchStore = meteredFetch(world.fetch, profiles, traffic);
  const ports: Ports = {
    clock,
    random,
    keyed: await makeKeyed(config.secret, digests),
    stores: makeStores({ profiles, credentials, homeId: homeStore, clock, random, hasher, digests, fetch: fetchStore }),
    ...redisIndexes({ commands: meteredCommands(commands, traffic), generation: config.generation }),
    outbound: world.outbound(config.privateHosts),
    margins: config.margins,
    limits: config.limits,
    follower: config.follower,
    identities: identities(config.trusts, world),
    cache: new MemoryCache(CACHE_BYTES),
    hasher,
  };
  const login = config.login === null ? null : redeemer(config.login.provider, config.login.clientSecret, world);
  return makeServices(ports, config.bootstrapToken, {
    ...world,
    login,
    traffic,
    metricsToken: config.metricsToken,
    generation: config.generation,
  });
}
