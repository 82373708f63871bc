/**
 * A redis-server with a replica behind one address: it can be killed, fail over to a replica that was cut off before, be wiped, and lose
 * calls or their answers. Both have one password, so whoever is connected by the address comes back to whichever answers there.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { TestRedis } from "../../test/support/stack.ts";
import { startTcpFront, type TcpFront } from "../../test/support/tcp-front.ts";
import { type Redis as Server, startRedis } from "../stack/redis.ts";

type Part = { server: Server; raw: Redis; home: string };

const FOLLOW_TIMEOUT_MS = 30_000;

export class SwitchedRedis {
  readonly front: TcpFront;
  readonly #password: string;
  #first: Part;
  #replica: Part;

  private constructor(front: TcpFront, password: string, parts: { first: Part; replica: Part }) {
    this.front = front;
    this.#password = password;
    this.#first = parts.first;
    this.#replica = parts.replica;
    front.targetPort = parts.first.server.port;
  }

  static async start(): Promise<SwitchedRedis> {
    const password = randomBytes(24).toString("base64url");
    const [first, replica] = [await startPart(password), await startPart(password)];
    await follow(replica, first);
    return new SwitchedRedis(await startTcpFront(), password, { first, replica });
  }

  /** As the stack's own: an address that stays. */
  asTestRedis(): TestRedis {
    return {
      url: `redis://:${this.#password}@127.0.0.1:${this.front.port}`,
      port: this.front.port,
      pid: () => this.#first.server.child.pid,
      crash: () => this.#first.server.child.kill(),
      restart: async () => {},
      stop: () => this.stop(),
    };
  }

  /** Killed with -9, and back with all that it had. */
  async kill(downMs: number): Promise<void> {
    const { server, raw, home } = this.#first;
    raw.disconnect();
    await server.child.kill();
    await sleep(downMs);
    const again = await startRedis({ home, port: server.port, password: this.#password });
    this.#first = { server: again, raw: rawOf(again), home };
  }

  /** The replica gets nothing for `cutMs`; then the first is killed and the replica answers in its place. */
  async failOver(cutMs: number): Promise<void> {
    await this.#replica.raw.call("REPLICAOF", "NO", "ONE");
    await sleep(cutMs);
    const [gone, promoted] = [this.#first, this.#replica];
    await gone.server.child.kill();
    this.front.targetPort = promoted.server.port;
    this.#first = promoted;
    await end(gone);
    this.#replica = await startPart(this.#password);
    await follow(this.#replica, this.#first);
  }

  async wipe(): Promise<void> {
    await this.#first.raw.flushall();
  }

  /** As if the leases of a dead server had run out, which takes a minute. */
  async endLeases(): Promise<void> {
    const keys = (await this.#first.raw.keys("mf:1:lease:*")).filter((key) => !key.endsWith(":fence"));
    if (keys.length > 0) await this.#first.raw.del(keys);
  }

  async stop(): Promise<void> {
    await this.front.stop();
    await Promise.all([end(this.#first), end(this.#replica)]);
  }
}

async function startPart(password: string): Promise<Part> {
  const home = mkdtempSync(join(tmpdir(), "ferry-soak-"));
  const server = await startRedis({ home, password });
  return { server, raw: rawOf(server), home };
}

async function end({ server, raw, home }: Part): Promise<void> {
  raw.disconnect();
  await server.stop();
  rmSync(home, { recursive: true, force: true, maxRetries: 3 });
}

function rawOf(server: Server): Redis {
  const raw = new Redis(server.url);
  raw.on("error", () => undefined);
  return raw;
}

async function follow(replica: Part, first: Part): Promise<void> {
  await replica.raw.call("CONFIG", "SET", "masterauth", first.server.password);
  await replica.raw.call("REPLICAOF", "127.0.0.1", first.server.port);
  for (const deadline = Date.now() + FOLLOW_TIMEOUT_MS; !/master_link_status:up/.test(String(await replica.raw.info("replication"))); ) {
    if (Date.now() > deadline) throw new Error("the replica does not follow");
    await sleep(20);
  }
}
