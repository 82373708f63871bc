/**
 * A copy of a Redis that gets every write some seconds later, in front of which plain reads are answered: what a managed Redis with
 * replicas in many regions may do. Scripts are answered by the first, as they may write.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Forwarder, Verdict } from "./forwarder.ts";

const READS = new Set([
  "GET",
  "GETEX",
  "HGET",
  "HMGET",
  "HGETALL",
  "SMISMEMBER",
  "ZSCORE",
  "ZRANGEBYLEX",
  "ZREVRANGEBYLEX",
  "EXISTS",
  "TTL",
]);

export type LaggingCopy = {
  /** How many requests it has answered. */
  reads: number;
  stop(): Promise<void>;
};

/** Makes `front`, which leads to the first, ask the bridge at `copyUrl` for plain reads, and brings writes there after `lagMs`. */
export function lagBehind(front: Forwarder, copy: { url: string; token: string }, lagMs: number): LaggingCopy {
  let running = true;
  const late: { path: string; body: Buffer; dueMs: number }[] = [];
  const lagging: LaggingCopy = {
    reads: 0,
    async stop() {
      running = false;
      await catchingUp;
    },
  };
  front.rule = ({ path, body }): Verdict => {
    if (isRead(path, body)) {
      lagging.reads++;
      return { target: copy.url };
    }
    late.push({ path, body, dueMs: performance.now() + lagMs });
    return "pass";
  };
  const catchingUp = (async () => {
    while (running) {
      const next = late[0];
      if (next === undefined || next.dueMs > performance.now()) await sleep(10);
      else await bring(copy, late.shift() ?? next);
    }
  })();
  return lagging;
}

async function bring(copy: { url: string; token: string }, { path, body }: { path: string; body: Buffer }): Promise<void> {
  const headers = { authorization: `Bearer ${copy.token}`, "content-type": "application/json" };
  const answer = await fetch(copy.url + path, { method: "POST", headers, body });
  await answer.arrayBuffer();
}

function isRead(path: string, body: Buffer): boolean {
  const parsed: unknown = JSON.parse(body.toString());
  const commands = path === "/" ? [parsed] : parsed;
  return Array.isArray(commands) && commands.every((command: unknown) => Array.isArray(command) && READS.has(String(command[0])));
}
