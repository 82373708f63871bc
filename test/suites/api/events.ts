/** What the deployment tells, and what it lets itself be told. */
import assert from "node:assert/strict";
import { operationId } from "../../support/memory-app.ts";
import type { Guarantees } from "./api.ts";

const SECRET = "a-secret-of-16-or-more";
const operation = () => ({ operationId: operationId() });

export const EVENTS: Guarantees = {
  "the feed tells of a commit once, in order, and goes on from a cursor": async (world) => {
    const repository = await world.repositoryWith("told", { text: "told" });
    const { events } = await world.admin.call("listEvents", { query: { after: "0-0", limit: 500 } as never });
    const ours = events.filter((event) => event.repository === repository);
    assert.deepEqual(
      ours.map(({ type }) => type),
      ["repository.created", "revision.committed"],
    );
    const rest = await world.admin.call("listEvents", { query: { after: ours[0]?.cursor, limit: 500 } as never });
    assert.ok(rest.events.some(({ id }) => id === ours[1]?.id) && rest.events.every(({ id }) => id !== ours[0]?.id));
  },

  "a webhook is made, tried, and its deliveries are kept to be sent again": async (world) => {
    const params = { webhook: "ci" };
    const made = await world.admin.call("createWebhook", {
      body: { name: "ci", url: "https://ci.example.com/hook", events: ["webhook.test"], ...operation() },
    });
    assert.match(made.secret, /^whsec_/);
    const { id } = await world.admin.call("testWebhook", { params });
    const { deliveries } = await world.admin.call("listDeliveries", { params, query: {} });
    assert.deepEqual(
      deliveries.map((one) => one.id),
      [id],
    );
    await world.admin.call("replayDelivery", { params: { ...params, delivery: id } });
    const rotated = await world.admin.call("rotateWebhook", { params, body: operation() });
    assert.notEqual(rotated.secret, made.secret);
    const { webhooks } = await world.admin.call("listWebhooks", {});
    assert.deepEqual(
      webhooks.map(({ name }) => name),
      ["ci"],
    );
    assert.equal((await world.admin.call("readWebhook", { params })).name, "ci");
    await world.admin.call("removeWebhook", { params, query: operation() });
    await assert.rejects(world.admin.call("readWebhook", { params }), { code: "WEBHOOK_UNKNOWN" });
  },

  "a message is taken from who knows the secret, and done once": async (world) => {
    await world.admin.call("setHookSource", { body: { name: "sender", kind: "secret", secret: SECRET, rules: [], ...operation() } });
    const send = async (secret: string) => {
      const headers = { "content-type": "application/json", "x-webhook-secret": secret };
      return world.ask("/api/v1/webhooks/sender", { method: "POST", headers, body: '{"event":"release"}' });
    };
    const stateOf = async (secret: string) => ((await (await send(secret)).json()) as { state: string }).state;
    assert.equal((await send("another-secret-of-16")).status, 401);
    assert.deepEqual([await stateOf(SECRET), await stateOf(SECRET)], ["done", "duplicate"]);
    const { sources } = await world.admin.call("listHookSources", {});
    assert.deepEqual(
      sources.map(({ name }) => name),
      ["sender"],
    );
    await world.admin.call("removeHookSource", { params: { source: "sender" }, query: operation() });
  },
};
