/**
 * A redis-server and its replica, and the bridge to whichever is the first: what a managed Redis does when it fails over. A replica that
 * was cut off before loses what was acknowledged since. (Only stopping its process would not: the data waits in the sockets.)
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { type Bridge, startBridge } from "../../scripts/stack/bridge.ts";
import { type Redis as Server, startRedis } from "../../scripts/stack/redis.ts";
import { type Forwarder, startForwarder } from "./forwarder.ts";

export type RedisPair = {
  /** What the app is told; `front.rule` may lose calls. */
  front: Forwarder;
  token: string;
  /** The server that answers now. */
  url(): string;
  /** From now on the replica gets nothing any more. */
  cutOff(): Promise<void>;
  /** Kills the first, and lets the replica answer in its place; the killed one comes back empty, as the new replica. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
};

export async function startRedisPair(): Promise<RedisPair> {
  const front = await startForwarder();
  const token = makeBridgeToken();
  let [first, replica] = [await startBridged(token), await startBridged(token)];
  front.target = first.bridge.url;
  await follow(replica, first);
  return {
    front,
    token,
    url: () => first.server.url,
    cutOff: async () => void (await replica.raw.call("REPLICAOF", "NO", "ONE")),
    async failOver() {
      const killed = first;
      await killed.server.child.kill();
      await replica.raw.call("REPLICAOF", "NO", "ONE");
      front.target = replica.bridge.url;
      first = replica;
      replica = await startBridged(token);
      await follow(replica, first);
      await killed.stop();
    },
    async stop() {
      await front.stop();
      await first.stop();
      await replica.stop();
    },
  };
}

/** A redis-server, the bridge in front of it, and a hand on its raw keys. */
export type Bridged = { server: Server; bridge: Bridge; raw: Redis; stop(): Promise<void> };

export function makeBridgeToken(): string {
  return randomBytes(24).toString("base64url");
}

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

type Part = Pick<Bridged, "server" | "raw">;

function rawOf(server: Server): Redis {
  const raw = new Redis(server.url);
  raw.on("error", () => undefined);
  return raw;
}

/** Until it has all that the other has. */
async function follow(replica: Part, first: Part): Promise<void> {
  await replica.raw.call("CONFIG", "SET", "masterauth", first.server.password);
  await replica.raw.call("REPLICAOF", "127.0.0.1", first.server.port);
  for (const deadline = Date.now() + 20_000; !/master_link_status:up/.test(String(await replica.raw.info("replication"))); ) {
    if (Date.now() > deadline) throw new Error("the replica did not follow");
    await sleep(10);
  }
}
