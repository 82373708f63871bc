/** People: a login at a real identity provider on loopback, sessions in cookies, roles by subject, verified address and group. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { WhoAmI } from "../../../shared/contract/access.ts";
import type { UserGrantRequest } from "../../../shared/contract/people.ts";
import { RepositoryPage } from "../../../shared/contract/repositories.ts";
import { Problem } from "../../../shared/contract/routes.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { type Issuer, startIssuer } from "../../support/oidc-issuer.ts";
import { Browser, CLIENT, logIn, loginAt } from "../../support/person.ts";
import { Pusher } from "../../support/pusher.ts";

const M = repositoryName("team/m");
const ADA = { sub: "ada-7", email: "ada@example.com", email_verified: true, groups: ["ml", "staff"] };

let issuer: Issuer;
let app: MemoryApp;
let browser: Browser;
before(async () => {
  issuer = await startIssuer();
});
after(() => issuer.stop());
beforeEach(async () => {
  app = await memoryApp({ ids: ["home"], login: loginAt(issuer) });
  browser = new Browser(app);
  await new Pusher(app.admin, app.stores.fetch).create(M);
});

const grant = (more: Partial<UserGrantRequest>) => {
  const body = {
    claim: "sub" as const,
    value: ADA.sub,
    role: "reader" as const,
    repositories: "team/*",
    ...more,
    operationId: operationId(),
  };
  return app.admin.call("grantUser", { body });
};
const login = (change: object = {}, claims: object = ADA) => logIn({ browser, app, issuer, claims, change });
const codeOf = async (response: Response) => (response.ok || response.status === 302 ? "OK" : Problem.parse(await response.json()).code);
const see = async () => codeOf(await browser.ask("/api/v1/repositories/team/m"));

test("a login ends in a session that works on the API, and whoami says who it is", async () => {
  await grant({ role: "writer" });
  const response = await logIn({ browser, app, issuer, claims: ADA, place: "/models/team?x=1" });
  assert.deepEqual([response.status, response.headers.get("location")], [302, "/models/team?x=1"]);
  const who = WhoAmI.parse(await (await browser.ask("/api/v1/whoami")).json());
  assert.deepEqual([who.kind, who.name, who.scopes], ["session", ADA.email, [{ repositories: "team/*", actions: ["pull", "push"] }]]);
  assert.equal(await see(), "OK");
  const { events } = await app.admin.call("listAudit", { query: { act: "login" } });
  assert.deepEqual(
    events.map(({ caller, result }) => [caller?.name, result]),
    [[ADA.email, "OK"]],
  );
});

test("its cookies are this host's alone; the secret is not readable, nor good as a bearer token; a token is not good as a cookie", async () => {
  await grant({});
  await login();
  const named = (name: string) => browser.setCookies.find((text) => text.startsWith(`${name}=`)) ?? "";
  for (const flag of [/Path=\//, /Secure/, /SameSite=Lax/, /Max-Age=3600/]) {
    assert.match(named("__Host-ferry"), flag);
    assert.match(named("__Host-ferry-csrf"), flag);
  }
  assert.match(named("__Host-ferry"), /HttpOnly/);
  assert.doesNotMatch(named("__Host-ferry"), /Domain/i);
  const secret = browser.cookies.get("__Host-ferry") ?? "";
  const bare = await app.fetch("http://ferry.test/api/v1/whoami", { headers: { authorization: `Bearer ${secret}` } });
  assert.equal(await codeOf(bare), "TOKEN_INVALID");
  const hub = await app.fetch("http://ferry.test/api/whoami-v2", { headers: { authorization: `Bearer ${secret}` } });
  assert.equal(hub.status, 401);
  const { token } = await app.admin.call("createToken", { body: { name: "x", scopes: [{ repositories: "team/*", actions: ["pull"] }] } });
  const swapped = await app.fetch("http://ferry.test/api/v1/whoami", { headers: { cookie: `__Host-ferry=${token}` } });
  assert.equal(await codeOf(swapped), "TOKEN_INVALID");
  const both = await app.fetch("http://ferry.test/api/v1/whoami", {
    headers: { cookie: `__Host-ferry=${secret}`, authorization: "Bearer x" },
  });
  assert.equal(await codeOf(both), "TOKEN_INVALID");
});

test("a write needs the header that belongs to this session, whatever site made the browser ask", async () => {
  await grant({ role: "maintainer" });
  await login();
  const path = "/api/v1/repositories/team/m/trash";
  const body = { revisions: ["0".repeat(40)], operationId: operationId() };
  assert.equal(await codeOf(await browser.ask(path, { method: "POST", body })), "CSRF_INVALID");
  const other = new Browser(app);
  await logIn({ browser: other, app, issuer, claims: ADA });
  const csrf = other.cookies.get("__Host-ferry-csrf") ?? "";
  for (const wrong of [csrf, "", "null", `${browser.cookies.get("__Host-ferry-csrf")}x`])
    assert.equal(await codeOf(await browser.ask(path, { method: "POST", body, headers: { "x-ferry-csrf": wrong } })), "CSRF_INVALID");
  assert.equal(await codeOf(await browser.write(path, "POST", body)), "REVISION_UNKNOWN");
});

test("who has no role sees nothing; roles come by subject, group and verified address, and give what they say", async () => {
  await login();
  assert.equal(await see(), "REPOSITORY_UNKNOWN");
  assert.deepEqual(RepositoryPage.parse(await (await browser.ask("/api/v1/repositories")).json()).repositories, []);
  for (const fits of [
    { claim: "groups" as const, value: "ml" },
    { claim: "email" as const, value: ADA.email },
    { claim: "sub" as const, value: ADA.sub },
  ]) {
    const { id } = await grant(fits);
    app.clock.advance(31_000);
    assert.equal(await see(), "OK", fits.claim);
    await app.admin.call("revokeUserGrant", { params: { id }, query: { operationId: operationId() } });
    app.clock.advance(31_000);
    assert.equal(await see(), "REPOSITORY_UNKNOWN", fits.claim);
  }
  const stranger = new Browser(app);
  await grant({ claim: "email", value: "eve@example.com" });
  await grant({ claim: "groups", value: "m" });
  await logIn({ browser: stranger, app, issuer, claims: { sub: "eve", email: "eve@example.com", email_verified: false, groups: "ml" } });
  assert.equal(await codeOf(await stranger.ask("/api/v1/repositories/team/m")), "REPOSITORY_UNKNOWN");
});

test("a role that is taken away is gone within 60 s, a session at its end, and a logout within 30 s, also when the index is lost", async () => {
  const { id } = await grant({});
  await login();
  assert.equal(await see(), "OK");
  await app.admin.call("revokeUserGrant", { params: { id }, query: { operationId: operationId() } });
  app.clock.advance(60_001);
  assert.equal(await see(), "REPOSITORY_UNKNOWN");
  await grant({});
  app.clock.advance(60_001);
  assert.equal(await see(), "OK");
  app.clock.advance(3_600_000);
  assert.equal(await see(), "TOKEN_INVALID");
  await login();
  assert.equal(await see(), "OK");
  const secret = browser.cookies.get("__Host-ferry") ?? "";
  assert.equal((await browser.write("/auth/logout", "POST")).status, 204);
  assert.equal(browser.cookies.size, 0);
  app.clock.advance(31_000);
  browser.cookies.set("__Host-ferry", secret);
  assert.equal(await see(), "TOKEN_INVALID");
  await login();
  app.indexes.wipe();
  app.clock.advance(31_000);
  assert.equal(await see(), "TOKEN_INVALID");
});

const WRONG: readonly [name: string, change: object][] = [
  ["of another login (nonce)", { nonce: "another" }],
  ["without a nonce", { nonce: undefined }],
  ["for another audience", { aud: "other" }],
  ["for another client among several audiences", { aud: [CLIENT, "other"], azp: "other" }],
  ["of another issuer", { iss: "https://other.example.com" }],
  ["that has expired", { exp: 1_700_000_000 }],
  ["that is old", { iat: 1_700_000_000 }],
  ["of nobody", { sub: "" }],
];
for (const [name, change] of WRONG) {
  test(`refused: an identity token ${name}`, async () => {
    await grant({});
    assert.equal(await codeOf(await login(change)), "IDENTITY_INVALID");
    assert.equal(browser.cookies.has("__Host-ferry"), false);
  });
}

test("refused: a callback that this browser did not begin, one with another state, a forged or an old cookie, a code that was used", async () => {
  const victim = new Browser(app);
  const asked = await victim.begin();
  const state = asked.get("state") ?? "";
  const callback = (from: Browser, query: Record<string, string>) => from.ask(`/auth/callback?${new URLSearchParams(query)}`);
  assert.equal(await codeOf(await callback(new Browser(app), { code: "x", state })), "IDENTITY_INVALID");
  for (const query of [{ code: "x", state: "other" }, { code: "x", state: "" }, { state }, { error: "access_denied", state }]) {
    await victim.begin();
    assert.equal(await codeOf(await callback(victim, query as Record<string, string>)), "IDENTITY_INVALID");
  }
  await browser.begin();
  const [text = "", mac = ""] = (browser.cookies.get("__Host-ferry-login") ?? "").split(".");
  const begun = JSON.parse(Buffer.from(text, "base64url").toString());
  const forged = Buffer.from(JSON.stringify({ ...begun, state: "mine" })).toString("base64url");
  browser.cookies.set("__Host-ferry-login", `${forged}.${mac}`);
  assert.equal(await codeOf(await callback(browser, { code: "x", state: "mine" })), "IDENTITY_INVALID");
  const old = await browser.begin();
  app.clock.advance(601_000);
  assert.equal(await codeOf(await callback(browser, { code: "x", state: old.get("state") ?? "" })), "IDENTITY_INVALID");
  await login();
  const again = await browser.begin();
  assert.equal(await codeOf(await callback(browser, { code: `code-${state}`, state: again.get("state") ?? "" })), "IDENTITY_INVALID");
});

test("what the provider is asked for: a code, by PKCE with S256, with state and nonce that no login shares", async () => {
  const [one, two] = [await browser.begin(), await browser.begin()];
  assert.deepEqual(
    ["response_type", "client_id", "code_challenge_method", "redirect_uri"].map((name) => one.get(name)),
    ["code", CLIENT, "S256", "https://ferry.test/auth/callback"],
  );
  for (const name of ["state", "nonce", "code_challenge"]) {
    assert.match(one.get(name) ?? "", /^[\w-]{43}$/);
    assert.notEqual(one.get(name), two.get(name));
  }
});

test("a login leads back to a place here, never to another host", async () => {
  for (const place of [
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/\n/evil",
    "evil",
    "/a\u0000",
  ]) {
    const response = await logIn({ browser, app, issuer, claims: ADA, place });
    assert.equal(response.headers.get("location"), "/", JSON.stringify(place));
  }
});

test("a client with a secret sends it to the provider alone; a wrong one gets nobody in", async () => {
  const own = await memoryApp({ ids: ["home"], login: loginAt(issuer, "s3cret") });
  const person = new Browser(own);
  assert.equal((await logIn({ browser: person, app: own, issuer, claims: ADA, secret: "s3cret" })).status, 302);
  assert.ok(!JSON.stringify([...person.cookies, own.log]).includes("s3cret"));
  const response = await logIn({ browser: new Browser(own), app: own, issuer, claims: ADA, secret: "other" });
  assert.equal(await codeOf(response), "IDENTITY_INVALID");
});

test("a provider that does not answer is unavailable; without one in the settings there is no login", async () => {
  issuer.answerWith({ status: 500, body: "no" });
  assert.equal(await codeOf(await login()), "IDENTITY_UNAVAILABLE");
  issuer.answerWith(null);
  const none = await memoryApp({ ids: ["home"] });
  assert.equal(await codeOf(await none.fetch("http://ferry.test/auth/login")), "ROUTE_UNKNOWN");
  assert.equal(
    await codeOf(await none.fetch("http://ferry.test/api/v1/whoami", { headers: { cookie: "__Host-ferry=x" } })),
    "TOKEN_MISSING",
  );
});

test("a session makes no tokens, and gives no role that it has not", async () => {
  await grant({ role: "admin" });
  await login();
  const token = { name: "x", scopes: [{ repositories: "team/m", actions: ["pull"] }] };
  assert.equal(await codeOf(await browser.write("/api/v1/tokens", "POST", token)), "PERMISSION_DENIED");
  const wide = { claim: "sub", value: ADA.sub, role: "admin", repositories: "*", operationId: operationId() };
  assert.equal(await codeOf(await browser.write("/api/v1/users/grants", "POST", wide)), "PERMISSION_DENIED");
  const bound = await app.admin.call("createToken", {
    body: { name: "bound", scopes: [{ repositories: "*", actions: ["admin"] }], networks: ["10.0.0.0/8"] },
  });
  const headers = { authorization: `Bearer ${bound.token}`, "cf-connecting-ip": "10.0.0.1", "content-type": "application/json" };
  const answer = await app.fetch("http://ferry.test/api/v1/users/grants", {
    method: "POST",
    headers,
    body: JSON.stringify({ ...wide, operationId: operationId() }),
  });
  assert.equal(await codeOf(answer), "SCOPE_EXCEEDED");
});
