/** /metrics: who may read it, what it counts, and that what is shown of it elsewhere is there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import * as z from "zod";
import { METRICS } from "../../../functions/registry/metrics.ts";
import { ENDPOINT, type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const example = (name: string) => readFileSync(new URL(`../../../examples/observability/${name}`, import.meta.url), "utf8");

async function scrape(app: MemoryApp, token?: string): Promise<{ status: number; text: string }> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await app.fetch(`${ENDPOINT}/metrics`, { headers });
  return { status: response.status, text: await response.text() };
}

test("it is read by the metrics token and by administrators, and by nobody else", async () => {
  const app = await memoryApp();
  const admin = (await app.admin.call("createToken", { body: { name: "a", scopes: [{ repositories: "*", actions: ["admin"] }] } })).token;
  const reader = (await app.admin.call("createToken", { body: { name: "r", scopes: [{ repositories: "*", actions: ["pull"] }] } })).token;
  const statuses = async () =>
    Promise.all(
      [undefined, "wrong-metrics-token", "metrics-token-0001", reader, admin].map(async (one) => (await scrape(app, one)).status),
    );
  assert.deepEqual(await statuses(), [401, 401, 401, 403, 200]);
  app.services.metricsToken = "metrics-token-0001";
  assert.deepEqual(await statuses(), [401, 401, 200, 403, 200]);
});

test("requests, commits, signed requests and problems are counted, with closed labels", async () => {
  const app = await memoryApp({ ids: ["home", "west"] });
  app.services.metricsToken = "metrics-token-0001";
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  await pusher.push(MODEL, { a: "1", b: "22" });
  await assert.rejects(app.admin.call("resolve", { repository: MODEL, params: { ref: "nothing" } }));
  await assert.rejects(app.admin.call("removeWebhook", { params: { webhook: "no" }, query: { operationId: operationId() } }));
  await app.fetch(`${ENDPOINT}/api/v1/a-made-up-path`, { method: "REPORT" });
  const { text } = await scrape(app, "metrics-token-0001");
  const value = (start: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(start))
        ?.split(" ")
        .at(-1),
    );
  assert.equal(value("ferry_commits_total"), 1);
  assert.equal(value('ferry_signed_urls_total{kind="put"}'), 2);
  assert.equal(value('ferry_problems_total{code="REF_UNKNOWN"}'), 1);
  assert.equal(value('ferry_problems_total{code="WEBHOOK_UNKNOWN"}'), 1);
  assert.match(text, /ferry_requests_total\{method="POST",route="\/api\/v1\/repositories",status="201"\} 1\n/);
  assert.match(text, /ferry_request_seconds_count\{route="[^"]+"\} \d+\n/);
  assert.match(text, /ferry_replica_jobs\{store="west"\} 0\n/);
  assert.equal(value("ferry_index_sound"), 1);
  for (const secret of ["team", "nothing", "made-up", "REPORT"]) assert.ok(!text.includes(secret), secret);
  for (const line of text.split("\n").filter((one) => one !== "" && !one.startsWith("#")))
    assert.match(line, /^[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? [\d.]+$/);
});

test("a thousand requests are a few steps on the index, taken after their answers", async () => {
  let steps = 0;
  const app = await memoryApp({
    sleep: async () => {},
    decorate: (ports) => ({
      ...ports,
      counters: {
        read: () => ports.counters.read(),
        add: async (counts) => {
          steps++;
          await ports.counters.add(counts);
        },
      },
    }),
  });
  for (let i = 0; i < 1_000; i++) {
    await app.fetch(`${ENDPOINT}/healthz`);
    app.clock.advance(100);
  }
  await Promise.all(app.background);
  assert.ok(steps >= 5 && steps <= 11, `${steps}`);
});

test("the counts are answered as they are, with the time since which they are counted", async () => {
  const app = await memoryApp();
  app.clock.advance(5_000);
  await app.fetch(`${ENDPOINT}/healthz`);
  const { since, counts } = await app.admin.call("readCounters", {});
  assert.equal(since, "2026-01-01T00:00:05.000Z");
  assert.equal(counts['ferry_requests_total{method="GET",route="/healthz",status="200"}'], 1);
  assert.ok(!("ferry_counted_since_seconds" in counts));
  assert.doesNotMatch((await scrape(app, "metrics-token-0001")).text, /counted_since/);
});

const Rules = z.object({ groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })) });
const Dashboard = z.object({ panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })) })) });

test("the dashboard and the alerts ask for metrics that there are", () => {
  const known = new Set<string>(
    METRICS.flatMap(({ name, type }) => (type === "histogram" ? ["bucket", "sum", "count"].map((end) => `${name}_${end}`) : [name])),
  );
  const alerts = Rules.parse(parse(example("alerts.yaml"))).groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  const panels = Dashboard.parse(JSON.parse(example("grafana-dashboard.json"))).panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr),
  );
  const asked = new Set([...alerts, ...panels].flatMap((expr) => [...expr.matchAll(/\bferry_\w+/g)].map(([name]) => name)));
  assert.ok(asked.size > 10);
  for (const name of asked) assert.ok(known.has(name), name);
  assert.ok(example("prometheus.yaml").includes("/metrics"));
});
