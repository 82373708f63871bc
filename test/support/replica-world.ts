/** Several memory stores with a policy, for tests of replication: pushes, bells, and looks from outside. */
import assert from "node:assert/strict";
import { CHUNK_PREFIX, chunkOfKey, READY_PREFIX } from "../../functions/registry/layout.ts";
import { listAll } from "../../functions/registry/listing.ts";
import type { Ports } from "../../functions/registry/ports.ts";
import { syncStep } from "../../functions/registry/replicate/bell.ts";
import type { SyncStep } from "../../shared/contract/replication.ts";
import { type RepositoryName, StoreId } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "./memory-app.ts";
import { digestOf, type Files, Pusher } from "./pusher.ts";

export const MODEL: RepositoryName = repositoryName("team/model");
export const storeId = (id: string): StoreId => StoreId.parse(id);

export type ReplicaWorld = { app: MemoryApp; pusher: Pusher };

export async function replicaWorld(
  ids: readonly string[] = ["home", "west"],
  options: { decorate?: (ports: Ports) => Ports } = {},
): Promise<ReplicaWorld> {
  const app = await memoryApp({ ids, ...options, sleep: async () => {} });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  return { app, pusher };
}

export async function addPolicy({ app }: ReplicaWorld, name: string, stores: string[], more: object = {}): Promise<void> {
  const policy = { name, repositories: "team/*", stores: stores.map(storeId), ...more };
  await app.admin.call("setPolicy", { body: { policy, operationId: operationId() } });
}

/** What requests left to be done, then a minute, and the bell. */
export async function ring({ app }: ReplicaWorld, minutes = 1): Promise<SyncStep[]> {
  const steps: SyncStep[] = [];
  for (let at = 0; at < minutes; at++) {
    await Promise.all(app.background.splice(0));
    app.clock.advance(60_000);
    steps.push(await syncStep(app.ports));
  }
  return steps;
}

/** What was left to be done after the answers, and nothing else. */
export async function settle({ app }: ReplicaWorld): Promise<void> {
  while (app.background.length > 0) await Promise.all(app.background.splice(0));
}

export async function markersIn({ app }: ReplicaWorld, store: string): Promise<string[]> {
  return (await listAll(app.stores.get(store).bucket, READY_PREFIX)).map(({ key }) => key);
}

export async function chunksIn({ app }: ReplicaWorld, store: string): Promise<string[]> {
  return (await listAll(app.stores.get(store).bucket, CHUNK_PREFIX)).map(({ key }) => chunkOfKey(key).sha256);
}

/** Reads these files of `ref` from a store as a client would, byte for byte. */
export async function assertReadable(
  { app }: ReplicaWorld,
  ref: string,
  files: Files,
  how: { store?: string; near?: string },
): Promise<string> {
  const texts = new Map(Object.values(files).map((text) => [digestOf(text), text]));
  const where = {
    ...(how.store === undefined ? {} : { store: storeId(how.store) }),
    ...(how.near === undefined ? {} : { near: storeId(how.near) }),
  };
  const body = { chunks: [...texts.keys()], ...where };
  const batch = await app.admin.call("download", { repository: MODEL, params: { ref }, body });
  for (const item of batch.items) {
    const answer = await app.stores.fetch(downloadUrl(batch, item));
    assert.equal(await answer.text(), texts.get(item.sha256), `${item.path} of ${batch.store}`);
  }
  return batch.store;
}
