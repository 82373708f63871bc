/** People who log in by their identity provider: the console works in their session, whose secret no script sees. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { OperationId } from "../../shared/names.ts";
import { assertSound, evaluate, openConsole, startBrowser, visit, whyNoBrowser } from "../support/browser.ts";
import { type Live, startLive } from "../support/live.ts";
import { type Issuer, startIssuer } from "../support/oidc-issuer.ts";
import { whyNoRedis } from "../support/stack.ts";

const skip = whyNoBrowser() || whyNoRedis();
const CLIENT_ID = "console";

let live: Live;
let browser: Browser;
let issuer: Issuer;
let provider: Server;

/** The least of a provider: whoever comes is ada, and goes straight back. */
function startProvider(): Promise<string> {
  const nonces = new Map<string, string>();
  provider = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://provider");
    if (url.pathname === "/authorize") {
      const code = `code-${nonces.size}`;
      nonces.set(code, url.searchParams.get("nonce") ?? "");
      const back = new URL("/auth/callback", live.stack.endpoint);
      back.search = new URLSearchParams({ code, state: url.searchParams.get("state") ?? "" }).toString();
      response.writeHead(302, { location: back.href }).end();
      return;
    }
    let body = "";
    for await (const part of request) body += part;
    const nonce = nonces.get(new URLSearchParams(body).get("code") ?? "");
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer.issuer,
      aud: CLIENT_ID,
      sub: "ada",
      email: "ada@example.com",
      email_verified: true,
      nonce,
      iat: now,
      exp: now + 300,
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id_token: await issuer.sign(claims) }));
  });
  return new Promise((resolve) => {
    provider.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(provider.address() as AddressInfo).port}`));
  });
}

before(async () => {
  if (skip) return;
  issuer = await startIssuer();
  const at = await startProvider();
  const login = {
    issuer: issuer.issuer,
    authorizationUrl: `${at}/authorize`,
    tokenUrl: `${at}/token`,
    jwksUrl: issuer.jwksUrl,
    clientId: CLIENT_ID,
    redirectUrl: "http://127.0.0.1:1/auth/callback",
  };
  [live, browser] = await Promise.all([startLive({ runtime: "node", vars: { LOGIN: JSON.stringify(login) } }), startBrowser()]);
  const grant = {
    claim: "email",
    value: "ada@example.com",
    role: "writer",
    repositories: "team/*",
    operationId: OperationId.parse("g".repeat(16)),
  } as const;
  await live.admin.call("grantUser", { body: grant });
});

after(async () => {
  await browser?.close();
  await live?.stop();
  await issuer?.stop();
  provider?.close();
  provider?.closeAllConnections();
});

test("somebody logs in by the provider, makes a repository in the session, and logs out of it", { skip }, async () => {
  const { port } = provider.address() as AddressInfo;
  const watched = await openConsole(browser, live.stack.endpoint, { allowed: [`http://127.0.0.1:${port}`] });
  const { page } = watched;
  await page.getByRole("link", { name: "Log in with your organisation" }).click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  await page.getByText("ada@example.com").waitFor();
  assert.equal(await evaluate(page, "sessionStorage.length"), 0);
  assert.ok(!/__Host-ferry=/.test(String(await evaluate(page, "document.cookie"))));
  await visit(watched, "#/repositories", "Repositories");
  await page.getByRole("button", { name: "New repository" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("team/ada");
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { level: 1, name: "team/ada" }).waitFor();
  await assertSound(watched, "session");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "team/ada" }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { level: 1, name: "Log in" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Log in" }).waitFor();
  await assertSound(watched, "out");
  await watched.close();
});
