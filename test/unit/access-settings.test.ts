/** Settings of access: what is taken, what is refused by name, and that no refusal tells a value. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../functions/config.ts";
import { FerryError } from "../../shared/errors.ts";
import { makeToken } from "../../shared/token.ts";

const ENV = {
  STORES: JSON.stringify([{ id: "home", provider: "r2", endpoint: "https://store.test", region: "auto", bucket: "models" }]),
  STORE_HOME_ACCESS_KEY_ID: "id",
  STORE_HOME_SECRET_ACCESS_KEY: "key",
  FERRY_SECRET: "A".repeat(43),
  BOOTSTRAP_TOKEN: makeToken(new Uint8Array(32)),
  REDIS_URL: "redis://127.0.0.1",
};

test("without any there are the usual limits, no trusts and no proxies", () => {
  const { limits, trusts, proxies } = parseConfig(ENV);
  assert.deepEqual(limits, {
    requestsPerMinute: 6_000,
    urlsPerMinute: 50_000,
    openUploads: 256,
    failuresPerMinute: 30,
    exchangesPerMinute: 1_200,
  });
  assert.deepEqual([trusts, proxies], [[], []]);
});

test("what is given is taken, with the defaults of what is not", () => {
  const trust = {
    name: "ci",
    issuer: "https://issuer.test",
    jwksUrl: "https://issuer.test/jwks",
    audience: "https://ferry.test",
    claims: { sub: "x:y" },
    grants: { scopes: [{ repositories: "team/*", actions: ["pull"] }] },
  };
  const { limits, trusts, proxies } = parseConfig({
    ...ENV,
    LIMITS: '{"urlsPerMinute":1}',
    IDENTITY_ISSUERS: JSON.stringify([trust]),
    TRUSTED_PROXIES: " 10.0.0.0/8 ,2001:db8::/32,",
  });
  assert.deepEqual([limits.urlsPerMinute, limits.requestsPerMinute], [1, 6_000]);
  assert.deepEqual(proxies, ["10.0.0.0/8", "2001:db8::/32"]);
  const [parsed] = trusts;
  assert.deepEqual([parsed?.algorithms, parsed?.maxAgeSeconds, parsed?.grants.maxSeconds], [["RS256", "ES256", "EdDSA"], 3_600, 3_600]);
});

function loginSetting(change: object): string {
  return JSON.stringify({
    issuer: "https://login.test",
    authorizationUrl: "https://login.test/authorize",
    tokenUrl: "https://login.test/token",
    jwksUrl: "https://login.test/jwks",
    clientId: "modelferry",
    redirectUrl: "https://ferry.test/auth/callback",
    ...change,
  });
}

test("without a provider nobody logs in; with one there are the usual ways, and a secret of the client is none of the provider's settings", () => {
  assert.equal(parseConfig(ENV).login, null);
  const { login } = parseConfig({ ...ENV, LOGIN: loginSetting({}), LOGIN_CLIENT_SECRET: "s3cret" });
  assert.deepEqual([login?.provider.sessionSeconds, login?.provider.groupsClaim, login?.clientSecret], [3_600, "groups", "s3cret"]);
  assert.ok(!JSON.stringify(login?.provider).includes("s3cret"));
});

const WRONG: [string, string][] = [
  ["LIMITS", "{"],
  ["LIMITS", '{"requestsPerMinute":0}'],
  ["LIMITS", '{"requests":secret}'],
  ["IDENTITY_ISSUERS", "secret"],
  ["IDENTITY_ISSUERS", "{}"],
  ["IDENTITY_ISSUERS", '[{"name":"ci"}]'],
  ["LOGIN", "secret"],
  ["LOGIN", "{}"],
  ["LOGIN", loginSetting({ tokenUrl: "http://login.test/token" })],
  ["LOGIN", loginSetting({ jwksUrl: "https://user:secret@login.test/jwks" })],
  ["LOGIN", loginSetting({ redirectUrl: "https://ferry.test/elsewhere" })],
  ["LOGIN", loginSetting({ sessionSeconds: 86_400 })],
  ["LOGIN", loginSetting({ algorithms: ["HS256"] })],
  ["TRUSTED_PROXIES", "10.0.0.1/8"],
  ["TRUSTED_PROXIES", "secret"],
  ["TRUSTED_PROXIES", "10.0.0.0/8 192.0.2.1"],
];
for (const [name, value] of WRONG)
  test(`${name}=${value} is refused by name`, () => {
    assert.throws(
      () => parseConfig({ ...ENV, [name]: value }),
      (error: unknown) => {
        assert.ok(error instanceof FerryError);
        assert.equal(error.code, "CONFIG_INVALID");
        assert.ok(error.message.includes(name) && !error.message.includes("secret"), error.message);
        return true;
      },
    );
  });
