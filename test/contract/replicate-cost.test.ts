/** What a look at 100,000 replicas that are all there costs: time, and commands, which a managed Redis bills. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Command, RedisCommands } from "../../functions/metadata/commands.ts";
import { redisIndexes } from "../../functions/metadata/indexes.ts";
import { readyKey, repositoryLogKey, systemLogKey } from "../../functions/registry/layout.ts";
import type { Bucket, ObjectInfo, Ports } from "../../functions/registry/ports.ts";
import { reconcileSome } from "../../functions/registry/replicate/reconcile.ts";
import { StoredPolicy } from "../../shared/contract/replication.ts";
import { attemptOf, commit, create, repositoryChain, repositoryIdOf, systemChain } from "../support/chain.ts";
import { memoryApp } from "../support/memory-app.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";
import { whyNoRedis } from "../support/stack.ts";

/** 100 for the figure that is promised: 100,000 replicas. */
const REPOSITORIES = Number(process.env["FERRY_REPLICATED"] ?? 20);
const REVISIONS = 1_000;
const SECONDS_MAX = 10;
const COMMANDS_MAX = 2_000;
/** No store lists a page in less. */
const LIST_MS = 5;

class CountedCommands implements RedisCommands {
  count = 0;
  readonly #commands: RedisCommands;

  constructor(commands: RedisCommands) {
    this.#commands = commands;
  }

  pipeline(commands: readonly Command[]) {
    this.count += commands.length;
    return this.#commands.pipeline(commands);
  }

  script(script: string, keys: readonly string[], args: Command) {
    this.count++;
    return this.#commands.script(script, keys, args);
  }
}

describe("a look at replicas that are all there", { skip: whyNoRedis() }, () => {
  let parts: RedisIndexes;
  before(async () => {
    parts = await startRedisIndexes();
  });
  after(() => parts?.stop());

  test(`${REPOSITORIES * REVISIONS} of them cost less than 10 s and 2,000 commands`, { timeout: 180_000 }, async (t) => {
    const { generation } = parts.open(parts.tcp);
    const commands = new CountedCommands(parts.tcp);
    const indexes = redisIndexes({ commands, generation });
    const sorted = new Map<string, ObjectInfo[]>();
    const app = await memoryApp({
      ids: ["home", "west"],
      decorate: (ports): Ports => {
        Object.assign(ports.stores.get("west").bucket, { list: listSorted(sorted) });
        return { ...ports, ...indexes, clock: { now: () => Date.now() } };
      },
    });
    const west = app.stores.get("west").bucket;
    const names = systemChain();
    for (let at = 0; at < REPOSITORIES; at++) await names.add(create(`team/model-${String(at).padStart(3, "0")}`));
    await names.add({
      op: "policies",
      policies: [StoredPolicy.parse({ name: "all", repositories: "*", stores: ["west"], pins: [], ranAt: null })],
    });
    await indexes.system.begin(names.seq);
    await indexes.system.applyMany(names.entries);
    await west.put(systemLogKey(names.seq), new Uint8Array());
    for (let at = 0; at < REPOSITORIES; at++) {
      const id = repositoryIdOf(`team/model-${String(at).padStart(3, "0")}`);
      const chain = repositoryChain(id);
      for (let of = 0; of < REVISIONS; of++) await chain.add(commit(id, `b${of}`, `${at} ${of}`));
      await indexes.repositories.begin(id, chain.seq);
      await indexes.repositories.applyMany(chain.entries);
      await west.put(repositoryLogKey(id, chain.seq), new Uint8Array());
      const keys = chain.entries.map(({ record }) =>
        readyKey(id, {
          seq: record.seq,
          revision: record.op === "commit" ? record.revision : ("" as never),
          copy: attemptOf(`${at} ${record.seq}`),
        }),
      );
      sorted.set(
        id,
        keys.map((key) => ({ key, sizeBytes: 0, modifiedAtMs: 0 })),
      );
    }
    commands.count = 0;
    const begunMs = performance.now();
    const done = await reconcileSome(app.ports, Date.now() + 60_000);
    const seconds = (performance.now() - begunMs) / 1000;
    t.diagnostic(
      `${REPOSITORIES * REVISIONS} replicas: ${seconds.toFixed(2)} s, ${commands.count} commands, pages of the listing at ${LIST_MS} ms`,
    );
    assert.deepEqual([done.repositories, done.opened, done.evicted, done.problems], [REPOSITORIES, 0, 0, []]);
    assert.ok(seconds < SECONDS_MAX);
    assert.ok(commands.count <= COMMANDS_MAX);
  });
});

/** Pages of markers, as fast as a store gives them. */
function listSorted(sorted: ReadonlyMap<string, ObjectInfo[]>): Bucket["list"] {
  return async (prefix, { after = "", limit = 1000 } = {}) => {
    await new Promise((wake) => setTimeout(wake, LIST_MS));
    const all = (sorted.get(prefix.split("/")[1] ?? "") ?? []).filter(({ key }) => key.startsWith(prefix) && key > after);
    return { objects: all.slice(0, limit), more: all.length > limit };
  };
}
