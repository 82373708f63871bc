/** The console on a running system, in a real browser: log-in, repositories, everything about one of them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { RepositoryName } from "../../shared/names.ts";
import { KiB } from "../../shared/units.ts";
import {
  assertSound,
  evaluate,
  LONGEST_TASK,
  openConsole,
  screenshot,
  settled,
  startBrowser,
  visit,
  type Watched,
  whyNoBrowser,
} from "../support/browser.ts";
import { type Live, startLive, writeSafetensors } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const skip = whyNoBrowser() || whyNoRedis();
const DEMO = RepositoryName.parse("team/demo");

let live: Live;
let browser: Browser;
let folder: ReturnType<typeof tempFolder>;

before(async () => {
  if (skip) return;
  [live, browser] = await Promise.all([startLive({ runtime: "workerd" }), startBrowser()]);
  folder = tempFolder();
  writeFileSync(join(folder.path, "README.md"), "---\nlicense: apache-2.0\ntags:\n- vision\n---\n# Demo model\n\nIt **sees**.\n");
  writeFileSync(join(folder.path, "config.json"), '{"layers": 2}\n');
  const tensors = { "layer.0.weight": { sizeBytes: 300 * KiB, seed: "0" }, "layer.1.weight": { sizeBytes: 200 * KiB, seed: "1" } };
  writeSafetensors(join(folder.path, "weights", "model.safetensors"), tensors);
  await live.ferry(["push", folder.path, "team/demo", "-m", "first"]);
  writeFileSync(join(folder.path, "config.json"), '{"layers": 3}\n');
  await live.ferry(["push", folder.path, "team/demo", "-m", "second"]);
});

after(async () => {
  await browser?.close();
  await live?.stop();
  folder?.remove();
});

function stores(): string[] {
  return live.stack.stores.map(({ endpoint }) => endpoint);
}

async function open(hash: string, heading: string | RegExp): Promise<Watched> {
  const watched = await openConsole(browser, live.stack.endpoint, { token: live.stack.token, allowed: stores() });
  await visit(watched, hash, heading);
  return watched;
}

test("a token logs in; a wrong one is refused with what to do; the token is in no address and no lasting storage", { skip }, async () => {
  const watched = await openConsole(browser, live.stack.endpoint, {});
  const { page } = watched;
  await page.getByLabel("Token").fill("hf_wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").waitFor();
  assert.match((await page.getByRole("alert").textContent()) ?? "", /TOKEN_INVALID/);
  // The browser itself notes the 401.
  watched.complaints.length = 0;
  await assertSound(watched, "log-in");
  await page.getByLabel("Token").fill(live.stack.token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  assert.ok(!page.url().includes(live.stack.token));
  assert.ok(!String(await evaluate(page, "JSON.stringify(localStorage)")).includes(live.stack.token));
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { level: 1, name: "Log in" }).waitFor();
  assert.equal(await evaluate(page, "sessionStorage.length"), 0);
  await watched.close();
});

test("repositories are listed and found by a part of their name", { skip }, async () => {
  const watched = await open("#/repositories", "Repositories");
  const { page } = watched;
  await page.getByRole("link", { name: "team/demo" }).waitFor();
  await page.getByLabel("Find").fill("EMO");
  await page.keyboard.press("Enter");
  await settled(page);
  assert.equal(await page.getByRole("link", { name: "team/demo" }).count(), 1);
  await page.getByLabel("Find").fill("nothing like it");
  await page.keyboard.press("Enter");
  await page.getByText("No repository has this in its name.").waitFor();
  await assertSound(watched, "repositories");
  await screenshot(watched, "repositories");
  await watched.close();
});

test("of 10,000 repositories a page is shown, a search walks all of them, and never more than 200 rows are drawn", { skip }, async (t) => {
  const names = Array.from({ length: 10_000 }, (_, at) => `team-${at % 100}/model-${String(at).padStart(5, "0")}`);
  const watched = await openConsole(browser, live.stack.endpoint, { token: live.stack.token, allowed: stores() });
  const { page } = watched;
  let asked = 0;
  await watched.context.route("**/api/v1/repositories?*", (route) => {
    asked++;
    const query = new URL(route.request().url()).searchParams;
    const [from, limit] = [Number(query.get("cursor") ?? 0), Number(query.get("limit"))];
    const row = (repository: string) => ({
      repository,
      id: repository.slice(-5).padStart(16, "0"),
      createdAt: "2026-01-01T00:00:00Z",
      createdBy: "x",
      blocked: null,
    });
    const next = from + limit < names.length ? String(from + limit) : null;
    return route.fulfill({ json: { repositories: names.slice(from, from + limit).map(row), next } });
  });
  await visit(watched, "#/repositories", "Repositories");
  assert.equal(await page.getByRole("row").count(), 51);
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("link", { name: "model-00050" }).waitFor();
  await page.getByRole("button", { name: "Previous" }).click();
  await page.getByRole("link", { name: "model-00000" }).waitFor();
  await page.getByLabel("Find").fill("model-09");
  await page.keyboard.press("Enter");
  await page.getByText("Only the first 200 are shown").waitFor();
  assert.equal(await page.getByRole("row").count(), 201);
  t.diagnostic(`longest task of the page: ${Math.round(Number(await evaluate(page, LONGEST_TASK)))} ms`);
  asked = 0;
  await page.getByLabel("Find").fill("model-09999");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "model-09998" }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "model-09999" }).waitFor();
  await settled(page);
  assert.equal(await page.getByRole("row").count(), 2);
  assert.equal(asked, 10);
  await watched.close();
});

test("the card is shown from README.md, with the front matter apart", { skip }, async () => {
  const watched = await open("#/repositories/team/demo", "team/demo");
  const { page } = watched;
  await page.getByRole("heading", { level: 2, name: "Demo model" }).waitFor();
  await page.getByText("apache-2.0").waitFor();
  await page.getByText("Not signed.").waitFor();
  assert.equal(await page.locator("article strong").textContent(), "sees");
  await assertSound(watched, "card");
  await screenshot(watched, "card");
  await watched.close();
});

test("files: folders, a file's digest, its tensors from the header, and its bytes, verified", { skip }, async () => {
  const watched = await open("#/repositories/team/demo/files", "team/demo");
  const { page } = watched;
  await page.getByRole("link", { name: "weights/" }).click();
  await page.getByRole("link", { name: "model.safetensors" }).click();
  await page.getByText("layer.1.weight").waitFor();
  assert.equal(await page.getByText("[307200]").count(), 1);
  await settled(page);
  await assertSound(watched, "file");
  await screenshot(watched, "file");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  const got = readFileSync(await download.path());
  assert.deepEqual(got, readFileSync(join(folder.path, "weights", "model.safetensors")));
  await watched.close();
});

test("revisions, and what changed between two", { skip }, async () => {
  const watched = await open("#/repositories/team/demo/revisions", "team/demo");
  const { page } = watched;
  await page.getByRole("cell", { name: /second$/ }).waitFor();
  await assertSound(watched, "revisions");
  await page.getByRole("link", { name: "Compare" }).last().click();
  await page.getByRole("cell", { name: "config.json" }).waitFor();
  await settled(page);
  await assertSound(watched, "compare");
  await screenshot(watched, "compare");
  await watched.close();
});

test("a tag is made, locked, unlocked, moved, and rolled back", { skip }, async () => {
  const watched = await open("#/repositories/team/demo/refs", "team/demo");
  const { page } = watched;
  const dialog = page.getByRole("dialog");
  const row = page.getByRole("row", { name: /prod/ });
  await page.getByRole("button", { name: "New tag" }).click();
  await dialog.getByLabel("Tag").fill("prod");
  await assertSound(watched, "dialog");
  await dialog.getByRole("button", { name: "Set" }).click();
  await row.waitFor();
  await row.getByRole("button", { name: "Lock" }).click();
  await dialog.getByRole("button", { name: "Lock" }).click();
  await row.getByText("locked", { exact: true }).waitFor();
  assert.ok(await row.getByRole("button", { name: "Promote" }).isDisabled());
  await row.getByRole("button", { name: "Unlock" }).click();
  await dialog.getByRole("button", { name: "Unlock" }).click();
  await row.getByText("locked", { exact: true }).waitFor({ state: "detached" });
  const { refs } = await live.admin.call("describeRepository", { repository: DEMO });
  const { revisions } = await live.admin.call("listRevisions", { repository: DEMO });
  const [newest, oldest] = revisions;
  assert.equal(refs.tags["prod"], newest?.revision);
  await row.getByRole("button", { name: "Promote" }).click();
  await dialog.getByLabel("Point at").fill(oldest?.revision ?? "");
  await dialog.getByRole("button", { name: "Set" }).click();
  await row.getByText(oldest?.revision.slice(0, 12) ?? "").waitFor();
  await row.getByRole("button", { name: "Roll back" }).click();
  await dialog.getByRole("button", { name: "Roll back" }).click();
  await row.getByText(newest?.revision.slice(0, 12) ?? "").waitFor();
  await row.getByRole("button", { name: "History" }).click();
  await dialog.getByRole("listitem").nth(2).waitFor();
  assert.equal(await dialog.getByRole("listitem").count(), 3);
  await dialog.getByRole("button", { name: "Close" }).click();
  await assertSound(watched, "refs");
  await screenshot(watched, "refs");
  await watched.close();
});
