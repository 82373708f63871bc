/** Webhooks out: what is sent, how it is signed, what happens when it does not arrive. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { hooksRound } from "../../../functions/registry/hooks/bell.ts";
import type { Post } from "../../../functions/registry/hooks/ports.ts";
import { SYSTEM_LOG_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { FerryError } from "../../../shared/errors.ts";
import { webhookProblem } from "../../../shared/webhook.ts";
import { operationId } from "../../support/memory-app.ts";
import { createWebhook, type HookWorld, hookWorld, MODEL, tag } from "./hook-world.ts";

const HOUR_MS = 3_600_000;

async function withWebhook(more: object = {}): Promise<{ world: HookWorld; secret: string }> {
  const world = await hookWorld();
  await world.pusher.push(MODEL, { a: "1" });
  const secret = await createWebhook(world, more);
  return { world, secret };
}

function problemOf({ headers, body }: Post, secrets: string[], nowMs: number): Promise<string | null> {
  const signed = { id: headers["webhook-id"] ?? "", timestamp: headers["webhook-timestamp"] ?? "", body };
  return webhookProblem(secrets, signed, headers["webhook-signature"] ?? "", nowMs);
}

/** Rounds until nothing is claimed: the round that an act woke may be the one that sends. */
async function settle({ app }: HookWorld): Promise<void> {
  const isClaimed = () =>
    [...app.indexes.deliveries.entries.values()].some((entry) => entry.fence > 0 && entry.attempts > 0 && entry.last === null);
  do {
    await hooksRound(app.ports);
    await setImmediate();
  } while (isClaimed());
}

const statesOf = async ({ app }: HookWorld) =>
  (await app.admin.call("listDeliveries", { params: { webhook: "ci" } })).deliveries.map(({ state }) => state);

test("an event is sent once, signed, thin; nothing from before the webhook was made", async () => {
  const { world, secret } = await withWebhook();
  await tag(world, "v1");
  for (let i = 0; i < 3; i++) await settle(world);
  const { posts } = world.outbound;
  assert.equal(posts.length, 1);
  const [post] = posts;
  assert.ok(post !== undefined);
  assert.equal(await problemOf(post, [secret], world.app.clock.now()), null);
  const { type, data } = JSON.parse(post.body) as { type: string; data: Record<string, unknown> };
  assert.deepEqual([type, data["repository"], data["tag"]], ["tag.moved", MODEL, "v1"]);
  assert.ok(post.body.length < 20_000);
  assert.deepEqual(await statesOf(world), ["delivered"]);
});

test("only events and repositories that the webhook names are sent", async () => {
  const { world } = await withWebhook({ events: ["tag.*"], repositories: "team/*", format: "cloudevents" });
  await world.pusher.push(MODEL, { a: "2" });
  await tag(world, "v1");
  const other = { repository: "other/model", operationId: operationId() };
  await world.app.admin.call("createRepository", { body: other as never });
  await settle(world);
  assert.equal(world.outbound.posts.length, 1);
  const [post] = world.outbound.posts;
  assert.equal(post?.headers["content-type"], "application/cloudevents+json");
  const event = JSON.parse(post?.body ?? "") as Record<string, unknown>;
  assert.deepEqual([event["specversion"], event["type"], event["subject"]], ["1.0", "modelferry.tag.moved", MODEL]);
});

test("failures are tried again for 72 hours under one id with a fresh time, then given up; a replay sends it again", async () => {
  const { world, secret } = await withWebhook();
  world.outbound.answer = () => ({ status: 500, retryAfterSeconds: null });
  await tag(world, "v1");
  const { clock, ports } = world.app;
  const startMs = clock.now();
  for (let minutes = 0; minutes < 100 * 60; minutes++) {
    if (minutes % 5 === 0) await hooksRound(ports);
    clock.advance(60_000);
  }
  const { posts } = world.outbound;
  assert.equal(posts.length, 10);
  assert.equal(new Set(posts.map(({ headers }) => headers["webhook-id"])).size, 1);
  const times = posts.map(({ headers }) => Number(headers["webhook-timestamp"]) * 1000);
  const hours = ((times.at(-1) ?? 0) - startMs) / HOUR_MS;
  assert.ok(hours > 66 && hours < 85, `${hours} h`);
  for (const [at, post] of posts.entries()) assert.equal(await problemOf(post, [secret], times[at] ?? 0), null);
  assert.deepEqual(await statesOf(world), ["failed"]);
  world.outbound.answer = () => ({ status: 200, retryAfterSeconds: null });
  const [delivery] = (await world.app.admin.call("listDeliveries", { params: { webhook: "ci" } })).deliveries;
  const replayed = await world.app.admin.call("replayDelivery", { params: { webhook: "ci", delivery: delivery?.id ?? "" } });
  assert.deepEqual([replayed.state, replayed.status], ["delivered", 200]);
  assert.equal(posts.at(-1)?.headers["webhook-id"], posts[0]?.headers["webhook-id"]);
});

test("redirects are answers like others that are not 2xx, and are not followed", async () => {
  const { world } = await withWebhook();
  world.outbound.answer = () => ({ status: 302, retryAfterSeconds: null });
  await tag(world, "v1");
  await settle(world);
  assert.deepEqual(await statesOf(world), ["waiting"]);
});

test("410 disables a webhook until its secret is rotated", async () => {
  const { world } = await withWebhook();
  world.outbound.answer = () => ({ status: 410, retryAfterSeconds: null });
  await tag(world, "v1");
  await settle(world);
  assert.match((await world.app.admin.call("readWebhook", { params: { webhook: "ci" } })).disabled ?? "", /410/);
  await tag(world, "v2");
  await settle(world);
  assert.equal(world.outbound.posts.length, 1);
  world.outbound.answer = () => ({ status: 200, retryAfterSeconds: null });
  await world.app.admin.call("rotateWebhook", { params: { webhook: "ci" }, body: { operationId: operationId() } });
  await tag(world, "v3");
  await settle(world);
  assert.match(world.outbound.posts.at(-1)?.body ?? "", /"v3"/);
});

test("after a rotation both secrets sign for the overlap, then the new one alone", async () => {
  const { world, secret } = await withWebhook();
  const body = { operationId: operationId(), overlapSeconds: 3600 };
  const rotated = (await world.app.admin.call("rotateWebhook", { params: { webhook: "ci" }, body })).secret;
  assert.notEqual(rotated, secret);
  const lastPost = async (name: string) => {
    const before = world.outbound.posts.length;
    await tag(world, name);
    // The round that the act woke may be the one that sends it.
    while (world.outbound.posts.length === before) {
      await settle(world);
      await setImmediate();
    }
    const post = world.outbound.posts.at(-1);
    assert.ok(post !== undefined);
    const nowMs = world.app.clock.now();
    return [await problemOf(post, [secret], nowMs), await problemOf(post, [rotated], nowMs)];
  };
  assert.deepEqual(await lastPost("v1"), [null, null]);
  world.app.clock.advance(3_601_000);
  assert.deepEqual(await lastPost("v2"), ["no signature is right", null]);
});

test("two bells at once send each delivery once", async () => {
  const { world } = await withWebhook();
  for (let i = 0; i < 20; i++) await tag(world, `v${i}`);
  await Promise.all(Array.from({ length: 4 }, () => settle(world)));
  const ids = world.outbound.posts.map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual([ids.length, new Set(ids).size], [20, 20]);
});

test("an attempt whose sender died is made again when its claim ends", async () => {
  const { world } = await withWebhook();
  await tag(world, "v1");
  world.outbound.answer = () => {
    throw new Error("the process is gone");
  };
  while (world.outbound.posts.length === 0) {
    await hooksRound(world.app.ports).catch(() => undefined);
    await setImmediate();
  }
  world.outbound.answer = () => ({ status: 200, retryAfterSeconds: null });
  await hooksRound(world.app.ports);
  assert.equal(world.outbound.posts.length, 1, "the claim still holds");
  world.app.clock.advance(30_001);
  await settle(world);
  assert.deepEqual(await statesOf(world), ["delivered"]);
});

test("a repeated creation is the same webhook with the same secret; another of its name is refused", async () => {
  const world = await hookWorld();
  const body = { name: "ci", url: "https://ci.team.dev/hook", operationId: operationId() };
  const [first, second] = [await world.app.admin.call("createWebhook", { body }), await world.app.admin.call("createWebhook", { body })];
  assert.equal(first.secret, second.secret);
  const other = world.app.admin.call("createWebhook", { body: { ...body, operationId: operationId() } });
  await assert.rejects(other, (error) => error instanceof FerryError && error.code === "WEBHOOK_EXISTS");
});

test("no secret is readable in the bucket, nor answered again", async () => {
  const { world, secret } = await withWebhook();
  const { bucket } = world.app.ports.stores.home;
  const objects = await listAll(bucket, SYSTEM_LOG_PREFIX);
  assert.ok(objects.length > 0);
  for (const { key } of objects) {
    const text = new TextDecoder().decode((await bucket.get(key)) ?? new Uint8Array());
    assert.ok(!text.includes(secret.slice("whsec_".length)), key);
  }
  const told = JSON.stringify([
    await world.app.admin.call("listWebhooks", {}),
    await world.app.admin.call("readWebhook", { params: { webhook: "ci" } }),
    world.app.log,
  ]);
  assert.ok(!told.includes(secret) && !told.includes("sealed") && !told.includes('"secret"'));
});

test("a removed webhook is sent nothing, and its deliveries are gone", async () => {
  const { world } = await withWebhook();
  world.outbound.answer = () => ({ status: 500, retryAfterSeconds: null });
  await tag(world, "v1");
  await settle(world);
  await world.app.admin.call("removeWebhook", { params: { webhook: "ci" }, query: { operationId: operationId() } });
  world.app.clock.advance(HOUR_MS);
  await tag(world, "v2");
  await settle(world);
  assert.equal(world.outbound.posts.length, 1);
  assert.equal(await world.app.ports.deliveries.waiting(), 0);
});

test("a test event tells how it went, and private URLs are refused when they are given", async () => {
  const { world } = await withWebhook({ events: ["collect.*"] });
  const tested = await world.app.admin.call("testWebhook", { params: { webhook: "ci" } });
  assert.deepEqual([tested.type, tested.state, tested.status], ["webhook.test", "delivered", 204]);
  for (const url of ["http://ci.team.dev/", "https://127.0.0.1/", "https://user:pw@ci.team.dev/", "ftp://ci.team.dev/", "nothing"])
    await assert.rejects(
      createWebhook(world, { name: "bad", url }),
      (error) => error instanceof FerryError && error.code === "URL_REFUSED",
      url,
    );
});
