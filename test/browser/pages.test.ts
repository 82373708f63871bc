/** The deployment's own pages on a running system: overview, storage, tokens, audit, settings, API, trash; in both languages and themes. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { buildConsole } from "../../scripts/build-console.ts";
import { OperationId, RepositoryName } from "../../shared/names.ts";
import { KiB } from "../../shared/units.ts";
import {
  assertSound,
  coloursOf,
  evaluate,
  openConsole,
  screenshot,
  settled,
  startBrowser,
  USABLE,
  visit,
  type Watched,
  whyNoBrowser,
} from "../support/browser.ts";
import { type Live, startLive } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const skip = whyNoBrowser() || whyNoRedis();
const FIRST_LOAD_GZIP_BYTES_MAX = 120 * KiB;

let live: Live;
let browser: Browser;

before(async () => {
  if (skip) return;
  [live, browser] = await Promise.all([startLive({ runtime: "node" }), startBrowser()]);
  const folder = tempFolder();
  writeFileSync(join(folder.path, "weights.bin"), Buffer.alloc(200 * KiB, 1));
  await live.ferry(["push", folder.path, "team/one"]);
  await live.ferry(["pull", "team/one", join(folder.path, "back")]);
  folder.remove();
  const lost = RepositoryName.parse("team/lost");
  await live.admin.call("createRepository", { body: { repository: lost, operationId: OperationId.parse("c".repeat(16)) } });
  await live.admin.call("deleteRepository", { repository: lost, query: { operationId: OperationId.parse("d".repeat(16)) } });
});

after(async () => {
  await browser?.close();
  await live?.stop();
});

async function open(hash: string, heading: string, options: { locale?: string; colorScheme?: "light" | "dark" } = {}): Promise<Watched> {
  const allowed = live.stack.stores.map(({ endpoint }) => endpoint);
  const watched = await openConsole(browser, live.stack.endpoint, { token: live.stack.token, allowed, ...options });
  await visit(watched, hash, heading);
  return watched;
}

test("what loads before anything is shown has at most 120 KiB gzip, and nothing of it comes from elsewhere", async (t) => {
  const { firstLoadGzipBytes, totalGzipBytes } = await buildConsole();
  t.diagnostic(`first load ${(firstLoadGzipBytes / KiB).toFixed(1)} KiB gzip, all pages ${(totalGzipBytes / KiB).toFixed(1)} KiB`);
  assert.ok(firstLoadGzipBytes <= FIRST_LOAD_GZIP_BYTES_MAX);
});

test("the overview tells what is held, saved, done in the last day, and what needs somebody", { skip }, async (t) => {
  const watched = await open("#/", "Overview");
  const { page } = watched;
  await page.getByText(/1 pushes/).waitFor();
  const ready = await evaluate(
    page,
    "performance.getEntriesByType('paint').find(({ name }) => name === 'first-contentful-paint').startTime",
  );
  t.diagnostic(`first contentful paint after ${Math.round(Number(ready))} ms, to be used after ${await evaluate(page, USABLE)} ms`);
  await page.getByText("Saved").waitFor();
  await assertSound(watched, "overview");
  await screenshot(watched, "overview");
  await watched.close();
});

test("storage: proven checks of the stores; a dry run of collection is started and told", { skip }, async () => {
  const watched = await open("#/storage", "Storage");
  const { page } = watched;
  await page
    .getByRole("cell", { name: /payload/ })
    .first()
    .waitFor();
  // On a slow machine the minute's bell may have collected before.
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await page.getByText("dry run", { exact: true }).waitFor();
  await settled(page);
  await assertSound(watched, "storage");
  await screenshot(watched, "storage");
  await watched.close();
});

test("replication: a policy is made after a look at what it would copy; its replica becomes ready and is seen beside its repository", {
  skip,
}, async () => {
  const watched = await open("#/replication", "Replication");
  const { page } = watched;
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "New policy" }).click();
  await dialog.getByLabel("Name").fill("all-west");
  await dialog.getByLabel("Repositories").fill("team/*");
  await dialog.getByLabel("Stores").fill("west");
  await dialog.getByRole("button", { name: "What would it copy?" }).click();
  await dialog.getByText(/Matches 1 revisions; 1 are missing/).waitFor();
  await assertSound(watched, "new policy");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "all-west" }).waitFor();
  await page.getByRole("button", { name: "Compare now" }).click();
  await settled(page);
  await assertSound(watched, "replication");
  await screenshot(watched, "replication");
  for (let step = 0; step < 20 && !(await isReady("west")); step++) await live.admin.call("stepSync", {});
  await visit(watched, "#/repositories/team/one/where", "team/one");
  await page.getByRole("columnheader", { name: "west" }).waitFor();
  await page.getByRole("cell", { name: "ready" }).first().waitFor();
  await assertSound(watched, "where");
  await screenshot(watched, "where");
  await watched.close();
});

async function isReady(store: string): Promise<boolean> {
  const { replicas } = await live.admin.call("syncStatus", { query: { repository: RepositoryName.parse("team/one") } });
  return replicas.some(({ stores }) => stores.some((at) => at.store === store && at.state === "ready"));
}

test("webhooks: one is made, its secret shown once; its deliveries are looked at; it is removed", { skip }, async () => {
  const watched = await open("#/webhooks", "Webhooks");
  const { page } = watched;
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "New webhook" }).click();
  await dialog.getByLabel("Name").fill("ci");
  await dialog.getByLabel("Address").fill("https://hooks.example.com/modelferry");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByText("Copy it now").waitFor();
  assert.match((await page.locator("figure code").textContent()) ?? "", /^whsec_/);
  await page.getByRole("button", { name: "Deliveries" }).click();
  await settled(page);
  await assertSound(watched, "webhooks");
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Remove" }).click();
  await dialog.getByRole("button", { name: "Remove" }).click();
  await page.getByText("Nobody is told.").waitFor();
  await assertSound(watched, "webhooks removed");
  await watched.close();
});

const NODES = 60;

test("nodes: agents are listed; the map of warmth has a drawn cell for each, with its name", { skip }, async () => {
  const start = async (name: string) => {
    const body = { nodes: { kind: "all" as const }, operationId: OperationId.parse(name.padEnd(16, "0")) };
    return (await live.admin.call("startWarmup", { repository: RepositoryName.parse("team/one"), body })).warmup?.id ?? "";
  };
  const warmups = [await start("first"), await start("second"), await start("third")];
  const about = { address: "", zone: "z1", weight: 1, labels: {}, version: "0.1.0", maxBytes: 1000 * KiB };
  const beat = (at: number) => {
    const agent = { ...about, id: `node-${String(at).padStart(4, "0")}`, chunks: at, bytes: at * KiB };
    const state = at === 7 ? ("failed" as const) : at % 3 === 0 ? ("running" as const) : ("ready" as const);
    const counts = { chunks: 10, chunksReady: 5, bytes: NODES, bytesReady: at, bytesPerSecond: 10, problem: "" };
    return live.admin.call("heartbeat", {
      body: { group: "default", agent, reports: warmups.map((warmup) => ({ warmup, state, ...counts })) },
    });
  };
  await Promise.all(Array.from({ length: NODES }, (_, at) => beat(at)));
  const watched = await open("#/nodes", "Nodes");
  const { page } = watched;
  await page.getByText(`${NODES} nodes`).first().waitFor();
  const map = page.getByRole("region", { name: "Warmth of nodes" });
  assert.equal(await map.getByRole("img").count(), 3);
  const label = await map.getByRole("img").first().getAttribute("aria-label");
  assert.equal(label, "39 of 60 nodes are ready, 1 failed node-0007");
  // Ready, failed, warming on the colour of what is not there yet, and the ground between.
  assert.equal(await evaluate(page, coloursOf(NODES * 12)), 5);
  await map
    .getByRole("img")
    .first()
    .hover({ position: { x: 7.5 * 12, y: 7 } });
  await page.getByText("node-0007: failed").waitFor();
  await assertSound(watched, "nodes");
  await screenshot(watched, "nodes");
  const gpu = { ...about, id: "gpu-0", chunks: 0, bytes: 0 };
  await live.admin.call("heartbeat", { body: { group: "gpu", agent: gpu } });
  await visit(watched, "#/", "Overview");
  await visit(watched, "#/nodes", "Nodes");
  await page.getByLabel("Group").selectOption("gpu");
  await page.getByRole("cell", { name: "gpu-0" }).waitFor();
  await visit(watched, "#/", "Overview");
  await page.getByRole("cell", { name: "warming 39 / 60" }).first().waitFor();
  await assertSound(watched, "overview at work");
  await screenshot(watched, "overview-at-work");
  await watched.close();
});

test("cost: what a push asked for is told, and a month of it by the prices of a provider that is chosen", { skip }, async () => {
  const watched = await open("#/cost", "Cost");
  const { page } = watched;
  await page
    .getByText(/each \d+(?:\.\d)? class A/)
    .first()
    .waitFor();
  await page.getByText("nothing is billed").waitFor();
  await page.getByLabel("As if the stores were").selectOption("r2");
  await page.getByText("$5.00", { exact: true }).first().waitFor();
  await page.getByText(/developers.cloudflare.com\/r2\/pricing/).waitFor();
  await settled(page);
  await assertSound(watched, "cost");
  await screenshot(watched, "cost");
  await watched.close();
});

test("tokens: one is made, its secret shown once, and revoked", { skip }, async () => {
  const watched = await open("#/tokens", "Tokens");
  const { page } = watched;
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "New token" }).click();
  await dialog.getByLabel("Name").fill("ci");
  await dialog.getByLabel("Repositories").fill("team/*");
  await dialog.getByLabel(/push:/).check();
  await assertSound(watched, "new token");
  await dialog.getByRole("button", { name: "Create" }).click();
  const secret = await page.locator("figure code").textContent();
  assert.match(secret ?? "", /^hf_/);
  const { repositories } = await live.clientFor(secret ?? "").call("listRepositories", {});
  assert.equal(repositories.length, 1);
  const row = page.getByRole("row", { name: /^ci / });
  await row.getByText("team/*: pull, push").waitFor();
  await row.getByRole("button", { name: "Revoke" }).click();
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await row.getByText("revoked").waitFor();
  await assertSound(watched, "tokens");
  await screenshot(watched, "tokens");
  const { tokens } = await live.admin.call("listTokens", {});
  assert.notEqual(tokens.find(({ name }) => name === "ci")?.revokedAt, null);
  await watched.close();
});

test("people: a role is given by an address, seen, and taken away", { skip }, async () => {
  const watched = await open("#/tokens", "Tokens");
  const { page } = watched;
  const dialog = page.getByRole("dialog");
  await page.getByText("Nobody has a role.").waitFor();
  await page.getByRole("button", { name: "Give a role" }).click();
  await dialog.getByLabel("Who").fill("ada@example.com");
  await dialog.getByLabel("Role").selectOption("writer");
  await dialog.getByLabel("Repositories").fill("team/*");
  await assertSound(watched, "role");
  await dialog.getByRole("button", { name: "Save" }).click();
  const row = page.getByRole("row", { name: /ada@example.com/ });
  await row.getByText("writer").waitFor();
  await row.getByRole("button", { name: "Remove" }).click();
  await dialog.getByRole("button", { name: "Remove" }).click();
  await page.getByText("Nobody has a role.").waitFor();
  await watched.close();
});

test("audit: events, and only those that a filter lets through", { skip }, async () => {
  const watched = await open("#/audit", "Audit");
  const { page } = watched;
  await page.getByRole("cell", { name: "commit", exact: true }).first().waitFor();
  await page.getByLabel("Act").fill("deleteRepository");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("cell", { name: "commit", exact: true }).first().waitFor({ state: "detached" });
  assert.equal(await page.getByRole("cell", { name: "team/lost" }).count(), 1);
  await assertSound(watched, "audit");
  await screenshot(watched, "audit");
  await watched.close();
});

test("the trash: a repository comes back", { skip }, async () => {
  const watched = await open("#/trash", "Trash");
  const { page } = watched;
  await page.getByRole("cell", { name: "team/lost" }).waitFor();
  await assertSound(watched, "trash");
  await page.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await page.getByText("The trash is empty.").waitFor();
  await visit(watched, "#/repositories/team/lost", "team/lost");
  await page.getByText(/Nothing is here yet/).waitFor();
  await watched.close();
});

test("settings and the API's description, made from /openapi.json", { skip }, async () => {
  const watched = await open("#/settings", "Settings");
  const { page } = watched;
  await page.getByText(`ferry login ${live.stack.endpoint}`).waitFor();
  await assertSound(watched, "settings");
  await visit(watched, "#/docs", "API");
  await page.getByLabel("Find a call").fill("reserve");
  await page.getByText("For each chunk: have it, or a ticket").click();
  await page.getByRole("heading", { name: "Answer 200" }).waitFor();
  await assertSound(watched, "docs");
  await screenshot(watched, "docs");
  await watched.close();
});

test("in Chinese and in the dark every page is as sound, and both are kept", { skip }, async () => {
  const watched = await open("#/", "总览", { locale: "zh-CN", colorScheme: "dark" });
  const { page } = watched;
  assert.equal(await evaluate(page, "document.documentElement.lang"), "zh-CN");
  for (const [hash, heading] of CHINESE) {
    await visit(watched, hash, heading);
    await assertSound(watched, `${hash} in Chinese`);
  }
  await visit(watched, "#/", "总览");
  await screenshot(watched, "overview-zh-dark");
  await page.getByLabel("语言").selectOption("en");
  await page.getByLabel("Theme").selectOption("light");
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  assert.equal(await evaluate(page, "document.documentElement.dataset.theme"), "light");
  await settled(page);
  await assertSound(watched, "light");
  await watched.close();
});

const CHINESE: [string, string][] = [
  ["#/repositories", "仓库"],
  ["#/repositories/team/one/refs", "team/one"],
  ["#/upload", "上传"],
  ["#/replication", "复制"],
  ["#/nodes", "节点"],
  ["#/webhooks", "Webhook"],
  ["#/cost", "费用"],
  ["#/trash", "回收站"],
  ["#/storage", "存储"],
  ["#/tokens", "令牌"],
  ["#/audit", "审计"],
  ["#/settings", "设置"],
  ["#/docs", "API"],
];

test("who may only pull sees what is theirs, and no page asks for what they would be refused", { skip }, async () => {
  const token = await live.tokenFor({ repositories: "team/one", actions: ["pull"] });
  const watched = await openConsole(browser, live.stack.endpoint, { token });
  const { page } = watched;
  for (const [hash, heading] of [
    ["#/", "Overview"],
    ["#/repositories", "Repositories"],
    ["#/tokens", "Tokens"],
    ["#/storage", "Storage"],
    ["#/trash", "Trash"],
  ] as const) {
    await visit(watched, hash, heading);
    await assertSound(watched, hash);
  }
  await visit(watched, "#/repositories", "Repositories");
  assert.equal(await page.getByRole("row").count(), 2);
  await watched.close();
});

test("by keyboard alone: past the navigation to the content, into a dialog and out of it", { skip }, async () => {
  const watched = await open("#/repositories", "Repositories");
  const { page } = watched;
  await page.locator("body").press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await evaluate(page, "document.activeElement.tagName"), "MAIN");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await evaluate(page, "document.activeElement.textContent"), "New repository");
  await watched.close();
});
