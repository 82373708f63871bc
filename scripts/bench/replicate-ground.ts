/** Two stores and an app between them, with one model at home that is to be copied: again and again, as if it had never been. */

import { RepositoryName, StoreId } from "../../shared/names.ts";
import { RedisConnection } from "../stack/redis-connection.ts";
import type { Store as AppStore } from "../stack/stores.ts";
import { runMeasured } from "./measure/run-command.ts";
import { ferryCommand } from "./ours.ts";
import type { Store } from "./store.ts";
import type { Ground, Stored } from "./transfers.ts";

/** Filled by executors beside it, and by the app. */
export type Target = "west" | "east";

const PARTS = ["chunks/", "ready/", "manifests/"] as const;

/** Both are the same store under keys of their own. */
export function targetsOf(far: Store): (AppStore & { reach?: "agent" })[] {
  const settings = far.appStore();
  return [
    { ...settings, id: "west", prefix: far.key("west/"), reach: "agent" },
    { ...settings, id: "east", prefix: far.key("east/") },
  ];
}

export class ReplicaGround {
  readonly ground: Ground;
  readonly far: Store;
  readonly stored: Stored;
  readonly #redis: RedisConnection;

  constructor(ground: Ground, far: Store, stored: Stored) {
    this.ground = ground;
    this.far = far;
    this.stored = stored;
    this.#redis = new RedisConnection({ url: ground.ferry.registry.redisUrl });
    ground.lab.onClose(async () => this.#redis.close());
  }

  /** Processes that serve a copy. */
  get servers(): number[] {
    return [...this.ground.ferry.registry.pids, ...this.far.pids];
  }

  /** A store that has nothing of the model, and an index that knows of nothing there. */
  async empty(target: Target): Promise<void> {
    for (const part of PARTS) await this.far.remove(`${target}/${part}`);
    const [keys] = await this.#redis.send([["KEYS", `mf:*:${target}:*`]]);
    const names = Array.isArray(keys) ? keys.map(String) : [];
    if (names.length > 0) await this.#redis.send([["DEL", ...names]]);
  }

  /** From now on what is written to the other store is counted and thrown away. */
  async discard(keys: readonly string[]): Promise<void> {
    await this.far.options.own?.discard([
      this.far.key("west/chunks/"),
      this.far.key("east/chunks/"),
      ...keys.map((key) => this.far.key(key)),
    ]);
  }

  /** Until it is told to throw away again. */
  async keepAll(): Promise<void> {
    await this.far.options.own?.discard([]);
  }

  async isReady(target: Target): Promise<boolean> {
    const { admin } = this.ground.ferry.registry;
    const { replicas } = await admin.call("syncStatus", { query: { repository: RepositoryName.parse(this.stored.repository) } });
    return replicas.some(({ stores }) => stores.some(({ store, state }) => store === StoreId.parse(target) && state === "ready"));
  }

  /** Every byte, by a pull from there. */
  async pull(target: Target, destination: string, home: string): Promise<void> {
    const { ferry } = this.ground;
    const { program, args, env } = ferryCommand(ferry, ["pull", this.stored.repository, destination], {
      token: ferry.registry.token,
      home,
    });
    await runMeasured({ program, args, env: { ...env, FERRY_NEAR: target } }, []);
  }
}
