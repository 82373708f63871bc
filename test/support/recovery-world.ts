/** Logs written straight through the domain, an index that goes back, and what both say: for tests of recovery on memory. */
import assert from "node:assert/strict";
import { append, type Body } from "../../functions/registry/log.ts";
import { repositoryLog } from "../../functions/registry/logs.ts";
import type { Ports } from "../../functions/registry/ports.ts";
import type { RepositoryRecord } from "../../functions/registry/records.ts";
import { lookAtIndex } from "../../functions/registry/recovery/beat.ts";
import type { IndexCheck } from "../../shared/contract/recovery.ts";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { commit, refOf, repositoryIdOf } from "./chain.ts";
import { type MemoryApp, memoryApp, operationId } from "./memory-app.ts";

export const IDS: RepositoryId[] = ["a", "b", "c"].map(repositoryIdOf);
export const MINUTE_MS = 60_000;

export type RecoveryWorld = {
  app: MemoryApp;
  ports: Ports;
  /** Called with the name of each call of the index before it is made; may roll back, or throw. */
  hooks: { onIndex: (call: string) => void; onBucket: (call: string, key: string) => void | Promise<void> };
};

export async function recoveryWorld(): Promise<RecoveryWorld> {
  const hooks: RecoveryWorld["hooks"] = { onIndex: () => {}, onBucket: () => {} };
  const app = await memoryApp({
    decorate: (ports) => ({
      ...ports,
      repositories: watched(ports.repositories, (call) => hooks.onIndex(call)),
      notes: watched(ports.notes, (call) => hooks.onIndex(call)),
      stores: {
        ...ports.stores,
        all: () => ports.stores.all(),
        get: (id) => ports.stores.get(id),
        home: {
          profile: ports.stores.home.profile,
          chunks: ports.stores.home.chunks,
          objects: ports.stores.home.objects,
          bucket: watched(ports.stores.home.bucket, (call, key) => hooks.onBucket(call, String(key))),
          probed: () => ports.stores.home.probed(),
          probe: () => ports.stores.home.probe(),
          setup: () => ports.stores.home.setup(),
        },
      },
    }),
  });
  return { app, ports: app.ports, hooks };
}

/** The same object, with `before` called ahead of each of its methods. */
function watched<T extends object>(port: T, before: (call: string, first: unknown) => void | Promise<void>): T {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      // No call, but the same port for some reads.
      if (name === "atLeast") return (seq: number) => watched(value.call(target, seq), before);
      return async (...args: unknown[]) => {
        await before(String(name), args[0]);
        return value.apply(target, args);
      };
    },
  });
}

let commits = 0;

/** Appends a commit; the seed names its revision. */
export async function commitTo({ ports }: RecoveryWorld, id: RepositoryId, seed = `commit ${++commits}`): Promise<string> {
  const body: Body<RepositoryRecord> = commit(id, "main", seed);
  await append(repositoryLog(ports, id), { operationId: operationId(), actor: "a test" }, async () => body);
  return seed;
}

/** A commit whose writer dies after the commit point. */
export async function commitLost(world: RecoveryWorld, id: RepositoryId): Promise<void> {
  const before = world.hooks.onIndex;
  world.hooks.onIndex = (call) => {
    before(call);
    if (call === "apply") throw new FerryError("INDEX_UNAVAILABLE", { problem: "a test" });
  };
  await assert.rejects(commitTo(world, id), { code: "INDEX_UNAVAILABLE" });
  world.hooks.onIndex = before;
}

/** Looks, as the bell does, until it has nothing left to walk. */
export async function lookUntilDone({ ports }: Pick<RecoveryWorld, "ports">): Promise<IndexCheck> {
  for (let looks = 0; looks < 20; looks++) {
    const check = await lookAtIndex(ports);
    if (check.state !== "rebuilding") return check;
  }
  throw new Error("20 looks were not enough");
}

/** Tails of all logs, and how far the index is: equal when nothing is behind. */
export async function assertWhole({ app }: RecoveryWorld, when: string): Promise<void> {
  for (const id of IDS) {
    const { objects } = await app.stores.home.bucket.list(`repositories/${id}/log/`);
    if (objects.length === 0) continue;
    const head = await app.indexes.repositories.head(id);
    assert.equal(head?.seq, objects.length, `${id} ${when}`);
    assert.equal((await app.indexes.repositories.refs(id)).seq, objects.length);
  }
}

/** What a reader is told of a branch, without anything that heals. */
export function mainOf({ app }: RecoveryWorld, id: RepositoryId): Promise<string | null> {
  return app.indexes.repositories.resolveName(id, refOf("main"));
}
