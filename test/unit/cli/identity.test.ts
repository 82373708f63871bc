/** `ferry login --oidc`: where identity tokens are found, what is kept, and that commands renew it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { Trust } from "../../../functions/registry/trusts.ts";
import { type MemoryApp, memoryApp } from "../../support/memory-app.ts";
import { ferry, type HostOptions, onApp } from "../../support/memory-host.ts";
import { type Issuer, startIssuer } from "../../support/oidc-issuer.ts";

const ENDPOINT = "https://ferry.test";

describe("ferry login --oidc", () => {
  let issuer: Issuer;
  let app: MemoryApp;
  let home: string;
  before(async () => {
    issuer = await startIssuer();
  });
  after(() => issuer.stop());
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "ferry-identity-"));
    const trust = Trust.parse({
      name: "pods",
      issuer: issuer.issuer,
      jwksUrl: issuer.jwksUrl,
      audience: ENDPOINT,
      claims: { sub: "system:serviceaccount:train:runner" },
      grants: { scopes: [{ repositories: "team/*", actions: ["pull", "push"] }] },
    });
    app = await memoryApp({ trusts: [trust, Trust.parse({ ...trust, name: "other", audience: "modelferry" })] });
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const identityToken = (change: object = {}) => {
    const nowSeconds = app.clock.now() / 1_000;
    const claims = { iss: issuer.issuer, aud: ENDPOINT, sub: "system:serviceaccount:train:runner", iat: nowSeconds, exp: nowSeconds + 600 };
    return issuer.sign({ ...claims, ...change });
  };
  const run = (argv: string[], options: HostOptions = {}) => {
    const { env, ...rest } = onApp(app);
    return ferry(argv, { ...rest, homeDirectory: home, ...options, env: { ...env, FERRY_ENDPOINT: "", ...options.env } });
  };
  const saved = () => JSON.parse(readFileSync(join(home, ".config/ferry/config.json"), "utf8")).logins[ENDPOINT];
  const keep = async (name: string, change: object = {}) => {
    const path = join(home, name);
    writeFileSync(path, `${await identityToken(change)}\n`);
    return path;
  };

  test("the file that FERRY_OIDC_TOKEN_FILE names is used, and only the short token is kept", async () => {
    const file = await keep("own");
    const ran = await run(["login", ENDPOINT, "--oidc"], { env: { FERRY_OIDC_TOKEN_FILE: file } });
    assert.equal(ran.exit, 0, ran.stderr);
    assert.match(ran.stdout, /^Logged in to https:\/\/ferry\.test as pods:system:serviceaccount:train:runner\.\n/);
    const { token, identity } = saved();
    assert.match(token, /^hf_S\w{35}$/);
    assert.deepEqual(identity, { audience: null, expiresAt: "2026-01-01T01:00:00.000Z" });
    const text = readFileSync(join(home, ".config/ferry/config.json"), "utf8");
    assert.ok(!text.includes(readFileSync(file, "utf8").trim().slice(0, 40)));
    assert.equal(statSync(join(home, ".config/ferry/config.json")).mode & 0o777, 0o600);
    assert.equal((await run(["whoami"])).exit, 0);
  });

  test("a projected token is found by itself; a cluster's own token for its API is not looked at", async () => {
    const projectedTokenPath = await keep("projected");
    assert.equal((await run(["login", ENDPOINT, "--oidc"], { projectedTokenPath })).exit, 0);
    const missing = await run(["login", ENDPOINT, "--oidc"]);
    assert.equal(missing.exit, 2);
    assert.match(missing.stderr, /no identity token here/);
  });

  test("a GitHub job's token is asked for with the endpoint as its audience, and no secret is told when that fails", async () => {
    const asked: string[] = [];
    let status = 200;
    const { fetch } = onApp(app);
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: "https://token.actions.test/get?api-version=2",
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "secret-of-the-job",
    };
    const onGitHub: HostOptions = {
      env,
      fetch: async (url, init) => {
        if (!url.startsWith("https://token.actions.test/")) return fetch?.(url, init) ?? assert.fail();
        asked.push(`${url} ${new Headers(init.headers).get("authorization")}`);
        return Response.json({ value: await identityToken() }, { status });
      },
    };
    assert.equal((await run(["login", ENDPOINT, "--oidc"], onGitHub)).exit, 0);
    assert.deepEqual(asked, ["https://token.actions.test/get?api-version=2&audience=https%3A%2F%2Fferry.test Bearer secret-of-the-job"]);
    status = 500;
    const failed = await run(["login", ENDPOINT, "--oidc"], onGitHub);
    assert.equal(failed.exit, 6);
    assert.match(failed.stderr, /GitHub's identity service can't be reached: status 500/);
    assert.ok(!failed.stderr.includes("secret-of-the-job"));
  });

  test("another audience is asked for, kept and used again", async () => {
    const file = await keep("own", { aud: "modelferry" });
    const env = { FERRY_OIDC_TOKEN_FILE: file };
    assert.equal((await run(["login", ENDPOINT, "--oidc"], { env })).exit, 0, "any trust may fit");
    assert.match((await run(["login", ENDPOINT, "--oidc", "--audience", "modelferry"], { env })).stdout, /as other:/);
    assert.equal(saved().identity.audience, "modelferry");
    assert.match((await run(["login", ENDPOINT, "--oidc", "--audience", ENDPOINT], { env })).stderr, /another audience/);
    assert.equal((await run(["login", ENDPOINT, "--oidc"], { env: { ...env, FERRY_OIDC_AUDIENCE: "modelferry" } })).exit, 0);
    assert.equal((await run(["login", ENDPOINT, "--audience", "x"], { env })).exit, 2);
  });

  test("commands renew what is over, before they ask and when they are told, and keep the new one", async () => {
    const env = { FERRY_OIDC_TOKEN_FILE: await keep("own") };
    await run(["login", ENDPOINT, "--oidc"], { env });
    const first = saved().token;
    assert.equal((await run(["whoami"], { env })).exit, 0);
    assert.equal(saved().token, first, "it is good for another hour");

    app.clock.advance(59 * 60_000 + 1);
    await keep("own");
    assert.equal((await run(["ls"], { env })).exit, 0);
    const second = saved().token;
    assert.notEqual(second, first);

    // The deployment's index was lost: the token is over before its time.
    app.indexes.wipe();
    app.clock.advance(31_000);
    await keep("own");
    assert.equal((await run(["ls"], { env })).exit, 0);
    assert.notEqual(saved().token, second);
  });

  test("when the identity token is refused, or gone, the command says so", async () => {
    const env = { FERRY_OIDC_TOKEN_FILE: await keep("own") };
    await run(["login", ENDPOINT, "--oidc"], { env });
    app.clock.advance(2 * 3_600_000);
    const expired = await run(["ls"], { env });
    assert.deepEqual([expired.exit, /it has expired/.test(expired.stderr)], [4, true]);
    rmSync(env.FERRY_OIDC_TOKEN_FILE);
    assert.equal((await run(["ls"], { env })).exit, 7);
    writeFileSync(env.FERRY_OIDC_TOKEN_FILE, "not a token at all");
    assert.match((await run(["ls"], { env })).stderr, /it holds no identity token/);
  });

  test("FERRY_TOKEN goes before a kept login, and is never renewed", async () => {
    const env = { FERRY_OIDC_TOKEN_FILE: await keep("own") };
    await run(["login", ENDPOINT, "--oidc"], { env });
    const ran = await run(["ls"], { env: { ...env, FERRY_TOKEN: "hf_wrong00000000000000000000000000000000" } });
    assert.equal(ran.exit, 4);
  });
});
