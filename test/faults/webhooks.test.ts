/**
 * F31 of reference/safety.md §6: a receiver that fails, hangs, and answers too late; senders that are cut off. Each event arrives at least
 * once, under one id, rightly signed. The acts run on a whole system; the senders here, on its Redis and buckets, with time that passes.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, type TestContext, test } from "node:test";
import { parseConfig } from "../../functions/config.ts";
import { connect, realWorld } from "../../functions/connect.ts";
import { nodeHasher } from "../../functions/node/hasher.ts";
import { nodeOutbound } from "../../functions/node/outbound.ts";
import { tcpCommands } from "../../functions/node/redis-tcp.ts";
import { hooksRound } from "../../functions/registry/hooks/bell.ts";
import type { Outbound } from "../../functions/registry/hooks/ports.ts";
import { createWebhook } from "../../functions/registry/hooks/webhooks.ts";
import type { Ports } from "../../functions/registry/ports.ts";
import { RepositoryGlob } from "../../shared/names.ts";
import { webhookProblem } from "../../shared/webhook.ts";
import { type Live, startLive } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";

const MODEL = repositoryName("team/model");
const EVENTS = 120;
const TIMEOUT_MS = 300;

type Got = { id: string; event: string; problem: string | null; answered: boolean };

class Died extends Error {}

describe("webhooks to a receiver that fails, by senders that die", { skip: whyNoRedis() }, () => {
  let live: Live;
  let receiver: Server;
  let url = "";
  let secret = "";
  let offsetMs = 0;
  const got: Got[] = [];
  const close: (() => void)[] = [];

  before(async () => {
    receiver = createServer((request, response) => void receive(request, response));
    receiver.listen(0, "127.0.0.1");
    await once(receiver, "listening");
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    live = await startLive({ runtime: "node" });
  });
  after(async () => {
    receiver?.closeAllConnections();
    receiver?.close();
    for (const one of close) one();
    await live?.stop();
  });

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const part of request) body += part;
    const header = (name: string) => String(request.headers[name] ?? "");
    const signed = { id: header("webhook-id"), timestamp: header("webhook-timestamp"), body };
    // At its own time: hours pass here while messages of a sender that died are still under way.
    const problem = await webhookProblem([secret], signed, header("webhook-signature"), 1000 * Number(signed.timestamp));
    const { data } = JSON.parse(body) as { data: { id: string } };
    const fate = randomInt(20);
    got.push({ id: signed.id, event: data.id, problem, answered: fate >= 6 });
    // Of twenty: two fail, one redirects, one hangs, two break off; the rest is taken. All ten attempts of one fail once in 100,000 times.
    if (fate < 2) response.writeHead(500).end();
    else if (fate === 2) response.writeHead(302, { location: url }).end();
    else if (fate === 3) return;
    else if (fate < 6) request.socket.destroy();
    else response.writeHead(204).end();
  }

  /** A sender on the deployment's Redis and buckets that dies, now and then, before or after the receiver heard of it. */
  async function sender(deaths: { count: number }): Promise<Ports> {
    const commands = tcpCommands({ url: live.stack.redis.url, timeoutMs: 20_000 });
    close.push(() => commands.close());
    const config = parseConfig({ ...live.stack.vars, REDIS_URL: live.stack.redis.url, WEBHOOK_PRIVATE_HOSTS: "127.0.0.1" });
    const { ports } = await connect(
      config,
      commands,
      realWorld(() => {}, nodeHasher, nodeOutbound),
    );
    const die = (share: number) => {
      if (randomInt(100) >= share) return;
      deaths.count++;
      throw new Died();
    };
    const outbound: Outbound = {
      privateHosts: ports.outbound.privateHosts,
      post: async (post) => {
        die(4);
        const posted = await ports.outbound.post({ ...post, timeoutMs: TIMEOUT_MS });
        die(4);
        return posted;
      },
    };
    return { ...ports, outbound, clock: { now: () => Date.now() + offsetMs } };
  }

  test("every event arrives under one id, rightly signed; replays of what was sent are known by it", { timeout: 240_000 }, async (t) => {
    const deaths = { count: 0 };
    const ports = await sender(deaths);
    await new Pusher(live.admin, fetch).create(MODEL);
    const pushed = await new Pusher(live.admin, fetch).push(MODEL, { a: "1" });
    assert.ok(pushed);
    // The deployment itself does not know the host: only the senders here send.
    const caller = { tokenId: "t", name: "t", kind: "person" as const, scopes: [], networks: [], expiresAt: null };
    const request = { name: "ci", url, events: ["tag.*"], repositories: RepositoryGlob.parse("*"), format: "standard" as const };
    secret = (await createWebhook(ports, caller, { ...request, operationId: operationId() })).secret;
    for (let n = 0; n < EVENTS; n++) {
      const body = { ref: "main", operationId: operationId() };
      await live.admin.call("setTag", { repository: MODEL, params: { tag: `v${n}` }, body });
      if (n % 10 === 0) await rounds(ports);
    }
    for (let left = 1; left > 0; left = await ports.deliveries.waiting()) {
      await rounds(ports);
      offsetMs += 3_600_000;
    }
    report(t, deaths.count);
  });

  /** Two at once, as two bells would. */
  async function rounds(ports: Ports): Promise<void> {
    const ended = await Promise.allSettled([hooksRound(ports), hooksRound(ports)]);
    for (const one of ended) if (one.status === "rejected" && !(one.reason instanceof Died)) throw one.reason;
  }

  function report(t: TestContext, deaths: number): void {
    const taken = got.filter(({ answered }) => answered);
    const events = new Map<string, Set<string>>();
    for (const { id, event } of taken) events.set(event, (events.get(event) ?? new Set<string>()).add(id));
    const duplicates = taken.length - events.size;
    const share = ((100 * duplicates) / taken.length).toFixed(1);
    t.diagnostic(
      `events ${EVENTS}, lost ${EVENTS - events.size}, attempts ${got.length}, taken twice ${share} %, senders died ${deaths} times`,
    );
    assert.equal(events.size, EVENTS);
    for (const [event, ids] of events) assert.equal(ids.size, 1, event);
    assert.deepEqual(
      got.filter(({ problem }) => problem !== null),
      [],
    );
    assert.ok(deaths > 0);
  }
});
