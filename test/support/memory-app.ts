/** The whole app on memory ports, and a typed client that calls it without a socket. */
import { randomBytes } from "node:crypto";
import { createApp } from "../../functions/app.ts";
import { MemoryCache } from "../../functions/cache.ts";
import type { Services } from "../../functions/http/edge.ts";
import { identities } from "../../functions/identity/verify.ts";
import { makeKeyed } from "../../functions/keyed.ts";
import { nodeHasher } from "../../functions/node/hasher.ts";
import { Margins } from "../../functions/registry/collect/margins.ts";
import { Limits } from "../../functions/registry/limits.ts";
import type { Redeemer } from "../../functions/registry/login-provider.ts";
import type { Clock, Ports } from "../../functions/registry/ports.ts";
import type { Trust } from "../../functions/registry/trusts.ts";
import { makeServices } from "../../functions/services.ts";
import { FerryClient } from "../../shared/client.ts";
import type { Scope } from "../../shared/contract/access.ts";
import { OperationId, RefName, RepositoryName } from "../../shared/names.ts";
import { makeToken } from "../../shared/token.ts";
import { MiB } from "../../shared/units.ts";
import { type MemoryStores, type MemoryStoresOptions, memoryStores } from "./memory-bucket.ts";
import { MemoryOutbound } from "./memory-hooks.ts";
import { type MemoryIndexes, memoryIndexes } from "./memory-index.ts";

export type MemoryApp = {
  ports: Ports;
  stores: MemoryStores;
  indexes: MemoryIndexes;
  clock: Clock & { advance(ms: number): void };
  admin: FerryClient;
  fetch: (url: string, init?: RequestInit) => Promise<Response>;
  clientFor(token: string | undefined): FerryClient;
  /** A client of a new token with these scopes. */
  member(...scopes: Scope[]): Promise<FerryClient>;
  services: Services;
  /** What requests left to be done after their answers. */
  background: Promise<unknown>[];
  log: Record<string, unknown>[];
};

/** Tests ask a lot in no time. */
const NO_LIMITS: Limits = Limits.parse({ requestsPerMinute: 1e6, urlsPerMinute: 1e8, failuresPerMinute: 1e6, exchangesPerMinute: 1e6 });

/** What may wait for others waits for ever, unless a test says otherwise. */
const never = () => new Promise<void>(() => {});

export const ENDPOINT = "http://ferry.test";

export async function memoryApp(
  options: MemoryStoresOptions & {
    decorate?: (ports: Ports) => Ports;
    follower?: boolean;
    limits?: Limits;
    trusts?: Trust[];
    login?: Redeemer;
    sleep?: (ms: number) => Promise<void>;
  } = {},
): Promise<MemoryApp> {
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  const clock = {
    now: () => nowMs,
    advance(ms: number) {
      nowMs += ms;
    },
  };
  const stores = memoryStores({ clock, ...options });
  const indexes = memoryIndexes({ clock });
  const plain: Ports = {
    clock,
    random: { bytes: (count) => new Uint8Array(randomBytes(count)) },
    keyed: await makeKeyed(new Uint8Array(32).fill(7)),
    stores,
    system: indexes.system,
    repositories: indexes.repositories,
    chunks: indexes.chunks,
    uploads: indexes.uploads,
    leases: indexes.leases,
    notes: indexes.notes,
    boards: indexes.boards,
    uses: indexes.uses,
    shortTokens: indexes.shortTokens,
    meters: indexes.meters,
    identities: identities(options.trusts ?? [], { clock, fetch: globalThis.fetch }),
    chunksAt: indexes.chunksAt,
    jobs: indexes.jobs,
    events: indexes.events,
    deliveries: indexes.deliveries,
    counters: indexes.counters,
    outbound: new MemoryOutbound(),
    follower: options.follower ?? false,
    margins: Margins.parse({}),
    limits: options.limits ?? NO_LIMITS,
    cache: new MemoryCache(64 * MiB),
    hasher: nodeHasher,
  };
  const ports = options.decorate?.(plain) ?? plain;
  const token = makeToken(new Uint8Array(randomBytes(32)));
  const log: Record<string, unknown>[] = [];
  const services = await makeServices(ports, token, {
    log: (line) => log.push(line),
    sleep: options.sleep ?? never,
    login: options.login ?? null,
  });
  // As at the edge.
  const app = createApp(
    () => services,
    (c) => c.req.header("cf-connecting-ip") ?? null,
  );
  const background: Promise<unknown>[] = [];
  const context = { waitUntil: (work: Promise<unknown>) => void background.push(work), passThroughOnException: () => {}, props: {} };
  const fetch = async (url: string, init?: RequestInit) => app.request(url, init, {}, context);
  const clientFor = (bearer: string | undefined) =>
    new FerryClient({ endpoint: ENDPOINT, token: bearer, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
  const admin = clientFor(token);
  const member = async (...scopes: Scope[]) => clientFor((await admin.call("createToken", { body: { name: "member", scopes } })).token);
  return { ports, services, background, stores, indexes, clock, admin, fetch, clientFor, member, log };
}

let operations = 0;
export function operationId(): OperationId {
  return OperationId.parse(`test-operation-${String(++operations).padStart(8, "0")}`);
}

export const repositoryName = (text: string): RepositoryName => RepositoryName.parse(text);
export const refName = (text: string): RefName => RefName.parse(text);
