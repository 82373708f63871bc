/**
 * The ports as a replica store sees them: envelopes, recipes, chunks, and flags of collection are its own; logs are home's, of which it
 * has copies that may lag. What is written for home then works there unchanged: reading envelopes, looking for intents, collecting.
 */
import type { StoreId } from "../../../shared/names.ts";
import { REPOSITORIES_PREFIX, SYSTEM_LOG_PREFIX } from "../layout.ts";
import type { Bucket, Leases, Ports, Store } from "../ports.ts";

export function atStore(ports: Ports, id: StoreId): Ports {
  const { stores, leases } = ports;
  const store = stores.get(id);
  return {
    ...ports,
    stores: { home: withLogsOf(store, stores.home.bucket), all: () => stores.all(), get: (other) => stores.get(other) },
    chunks: ports.chunksAt(id),
    leases: ownLeases(leases, id),
  };
}

function withLogsOf(store: Store, home: Bucket): Store {
  return {
    profile: store.profile,
    chunks: store.chunks,
    objects: store.objects,
    bucket: withLogs(store.bucket, home),
    probed: () => store.probed(),
    probe: () => store.probe(),
    setup: () => store.setup(),
  };
}

function withLogs(own: Bucket, home: Bucket): Bucket {
  const of = (key: string) => (key.startsWith(REPOSITORIES_PREFIX) || key.startsWith(SYSTEM_LOG_PREFIX) ? home : own);
  return {
    create: (key, bytes) => own.create(key, bytes),
    put: (key, bytes) => own.put(key, bytes),
    get: (key) => of(key).get(key),
    head: (key) => of(key).head(key),
    list: (prefix, options) => of(prefix).list(prefix, options),
    delete: (keys) => own.delete(keys),
  };
}

function ownLeases(leases: Leases, id: StoreId): Leases {
  return {
    acquire: (name, owner, ttlMs) => leases.acquire(`${name}-${id}`, owner, ttlMs),
    release: (name, owner) => leases.release(`${name}-${id}`, owner),
  };
}
