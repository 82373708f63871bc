/** Events, webhooks in and metrics on a whole system, in workerd and on Node. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { StoreId } from "../../shared/names.ts";
import { signWebhook } from "../../shared/webhook.ts";
import { type Live, startLive } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";

const MODEL = repositoryName("team/model");

for (const runtime of ["workerd", "node"] as const) {
  describe(`events, webhooks and metrics on ${runtime}`, { skip: whyNoRedis() }, () => {
    let live: Live;
    before(async () => {
      live = await startLive({ runtime, vars: { FERRY_METRICS_TOKEN: "a-token-for-metrics" } });
      const pusher = new Pusher(live.admin, fetch);
      await pusher.create(MODEL);
      await pusher.push(MODEL, { a: "1" });
    });
    after(() => live?.stop());

    test("a stream tells what is there, and then what happens", async () => {
      const headers = { authorization: `Bearer ${live.stack.token}`, accept: "text/event-stream" };
      const stop = new AbortController();
      const response = await fetch(`${live.stack.endpoint}/api/v1/events?after=0-0`, { headers, signal: stop.signal });
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      assert.ok(response.body !== null);
      let text = "";
      const decoder = new TextDecoder();
      for await (const part of response.body) {
        text += decoder.decode(part, { stream: true });
        if (text.includes("event: tag.moved")) break;
        if (!text.includes("event: revision.committed") || text.includes("asked")) continue;
        text += "asked";
        const body = { ref: "main", operationId: operationId() };
        await live.admin.call("setTag", { repository: MODEL, params: { tag: "live" }, body });
      }
      stop.abort();
      assert.match(text, /event: repository.created[\s\S]*event: revision.committed[\s\S]*event: tag.moved/);
    });

    test("1,000 duplicates of a signed message, 50 at a time, run its policy once", async (t) => {
      const policy = { name: "kept", repositories: MODEL, stores: [StoreId.parse("west")], trigger: "webhook" as const };
      await live.admin.call("setPolicy", { body: { policy, operationId: operationId() } });
      const rules = [{ action: { kind: "replicate" as const, policy: "kept" } }];
      const { secret } = await live.admin.call("setHookSource", {
        body: { name: "ci", kind: "standard", rules, operationId: operationId() },
      });
      const body = JSON.stringify({ type: "model.released", data: {} });
      const signed = { id: "m1", timestamp: String(Math.floor(Date.now() / 1000)), body };
      const send = async (signature: string) => {
        const headers = { "webhook-id": signed.id, "webhook-timestamp": signed.timestamp, "webhook-signature": signature };
        const response = await fetch(`${live.stack.endpoint}/api/v1/webhooks/ci`, { method: "POST", headers, body });
        const answer = (await response.json()) as { state?: string; code?: string };
        return answer.state ?? answer.code ?? "";
      };
      assert.equal(await send("v1,AAAA"), "HOOK_REFUSED");
      const right = await signWebhook([secret], signed);
      const states = new Map<string, number>();
      for (let round = 0; round < 20; round++)
        for (const state of await Promise.all(Array.from({ length: 50 }, () => send(right))))
          states.set(state, (states.get(state) ?? 0) + 1);
      t.diagnostic(JSON.stringify(Object.fromEntries(states)));
      assert.equal(states.get("done"), 1);
      const { events } = await live.admin.call("listEvents", { query: { after: "0-0", limit: "500" } });
      assert.equal(events.filter(({ type }) => type === "webhook.received").length, 1);
      assert.equal((await live.admin.call("listPolicies", {})).policies[0]?.pinned, 1);
    });

    test("a webhook to this machine is refused, and metrics are read by their token", async () => {
      const body = { name: "ci", url: "https://127.0.0.1/", operationId: operationId() };
      await assert.rejects(live.admin.call("createWebhook", { body }), /refused/);
      const scrape = (token: string) => fetch(`${live.stack.endpoint}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      assert.equal((await scrape("another-token-for-it")).status, 401);
      const text = await (await scrape("a-token-for-metrics")).text();
      assert.match(text, /^ferry_index_sound 1$/m);
      assert.match(text, /^ferry_commits_total 1$/m);
    });
  });
}
