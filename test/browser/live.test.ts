/** Pages change as things happen: by a stream, by steps where streams do not come through, and not at all in a tab that nobody sees. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { OperationId, RepositoryName } from "../../shared/names.ts";
import {
  assertSound,
  coloursOf,
  evaluate,
  LONGEST_TASK,
  openConsole,
  settled,
  startBrowser,
  visit,
  type Watched,
  whyNoBrowser,
} from "../support/browser.ts";
import { type Live, startLive } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const skip = whyNoBrowser() || whyNoRedis();
const EVENTS = "**/api/v1/events*";

let live: Live;
let browser: Browser;
let operations = 0;

before(async () => {
  if (skip) return;
  [live, browser] = await Promise.all([startLive({ runtime: "node" }), startBrowser()]);
});

after(async () => {
  await browser?.close();
  await live?.stop();
});

async function open(prepare: (page: Page) => Promise<void> = async () => {}): Promise<Watched> {
  const allowed = live.stack.stores.map(({ endpoint }) => endpoint);
  const watched = await openConsole(browser, live.stack.endpoint, { allowed });
  await prepare(watched.page);
  await evaluate(watched.page, `sessionStorage.setItem("modelferry-token", ${JSON.stringify(live.stack.token)})`);
  await watched.page.reload();
  return watched;
}

const create = (repository: string) =>
  live.admin.call("createRepository", {
    body: { repository: RepositoryName.parse(repository), operationId: OperationId.parse(String(++operations).padStart(16, "0")) },
  });

/** As if somebody looked at another tab, or came back. */
const see = (page: Page, seen: boolean) =>
  evaluate(
    page,
    `Object.defineProperty(document, "hidden", { configurable: true, get: () => ${!seen} }); document.dispatchEvent(new Event("visibilitychange"))`,
  );

test("a repository that is made, a push and a tag are seen on open pages, which were loaded once", { skip }, async () => {
  const watched = await open();
  const { page } = watched;
  await visit(watched, "#/repositories", "Repositories");
  await page.getByText("live", { exact: true }).waitFor();
  await create("team/news");
  await page.getByRole("link", { name: "team/news" }).waitFor();
  await page.getByRole("link", { name: "team/news" }).click();
  await page.getByText("Nothing is here yet").first().waitFor();
  const folder = tempFolder();
  writeFileSync(join(folder.path, "README.md"), "# News of today\n");
  await live.ferry(["push", folder.path, "team/news"]);
  folder.remove();
  await page.getByRole("heading", { name: "News of today" }).waitFor();
  assert.equal(await evaluate(page, "performance.getEntriesByType('navigation').length"), 1);
  await settled(page);
  await assertSound(watched, "live");
  await watched.close();
});

test("a tab that is not seen asks for nothing; seen again it tells what happened meanwhile", { skip }, async () => {
  const watched = await open();
  const { page } = watched;
  await visit(watched, "#/repositories", "Repositories");
  await page.getByText("live", { exact: true }).waitFor();
  await see(page, false);
  await page.getByText("not followed").waitFor();
  let asked = 0;
  page.on("request", () => {
    asked++;
  });
  await create("team/meanwhile");
  // It is sure to have been told by now to somebody who listens.
  const other = await open();
  await visit(other, "#/repositories", "Repositories");
  await other.page.getByRole("link", { name: "team/meanwhile" }).waitFor();
  await other.close();
  assert.equal(asked, 0);
  assert.equal(await page.getByRole("link", { name: "team/meanwhile" }).count(), 0);
  await see(page, true);
  await page.getByRole("link", { name: "team/meanwhile" }).waitFor();
  await watched.close();
});

test("where no stream comes through it asks by steps, and still tells", { skip }, async () => {
  const kinds: string[] = [];
  const watched = await open(async (page) => {
    await page.route(EVENTS, async (route) => {
      const streaming = route.request().headers()["accept"] === "text/event-stream";
      kinds.push(streaming ? "stream" : "page");
      // As a proxy that knows JSON alone.
      await (streaming ? route.fulfill({ status: 200, contentType: "text/html", body: "" }) : route.continue());
    });
  });
  const { page } = watched;
  await visit(watched, "#/repositories", "Repositories");
  await page.getByText("followed by steps").waitFor();
  await page.waitForResponse(
    (response) => /\/events(\?|$)/.test(response.url()) && response.headers()["content-type"]?.includes("json") === true,
  );
  await create("team/steps");
  await page.getByRole("link", { name: "team/steps" }).waitFor();
  assert.deepEqual(kinds.slice(0, 3), ["stream", "stream", "page"]);
  await assertSound(watched, "by steps");
  await watched.close();
});

test("1,000 nodes and 50 revisions are a page at a time and pictures, not 50,000 elements", { skip }, async (t) => {
  const ids = Array.from({ length: 1000 }, (_, at) => `node-${String(at).padStart(4, "0")}`);
  const agent = {
    address: "",
    zone: "",
    weight: 1,
    labels: {},
    version: "0.1.0",
    chunks: 1,
    bytes: 1,
    maxBytes: 2,
    seenAt: "2026-01-01T00:00:00Z",
  };
  const row = { repository: "team/one", ref: "main", revision: "0".repeat(40), state: "running", nodesReady: 500, nodesTarget: 1000 };
  const warmups = Array.from({ length: 50 }, (_, at) => {
    const cells = ids.map((_, node) => "r5f-."[(node + at) % 5]).join("");
    return { ...row, warmup: `w${at}`.padEnd(16, "0"), startedAt: "2026-01-01T00:00:00Z", etaSeconds: null, cells };
  });
  const watched = await open();
  await visit(watched, "#/", "Overview");
  const { page } = watched;
  await page.route("**/api/v1/agents?*", (route) => route.fulfill({ json: { agents: ids.map((id) => ({ id, ...agent })) } }));
  await page.route("**/api/v1/agents/warmth*", (route) => route.fulfill({ json: { groups: ["default"], nodes: ids, warmups } }));
  await visit(watched, "#/nodes", "Nodes");
  await page.getByText("1,000 nodes").first().waitFor();
  assert.equal(await page.locator(".heat canvas").count(), 50);
  assert.ok(Number(await evaluate(page, "document.querySelectorAll('main *').length")) < 3_000);
  assert.equal(await evaluate(page, coloursOf(12_000)), 5);
  t.diagnostic(`longest task of the page: ${Math.round(Number(await evaluate(page, LONGEST_TASK)))} ms`);
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("cell", { name: "node-0100" }).waitFor();
  await assertSound(watched, "1,000 nodes");
  await watched.close();
});
