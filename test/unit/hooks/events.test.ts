/** The feed: what acts tell, who sees it, and what is said when something is missing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventOfRepository } from "../../../functions/registry/events/of-record.ts";
import { EVENTS_KEPT } from "../../../functions/registry/events/ports.ts";
import type { FeedEvent } from "../../../shared/contract/events.ts";
import { ENDPOINT, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { hookWorld, MODEL, tag } from "./hook-world.ts";

const START = { query: { after: "0-0" } };
const types = (events: readonly FeedEvent[]) => events.map(({ type }) => type);

test("acts are told once each, in their order, with what they were about", async () => {
  const world = await hookWorld();
  const { app, pusher } = world;
  const { revision } = (await pusher.push(MODEL, { a: "1" })).revision;
  await tag(world, "v1");
  await app.admin.call("deleteTag", { repository: MODEL, params: { tag: "v1" }, query: { operationId: operationId() } });
  await app.admin.call("deleteRepository", { repository: MODEL, query: { operationId: operationId() } });
  const { events } = await app.admin.call("listEvents", START);
  assert.deepEqual(types(events), ["repository.created", "revision.committed", "tag.moved", "tag.removed", "repository.deleted"]);
  const [, committed] = events;
  assert.equal(committed?.about["revision"], revision);
  assert.equal(committed?.about["branch"], "main");
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
});

test("a repeated act and a record that is applied again tell nothing new", async () => {
  const world = await hookWorld();
  await world.pusher.push(MODEL, { a: "1" });
  const body = { ref: "main", operationId: operationId() };
  for (let i = 0; i < 3; i++) await world.app.admin.call("setTag", { repository: MODEL, params: { tag: "v1" }, body });
  const { events } = await world.app.admin.call("listEvents", START);
  assert.equal(events.filter(({ type }) => type === "tag.moved").length, 1);
});

test("callers see events of repositories that they may pull; tokens and the deployment's own are for administrators", async () => {
  const world = await hookWorld();
  const { app } = world;
  const other = repositoryName("other/model");
  await new Pusher(app.admin, app.stores.fetch).create(other);
  const reader = await app.member({ repositories: "team/*", actions: ["pull"] });
  const { events } = await reader.call("listEvents", START);
  assert.deepEqual([...new Set(events.map(({ repository }) => repository))], [MODEL]);
  const all = await app.admin.call("listEvents", START);
  assert.ok(types(all.events).includes("token.created"));
  assert.ok(all.events.some(({ repository }) => repository === other));
});

test("a page goes on where the one before ended, and nothing comes twice", async () => {
  const world = await hookWorld();
  await world.pusher.push(MODEL, { a: "1" });
  for (let i = 0; i < 7; i++) await tag(world, `v${i}`);
  const seen: string[] = [];
  let after = "0-0";
  for (;;) {
    const page = await world.app.admin.call("listEvents", { query: { after, limit: "3" } });
    if (page.events.length === 0) break;
    assert.ok(page.events.length <= 3 && !page.missed);
    seen.push(...page.events.map(({ id }) => id));
    after = page.next;
  }
  assert.equal(seen.length, 9);
  assert.equal(new Set(seen).size, 9);
});

test("without a cursor the feed begins with the next event", async () => {
  const world = await hookWorld();
  await world.pusher.push(MODEL, { a: "1" });
  const { events, next } = await world.app.admin.call("listEvents", { query: {} });
  assert.deepEqual(events, []);
  await tag(world, "v1");
  assert.deepEqual(types((await world.app.admin.call("listEvents", { query: { after: next } })).events), ["tag.moved"]);
});

test("a cursor whose events are kept no more is told so", async () => {
  const { app } = await hookWorld();
  const { next } = await app.admin.call("listEvents", { query: { after: "0-0" } });
  for (let i = 0; i < EVENTS_KEPT; i++) await app.ports.events.record({ type: "collect.finished", about: { i } });
  assert.equal((await app.admin.call("listEvents", { query: { after: next } })).missed, true);
});

test("an act whose index is lost right after it is told when the index is caught up", async () => {
  const world = await hookWorld();
  const { app } = world;
  await world.pusher.push(MODEL, { a: "1" });
  app.indexes.wipe();
  await tag(world, "v1");
  const { events } = await app.admin.call("listEvents", START);
  assert.ok(types(events).includes("tag.moved"));
});

test("what an event says is bounded, whatever the record says", () => {
  const revisions = Array.from({ length: 1000 }, (_, at) => at.toString(16).padStart(40, "0"));
  const record = { v: 1, seq: 2, prev: null, operationId: operationId(), at: "2026-01-01T00:00:00.000Z", actor: "x".repeat(9_999) };
  const purge = { ...record, repositoryId: "0123456789abcdef", op: "purge", revisions };
  const event = eventOfRepository(purge as unknown as Parameters<typeof eventOfRepository>[0]);
  assert.ok(JSON.stringify(event).length < 2_000);
  assert.equal(event?.about["count"], 1000);
});

test("as a stream the feed is the same events, with cursors as ids, and Last-Event-ID goes on from one", async () => {
  let naps = 0;
  const app = await memoryApp({
    sleep: async () => {
      naps++;
      app.clock.advance(20_000);
    },
  });
  await new Pusher(app.admin, app.stores.fetch).create(MODEL);
  const made = await app.admin.call("createToken", { body: { name: "all", scopes: [{ repositories: "*", actions: ["admin"] }] } });
  const stream = async (headers: Record<string, string> = {}) => {
    const all = { authorization: `Bearer ${made.token}`, accept: "text/event-stream", ...headers };
    const response = await app.fetch(`${ENDPOINT}/api/v1/events?after=0-0`, { headers: all });
    return { type: response.headers.get("content-type"), text: await response.text() };
  };
  const { type, text } = await stream();
  assert.equal(type, "text/event-stream");
  const ids = [...text.matchAll(/^id: (\S+)\nevent: (\S+)$/gm)].map(([, id = "", event]) => ({ id, event }));
  assert.deepEqual(
    ids.map(({ event }) => event),
    ["repository.created", "token.created"],
  );
  assert.ok(naps > 0);
  const rest = await stream({ "last-event-id": ids[0]?.id ?? "" });
  assert.doesNotMatch(rest.text, /event: repository.created/);
  assert.match(rest.text, /event: token.created/);
  const refused = await app.fetch(`${ENDPOINT}/api/v1/events`, { headers: { accept: "text/event-stream" } });
  assert.equal(refused.status, 401);
});

test("a rebuild that ended is told once, with what it found, to administrators alone", async () => {
  const { app, pusher } = await hookWorld();
  await pusher.push(MODEL, { a: "1" });
  await app.admin.call("startRebuild", {});
  let run = (await app.admin.call("stepRebuild", {})).run;
  for (let steps = 0; steps < 20 && run?.phase !== "done"; steps++) ({ run } = await app.admin.call("stepRebuild", {}));
  await app.admin.call("stepRebuild", {});
  const told = (await app.admin.call("listEvents", START)).events.filter(({ type }) => type === "index.rebuilt");
  assert.deepEqual(
    told.map(({ id, about }) => [id, about["damaged"]]),
    [[`index.rebuilt-${run?.run}`, 0]],
  );
  const reader = await app.member({ repositories: "team/*", actions: ["pull"] });
  assert.ok(!types((await reader.call("listEvents", START)).events).includes("index.rebuilt"));
});
