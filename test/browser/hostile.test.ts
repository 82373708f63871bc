/** Texts of people who mean ill, in everything that a console shows: they stay text. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { OperationId, RepositoryName } from "../../shared/names.ts";
import { assertSound, evaluate, openConsole, startBrowser, visit, whyNoBrowser } from "../support/browser.ts";
import { type Live, startLive } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";
import { XSS } from "../support/xss.ts";

const skip = whyNoBrowser() || whyNoRedis();
const HOSTILE = RepositoryName.parse("team/hostile");
const SHORT = XSS.filter((text) => text.length <= 60);

let live: Live;
let browser: Browser;

before(async () => {
  if (skip) return;
  [live, browser] = await Promise.all([startLive({ runtime: "node" }), startBrowser()]);
  const folder = tempFolder();
  writeFileSync(join(folder.path, "README.md"), `---\nlicense: "${SHORT[0]}"\n---\n${XSS.join("\n\n")}\n`);
  writeFileSync(join(folder.path, "<img src=x onerror=hacked=1>.txt".replaceAll(/[<>]/g, "'")), "x");
  await live.ferry(["push", folder.path, HOSTILE, "-m", XSS.join("\n").slice(0, 4000)]);
  folder.remove();
  const { revision } = await live.admin.call("resolve", { repository: HOSTILE, params: { ref: "main" } });
  const labels = Object.fromEntries(SHORT.slice(0, 20).map((text, at) => [`${at} ${text}`.slice(0, 63), text]));
  await live.admin.call("setLabels", { repository: HOSTILE, params: { ref: revision }, body: { labels, operationId: operationId("l") } });
  for (const [at, message] of SHORT.slice(0, 5).entries()) {
    const body = { ref: revision, force: true, message, operationId: operationId(`t${at}`) };
    await live.admin.call("setTag", { repository: HOSTILE, params: { tag: "prod" }, body });
    await live.admin.call("createToken", { body: { name: message, scopes: [{ repositories: "*", actions: ["pull"] }] } });
  }
  const blocked = RepositoryName.parse("team/blocked");
  await live.admin.call("createRepository", { body: { repository: blocked, operationId: operationId("c") } });
  const reason = XSS.join(" ").slice(0, 900);
  await live.admin.call("blockRepository", { repository: blocked, body: { reason, operationId: operationId("b") } });
});

after(async () => {
  await browser?.close();
  await live?.stop();
});

function operationId(name: string) {
  return OperationId.parse(name.padStart(16, "0"));
}

const PLACES: [string, string][] = [
  ["#/repositories/team/hostile/card", HOSTILE],
  ["#/repositories/team/hostile/files", HOSTILE],
  ["#/repositories/team/hostile/revisions", HOSTILE],
  ["#/repositories/team/hostile/compare", HOSTILE],
  ["#/repositories/team/hostile/refs", HOSTILE],
  ["#/repositories/team/hostile/use", HOSTILE],
  ["#/repositories/team/hostile/manage", HOSTILE],
  ["#/repositories/team/blocked/card", "team/blocked"],
  ["#/tokens", "Tokens"],
  ["#/audit", "Audit"],
  ["#/nodes", "Nodes"],
  ["#/replication", "Replication"],
  ["#/webhooks", "Webhooks"],
  ["#/trash", "Trash"],
  ["#/cost", "Cost"],
  ["#/", "Overview"],
];

test("hostile texts run nothing, fetch nothing and break no page", { skip }, async () => {
  const allowed = live.stack.stores.map(({ endpoint }) => endpoint);
  const watched = await openConsole(browser, live.stack.endpoint, { token: live.stack.token, allowed });
  const { page } = watched;
  page.on("dialog", (dialog) => assert.fail(dialog.message()));
  for (const [hash, heading] of PLACES) {
    await visit(watched, hash, heading);
    assert.equal(await evaluate(page, "typeof globalThis.hacked"), "undefined", hash);
    const active =
      "[...document.querySelectorAll('main script, main iframe, main object, main embed, main form[action], main style, main link, main base, main img')].length";
    assert.equal(await evaluate(page, active), 0, hash);
    const addresses = await evaluate(page, "[...document.querySelectorAll('main a')].map((a) => a.href)");
    for (const address of addresses as string[]) assert.match(address, /^(?:https?|mailto):/, hash);
    await assertSound(watched, hash);
  }
  await watched.close();
});

test("the page's policy allows no code from elsewhere, nothing inline, and to speak to this deployment and its stores only", {
  skip,
}, async () => {
  const response = await fetch(`${live.stack.endpoint}/`);
  const policy = response.headers.get("content-security-policy") ?? "";
  const origins = new Set(live.stack.stores.map(({ endpoint }) => new URL(endpoint).origin));
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.ok(policy.includes(`connect-src 'self' ${[...origins].join(" ")};`), policy);
  assert.ok(!/unsafe|\*/.test(policy), policy);
  const script = await fetch(`${live.stack.endpoint}/console/app.js`);
  assert.match(script.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.equal(script.headers.get("x-content-type-options"), "nosniff");
});
