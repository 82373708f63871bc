/** Uploads in a real browser: a folder is dropped, its chunks go to the store, and `ferry pull` brings the same bytes. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page, Request } from "playwright-core";
import { RepositoryName } from "../../shared/names.ts";
import { KiB, MiB } from "../../shared/units.ts";
import { assertSound, openConsole, screenshot, startBrowser, visit, type Watched, whyNoBrowser } from "../support/browser.ts";
import { type Live, seededBytes, startLive, writeSafetensors } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const skip = whyNoBrowser() || whyNoRedis();
/** 300 in the brief of the console; less where time is short. */
const FOLDER_MIB = Number(process.env["FERRY_TEST_UPLOAD_MIB"] ?? 100);
const UPLOAD_TIMEOUT_MS = 150_000;

let live: Live;
let browser: Browser;

before(async () => {
  if (!skip) [live, browser] = await Promise.all([startLive({ runtime: "workerd" }), startBrowser()]);
});

after(async () => {
  await browser?.close();
  await live?.stop();
});

async function open(): Promise<Watched> {
  const allowed = live.stack.stores.map(({ endpoint }) => endpoint);
  const watched = await openConsole(browser, live.stack.endpoint, { token: live.stack.token, allowed });
  await visit(watched, "#/upload", "Upload");
  return watched;
}

const NOT_FOUND = "error: Failed to load resource: the server responded with a status of 404 (Not Found)";

function isOfStore(complaint: string): boolean {
  return /status of 5\d\d/.test(complaint) && live.stack.stores.some(({ endpoint }) => complaint.includes(endpoint));
}

/** As a person would: the folder is dragged from the desktop onto the page. */
async function dropFolder(page: Page, path: string): Promise<void> {
  const box = await page.locator(".drop").boundingBox();
  assert.ok(box !== null);
  const debug = await page.context().newCDPSession(page);
  const place = { x: box.x + box.width / 2, y: box.y + 20, data: { items: [], files: [path], dragOperationsMask: 1 } };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) await debug.send("Input.dispatchDragEvent", { type, ...place });
  await debug.detach();
  await page.getByText(/\d+ files, /).waitFor();
}

async function send(page: Page, repository: string): Promise<void> {
  await page.getByLabel("Repository").fill(repository);
  await page.getByRole("main").getByRole("button", { name: "Upload" }).click();
}

/** Bytes that PUTs to a store have carried. */
function countSent(page: Page): { requests: Request[] } {
  const sent: { requests: Request[] } = { requests: [] };
  page.on("request", (request) => {
    if (request.method() === "PUT") sent.requests.push(request);
  });
  return sent;
}

test(`a folder of ${FOLDER_MIB} MiB is dropped and uploaded; ferry pull brings it back byte for byte`, {
  skip,
  timeout: 300_000,
}, async (t) => {
  const folder = tempFolder();
  const size = FOLDER_MIB * MiB;
  const tensors = Object.fromEntries(
    Array.from({ length: 6 }, (_, at) => [`layer.${at}.weight`, { sizeBytes: Math.floor(size / 10) + at, seed: `${at}` }]),
  );
  writeSafetensors(join(folder.path, "weights", "model.safetensors"), { ...tensors, bias: { sizeBytes: 3000, seed: "bias" } });
  writeFileSync(join(folder.path, "opaque.bin"), Buffer.concat([...seededBytes("opaque", Math.floor(size * 0.4))]));
  writeFileSync(join(folder.path, "空 file.txt"), "text");
  writeFileSync(join(folder.path, "empty"), "");
  const watched = await open();
  const { page } = watched;
  await assertSound(watched, "before");
  await dropFolder(page, folder.path);
  const began = performance.now();
  await send(page, "team/uploaded");
  await page.getByText(/Uploaded 4 files/).waitFor({ timeout: UPLOAD_TIMEOUT_MS });
  t.diagnostic(`${((FOLDER_MIB / (performance.now() - began)) * 1000).toFixed(1)} MiB/s into local R2`);
  // The browser itself notes that the repository was not there before, and what a store refused once and took then.
  const noted = watched.complaints.splice(0).filter((text) => !isOfStore(text));
  assert.deepEqual(noted, [`${NOT_FOUND} ${live.stack.endpoint}/api/v1/repositories/team/uploaded/uploads`]);
  await assertSound(watched, "after");
  await screenshot(watched, "upload");
  const back = tempFolder();
  await live.ferry(["pull", "team/uploaded", join(back.path, "back")]);
  assert.deepEqual(snapshot(join(back.path, "back")), snapshot(folder.path));
  await watched.close();
  folder.remove();
  back.remove();
});

test("an upload that ends with its page goes on when the same files are dropped again, and sends no byte that is there", {
  skip,
}, async () => {
  const folder = tempFolder();
  const count = 12;
  for (let at = 0; at < count; at++)
    writeFileSync(join(folder.path, `${at}.bin`), Buffer.concat([...seededBytes(`resume ${at}`, 300 * KiB)]));
  const first = await open();
  let allowed = 5;
  // The store takes some chunks, then nothing: so the page is left in the middle.
  await first.context.route(
    (url) => url.pathname.includes("/chunks/"),
    (route) => (route.request().method() !== "PUT" || allowed-- > 0 ? route.continue() : route.abort()),
  );
  const confirmed = first.page.waitForResponse((response) => response.url().endsWith("/confirm") && response.ok());
  await dropFolder(first.page, folder.path);
  await send(first.page, "team/resumed");
  await confirmed;
  await first.close();

  const again = await open();
  const before = countSent(again.page);
  await dropFolder(again.page, folder.path);
  await send(again.page, "team/resumed");
  await again.page.getByText(/Uploaded 12 files/).waitFor();
  const sentAgain = before.requests.length;
  assert.ok(sentAgain < count, `${sentAgain} of ${count} chunks were sent again`);
  await again.close();

  const third = await open();
  const nothing = countSent(third.page);
  await dropFolder(third.page, folder.path);
  await send(third.page, "team/resumed");
  await third.page.getByText(/of which 0 B were sent/).waitFor();
  assert.equal(nothing.requests.length, 0);
  const { revisionCount } = await live.admin.call("describeRepository", { repository: RepositoryName.parse("team/resumed") });
  assert.equal(revisionCount, 2);
  await third.close();
  folder.remove();
});

test("what can't be stored is refused by its path before anything is sent, and the choice stays", { skip }, async () => {
  const folder = tempFolder();
  writeFileSync(join(folder.path, "con.txt"), "a name that Windows can't have");
  writeFileSync(join(folder.path, "fine.txt"), "fine");
  const watched = await open();
  const sent = countSent(watched.page);
  await dropFolder(watched.page, folder.path);
  await send(watched.page, "not a name");
  await watched.page
    .getByRole("alert")
    .getByText(/name is not valid/)
    .waitFor();
  await send(watched.page, "team/unsafe");
  await watched.page
    .getByRole("alert")
    .getByText(/con\.txt/)
    .waitFor();
  assert.equal(sent.requests.length, 0);
  await watched.page.getByText(/2 files, /).waitFor();
  await assertSound(watched, basename(folder.path));
  await watched.close();
  folder.remove();
});
