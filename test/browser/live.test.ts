/** Pages change as things happen: by a stream, by steps where streams do not come through, and not at all in a tab that nobody sees. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { OperationId, RepositoryName } from "../../shared/names.ts";
import { assertSound, evaluate, openConsole, settled, startBrowser, visit, type Watched, whyNoBrowser } from "../support/browser.ts";
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
