/**
 * A replica of a redis-server, and the way to whichever of the two is the first: what a managed Redis does when it fails over. A replica
 * that was cut off before lacks what was acknowledged since. (Only stopping its process would not do that: the data waits in the sockets.)
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { type Bridge, startBridge } from "../../scripts/stack/bridge.ts";
import { type Redis as Server, startRedis } from "../../scripts/stack/redis.ts";
import type { Forwarder } from "./forwarder.ts";

export type RedisPair = {
  /** The server that answers now. */
  url(): string;
  /** From now on the replica gets nothing any more. */
  cutOff(): Promise<void>;
  /** Kills the first, and lets the replica answer in its place; another, empty one is the new replica. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
};

/** `kill`: as a crash would. */
type First = { url: string; kill(): Promise<void> };

/** A replica of `first`, to which `front` leads until it fails over; `token` is that of its bridge. */
export async function startReplica(front: Forwarder, token: string, first: First): Promise<RedisPair> {
  let [answering, replica] = [first, await startBridged(token)];
  const started = [replica];
  await follow(replica.raw, first.url);
  return {
    url: () => answering.url,
    cutOff: async () => void (await replica.raw.call("REPLICAOF", "NO", "ONE")),
    async failOver() {
      await answering.kill();
      await replica.raw.call("REPLICAOF", "NO", "ONE");
      front.target = replica.bridge.url;
      const { server } = replica;
      answering = { url: server.url, kill: () => server.child.kill() };
      replica = await startBridged(token);
      started.push(replica);
      await follow(replica.raw, answering.url);
    },
    async stop() {
      for (const each of started) await each.stop();
    },
  };
}

/** A redis-server, the bridge in front of it, and a hand on its raw keys. */
export type Bridged = { server: Server; bridge: Bridge; raw: Redis; stop(): Promise<void> };

export async function startBridged(token: string): Promise<Bridged> {
  const home = mkdtempSync(join(tmpdir(), "ferry-redis-"));
  const server = await startRedis({ home });
  const bridge = await startBridge({ redisUrl: server.url, token, port: 0 });
  const raw = rawOf(server);
  return {
    server,
    bridge,
    raw,
    async stop() {
      raw.disconnect();
      await bridge.stop();
      await server.stop();
      rmSync(home, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function rawOf(server: Server): Redis {
  const raw = new Redis(server.url);
  raw.on("error", () => undefined);
  return raw;
}

/** Until it has all that the other has. */
async function follow(replica: Redis, first: string): Promise<void> {
  const { port, password } = new URL(first);
  await replica.call("CONFIG", "SET", "masterauth", password);
  await replica.call("REPLICAOF", "127.0.0.1", port);
  for (const deadline = Date.now() + 20_000; !/master_link_status:up/.test(String(await replica.info("replication"))); ) {
    if (Date.now() > deadline) throw new Error("the replica did not follow");
    await sleep(10);
  }
}
