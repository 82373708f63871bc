/** The estimate: of counters and prices alone, each line by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DIALECTS } from "../../../functions/storage/dialects.ts";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { COMMANDS_FOR_ONE, estimate } from "../../../shared/costs/estimate.ts";
import { PRICES, Prices } from "../../../shared/costs/prices.ts";

const DAY_MS = 86_400_000;
const counts = {
  ferry_commits_total: 10,
  [`ferry_requests_total{method="GET",route="${ROUTES.manifest.path}",status="200"}`]: 100,
  [`ferry_requests_total{method="GET",route="${ROUTES.manifest.path}",status="404"}`]: 7,
  'ferry_signed_urls_total{kind="put"}': 1_000,
  'ferry_signed_urls_total{kind="get"}': 50_000,
  'ferry_store_operations_total{store="home",class="A",for="push"}': 40,
  'ferry_store_operations_total{store="home",class="B",for="push"}': 1_000,
  'ferry_store_operations_total{store="home",class="free",for="background"}': 999,
  'ferry_store_operations_total{store="west",class="A",for="background"}': 500,
  'ferry_index_commands_total{for="push"}': 200,
  'ferry_index_commands_total{for="pull"}': 300,
  'ferry_index_bytes_total{direction="sent",for="push"}': 1_000,
  'ferry_index_bytes_total{direction="received",for="push"}': 3_000,
};
const usage = {
  ...{ sinceMs: 0, nowMs: 3 * DAY_MS, counts, storedBytes: 100e9, objects: 10_000 },
  stores: [
    { id: "home", provider: "r2", home: true },
    { id: "west", provider: "aws", home: false },
    { id: "idc", provider: "ceph", home: false },
  ],
};

test("each push and pull is what its requests asked for, and the signed requests it was given", () => {
  const { push, pull, days } = estimate(usage, { prices: PRICES, index: "upstash", runtime: "workers" });
  assert.equal(days, 3);
  assert.deepEqual(push, { times: 10, classA: 104, classB: 100, commands: (200 * COMMANDS_FOR_ONE) / 10, indexBytes: 400 });
  assert.deepEqual(pull, { times: 100, classA: 0, classB: 500, commands: (300 * COMMANDS_FOR_ONE) / 100, indexBytes: 0 });
});

test("a month is thirty days of it: prices beyond what is free, by store and currency; what nobody bills costs nothing", () => {
  const { lines, month } = estimate(usage, { prices: PRICES, index: "upstash", runtime: "workers" });
  const cost = (what: string) => lines.find((line) => line.what === what)?.cost ?? Number.NaN;
  assert.equal(cost("home: stored").toFixed(4), ((100 - 10) * 0.015).toFixed(4));
  assert.equal(cost("home: class A"), 0);
  assert.equal(cost("home: read"), 0);
  assert.equal(cost("west: class A").toFixed(6), (0.005 * 5).toFixed(6));
  assert.equal(lines.find(({ what }) => what === "idc: class A")?.price, null);
  assert.equal(cost("index: commands").toFixed(6), (((5_000 * COMMANDS_FOR_ONE) / 1e6) * 2).toFixed(6));
  assert.equal(cost("app: plan"), 5);
  const sum = lines.reduce((total, line) => total + line.cost, 0);
  assert.equal(month["USD"], sum);
  assert.deepEqual(Object.keys(month), ["USD"]);
});

test("more use never costs less, and free amounts are free", () => {
  const at = (factor: number) => {
    const more = Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, value * factor]));
    return estimate({ ...usage, counts: more }, { prices: PRICES, index: "upstash", runtime: "workers" }).month["USD"] ?? 0;
  };
  const costs = [0, 1, 10, 1_000, 100_000].map(at);
  assert.deepEqual(
    [...costs].sort((a, b) => a - b),
    costs,
  );
  assert.ok((costs.at(-1) ?? 0) > 1_000);
});

test("machines of one's own are billed by nobody", () => {
  const stores = [{ id: "home", provider: "ceph", home: true }];
  const { month, sources } = estimate({ ...usage, stores }, { prices: PRICES, index: "own", runtime: "own" });
  assert.deepEqual([month, sources], [{}, []]);
});

test("every price names a provider that a store may have, a source, and the day it was read or that it was not", () => {
  assert.deepEqual(Prices.parse(PRICES), PRICES);
  for (const [provider, { source, readOn }] of Object.entries(PRICES.stores)) {
    assert.ok(provider in DIALECTS, provider);
    assert.match(source, /^https:\/\//);
    assert.ok(readOn === null || readOn <= "2026-11-24");
  }
});
