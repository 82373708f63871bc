/** Webhooks in: only proven messages count, each once. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import type { SourceKind } from "../../../shared/contract/hooks.ts";
import { StoreId } from "../../../shared/names.ts";
import { signWebhook } from "../../../shared/webhook.ts";
import { ENDPOINT, type MemoryApp, memoryApp, operationId } from "../../support/memory-app.ts";
import { MemoryOutbound } from "../../support/memory-hooks.ts";
import { Pusher } from "../../support/pusher.ts";
import { MODEL } from "./hook-world.ts";

const BODY = JSON.stringify({
  type: "model.released",
  data: { repository: "org/model", tag: "v1" },
  repository: { full_name: "org/model" },
  ref: "refs/heads/main",
});
const RULES = [{ event: "*", from: "org/*", action: { kind: "replicate" as const, policy: "kept" } }];

async function world(kind: SourceKind): Promise<{ app: MemoryApp; secret: string }> {
  const outbound = new MemoryOutbound();
  const app = await memoryApp({ ids: ["home", "west"], decorate: (ports) => ({ ...ports, outbound }) });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  await pusher.push(MODEL, { a: "1" });
  const policy = { name: "kept", repositories: MODEL, stores: [StoreId.parse("west")], trigger: "webhook" as const };
  await app.admin.call("setPolicy", { body: { policy, operationId: operationId() } });
  const { secret } = await app.admin.call("setHookSource", { body: { name: "hub", kind, rules: RULES, operationId: operationId() } });
  return { app, secret };
}

type Sent = { app: MemoryApp; headers: Record<string, string>; body?: string; source?: string };

async function send({ app, headers, body = BODY, source = "hub" }: Sent) {
  const response = await app.fetch(`${ENDPOINT}/api/v1/webhooks/${source}`, { method: "POST", headers, body });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

async function headersFor(kind: SourceKind, secret: string, app: MemoryApp, { id = "m1", body = BODY, atMs = app.clock.now() } = {}) {
  const timestamp = String(Math.floor(atMs / 1000));
  switch (kind) {
    case "standard":
      return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": await signWebhook([secret], { id, timestamp, body }),
      };
    case "github":
      return {
        "x-github-event": "push",
        "x-github-delivery": id,
        "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
      };
    case "huggingface":
      return { "x-webhook-secret": secret };
    case "secret":
      return { authorization: `Bearer ${secret}` };
  }
}

const policyRuns = async (app: MemoryApp) =>
  (await app.admin.call("listEvents", { query: { after: "0-0", limit: "500" } })).events.filter(({ type }) => type === "webhook.received")
    .length;

for (const kind of ["standard", "github", "huggingface", "secret"] as const) {
  test(`${kind}: a proven message does what its rules say, once; a replay is a duplicate`, async () => {
    const { app, secret } = await world(kind);
    const headers: Record<string, string> = await headersFor(kind, secret, app);
    const first = await send({ app, headers });
    assert.equal(first.status, 200, JSON.stringify(first.answer));
    if (kind !== "huggingface") assert.deepEqual(first.answer["actions"], [{ kind: "replicate", target: "kept", done: true }]);
    const { policies } = await app.admin.call("listPolicies", {});
    if (kind !== "huggingface") assert.equal(policies[0]?.pinned, 1);
    // Headers that nobody signed do not make it another message.
    const again = await send({ app, headers: kind === "github" ? { ...headers, "x-github-delivery": "another" } : headers });
    assert.equal(again.answer["state"], "duplicate");
    assert.equal(await policyRuns(app), 1);
  });

  test(`${kind}: 50 wrong proofs are refused, and do nothing`, async () => {
    const { app, secret } = await world(kind);
    const right: Record<string, string> = await headersFor(kind, secret, app);
    for (let i = 0; i < 50; i++) {
      const headers = Object.fromEntries(Object.entries(right).map(([name, value]) => [name, wrong(name, value, i)]));
      const { status, answer } = await send({ app, headers });
      assert.deepEqual([status, answer["code"]], [401, "HOOK_REFUSED"], JSON.stringify(headers));
    }
    assert.equal(await policyRuns(app), 0);
  });
}

/** The same with one character less, another, or one more, in what proves it. */
function wrong(name: string, value: string, at: number): string {
  if (!/signature|secret|authorization/.test(name)) return value;
  const place = 8 + (at % Math.max(1, value.length - 9));
  const other = value[place] === "A" ? "B" : "A";
  if (at % 3 === 0) return value.slice(0, -2);
  return at % 3 === 1 ? `${value.slice(0, place)}${other}${value.slice(place + 1)}` : value.replace(/.{4}$/, "");
}

test("a changed body, an old or a future time, and an unknown source are refused", async () => {
  const { app, secret } = await world("standard");
  const headers = await headersFor("standard", secret, app);
  const refused = [
    await send({ app, headers, body: BODY.replace("v1", "v2") }),
    await send({ app, headers: await headersFor("standard", secret, app, { atMs: app.clock.now() - 301_000 }) }),
    await send({ app, headers: await headersFor("standard", secret, app, { atMs: app.clock.now() + 301_000 }) }),
    await send({ app, headers, source: "nobody" }),
    await send({ app, headers: {} }),
  ];
  assert.deepEqual(
    refused.map(({ status }) => status),
    [401, 401, 401, 404, 401],
  );
  assert.equal(await policyRuns(app), 0);
});

test("10,000 duplicates, 100 at a time, are one run of the policy, one job and one event", async (t) => {
  const { app, secret } = await world("standard");
  const headers = await headersFor("standard", secret, app);
  const states = new Map<string, number>();
  for (let round = 0; round < 100; round++) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => send({ app, headers })));
    for (const { status, answer } of answers) {
      const state = status === 200 ? String(answer["state"]) : String(answer["code"]);
      states.set(state, (states.get(state) ?? 0) + 1);
    }
  }
  assert.equal(states.get("done"), 1);
  assert.deepEqual(
    [...states.keys()].filter((state) => !["done", "duplicate", "HOOK_BUSY"].includes(state)),
    [],
  );
  assert.equal(await policyRuns(app), 1);
  await app.admin.call("stepSync", {});
  const { events } = await app.admin.call("listEvents", { query: { after: "0-0", limit: "500" } });
  const jobs = events.filter(({ type }) => type === "replica.completed").length;
  t.diagnostic(`${JSON.stringify(Object.fromEntries(states))}: ${jobs} job`);
  assert.equal(jobs, 1);
  const { revisions } = await app.ports.stores.home.bucket.list("sys/log/").then(({ objects }) => ({ revisions: objects.length }));
  assert.ok(revisions < 10, `${revisions} records`);
});

test("a message whose action fails may come again, and is done then", async () => {
  const { app, secret } = await world("standard");
  await app.admin.call("removePolicy", { params: { policy: "kept" }, query: { operationId: operationId() } });
  const headers = await headersFor("standard", secret, app);
  assert.equal((await send({ app, headers })).status, 404);
  const policy = { name: "kept", repositories: MODEL, stores: [StoreId.parse("west")], trigger: "webhook" as const };
  await app.admin.call("setPolicy", { body: { policy, operationId: operationId() } });
  assert.equal((await send({ app, headers })).answer["state"], "done");
});
