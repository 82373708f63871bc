/** Workload identity through the app, with a real issuer on loopback: what is exchanged, what it may do, and everything that is not. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import type * as z from "zod";
import { Limits } from "../../../functions/registry/limits.ts";
import { type ClaimPattern, matchesClaims, Trust, Trusts } from "../../../functions/registry/trusts.ts";
import { FerryError } from "../../../shared/errors.ts";
import { RefName } from "../../../shared/names.ts";
import { isShortToken } from "../../../shared/token.ts";
import { ENDPOINT, type MemoryApp, memoryApp, repositoryName } from "../../support/memory-app.ts";
import { type Issuer, startIssuer } from "../../support/oidc-issuer.ts";
import { Pusher } from "../../support/pusher.ts";

const AUDIENCE = "https://ferry.test";
const SUBJECT = "repo:team/model:ref:refs/heads/main";
type Named = Record<string, unknown>;
const NOW_SECONDS = Date.parse("2026-01-01T00:00:00Z") / 1_000;

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

describe("identities of others", () => {
  let issuer: Issuer;
  let app: MemoryApp;
  before(async () => {
    issuer = await startIssuer();
  });
  beforeEach(async () => {
    app = await memoryApp({ trusts: [trust()] });
  });
  after(() => issuer.stop());

  function trust(change: Partial<z.input<typeof Trust>> = {}): Trust {
    return Trust.parse({
      name: "ci",
      issuer: issuer.issuer,
      jwksUrl: issuer.jwksUrl,
      audience: AUDIENCE,
      claims: { sub: SUBJECT },
      grants: { scopes: [{ repositories: "team/*", actions: ["pull", "push"] }] },
      ...change,
    });
  }

  const claimsOf = (change: Named = {}): Named => ({
    iss: issuer.issuer,
    aud: AUDIENCE,
    sub: SUBJECT,
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 300,
    ...change,
  });

  const exchange = (token: string, body: object = {}, on = app) =>
    on.clientFor(undefined).call("exchangeIdentity", { body: { token, ...body } as never });

  /** What is said of a token that is refused; with `code`, of an exchange that fails in another way. */
  async function refusal(token: string, code = "IDENTITY_INVALID", on = app): Promise<string> {
    const error = await exchange(token, {}, on).then(
      () => assert.fail("it was accepted"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof FerryError, String(error));
    assert.equal(error.code, code, error.message);
    return error.message;
  }

  test("a token that fits a trust is exchanged for one of an hour with the trust's rights, in no log", async () => {
    const head = await app.ports.system.head();
    const granted = await exchange(await issuer.sign(claimsOf()));
    assert.ok(isShortToken(granted.token));
    assert.deepEqual(
      { ...granted, token: "", id: "" },
      {
        token: "",
        id: "",
        name: `ci:${SUBJECT}`,
        scopes: [{ repositories: "team/*", actions: ["pull", "push"] }],
        expiresAt: "2026-01-01T01:00:00.000Z",
        expiresInSeconds: 3_600,
      },
    );
    assert.deepEqual(await app.ports.system.head(), head);
    const client = app.clientFor(granted.token);
    assert.equal((await client.call("whoAmI", {})).kind, "identity");
    const pusher = new Pusher(client, app.stores.fetch);
    await pusher.create(repositoryName("team/model"));
    assert.equal(await codeOf(client.call("describeRepository", { repository: repositoryName("other/model") })), "REPOSITORY_UNKNOWN");
    assert.equal(await codeOf(client.call("createToken", { body: { name: "more", scopes: granted.scopes } })), "PERMISSION_DENIED");
    assert.equal(await codeOf(client.call("rotateToken", { params: { id: granted.id }, body: {} })), "TOKEN_UNKNOWN");
    app.clock.advance(3_600_000);
    assert.equal(await codeOf(client.call("whoAmI", {})), "TOKEN_INVALID");
  });

  test("a short token that the index lost is invalid, and another exchange helps; both are one identity", async () => {
    const first = await exchange(await issuer.sign(claimsOf()));
    const pusher = (token: string) => new Pusher(app.clientFor(token), app.stores.fetch);
    await pusher(first.token).create(repositoryName("team/model"));
    const { upload } = await pusher(first.token).open(repositoryName("team/model"), RefName.parse("main"));
    app.indexes.wipe();
    app.clock.advance(31_000);
    assert.equal(await codeOf(app.clientFor(first.token).call("whoAmI", {})), "TOKEN_INVALID");
    const second = await exchange(await issuer.sign(claimsOf()));
    assert.notEqual(second.token, first.token);
    assert.equal(second.id, first.id);
    // An upload is the identity's, not the token's.
    assert.equal(await codeOf(pusher(second.token).reserve(repositoryName("team/model"), upload, { a: "content" })), "OK");
    const stranger = await exchange(
      await issuer.sign(claimsOf({ sub: "x:y" })),
      {},
      await memoryApp({ trusts: [trust({ claims: { sub: "x:y" } })] }),
    );
    assert.notEqual(stranger.id, first.id);
  });

  /** Claims that are refused, and what is said of them. */
  const WRONG_CLAIMS: [string, Named, RegExp][] = [
    ["another audience", { aud: "https://other.test" }, /another audience/],
    ["an audience that only begins alike", { aud: `${AUDIENCE}.evil` }, /another audience/],
    ["no audience", { aud: undefined }, /another audience/],
    ["another issuer", { iss: "https://evil.test" }, /issuer is not trusted/],
    ["an issuer with a slash more", { iss: "" }, /issuer is not trusted/],
    ["no issuer", { iss: undefined }, /issuer is not trusted/],
    ["an end that is over", { iat: NOW_SECONDS - 400, exp: NOW_SECONDS - 31 }, /expired/],
    ["no end", { exp: undefined }, /exp is missing/],
    ["an end that is a text", { exp: String(NOW_SECONDS + 300) }, /exp is missing or wrong/],
    ["an end beyond all numbers", { exp: "infinite" }, /expired|too old/],
    ["no time of issue", { iat: undefined }, /iat is missing/],
    ["a time of issue long ago", { iat: NOW_SECONDS - 3_700 }, /too old/],
    ["a time of issue to come", { iat: NOW_SECONDS + 300, exp: NOW_SECONDS + 600 }, /iat is missing or wrong/],
    ["a beginning to come", { nbf: NOW_SECONDS + 300 }, /not valid yet/],
    ["no subject", { sub: undefined }, /sub is missing/],
    ["an empty subject", { sub: "" }, /sub is missing/],
    ["a subject that is no text", { sub: { a: 1 } }, /missing|can't be read/],
    ["another subject", { sub: "repo:team/model:ref:refs/heads/other" }, /claims fit no trust/],
    ["a subject that begins alike", { sub: `${SUBJECT}-2` }, /claims fit no trust/],
    ["a subject in another case", { sub: SUBJECT.toUpperCase() }, /claims fit no trust/],
  ];
  for (const [name, change, said] of WRONG_CLAIMS)
    test(`refused: ${name}`, async () => {
      const claims = claimsOf(change);
      if (name === "an issuer with a slash more") claims["iss"] = `${issuer.issuer}/`;
      // Which JSON.parse reads as Infinity.
      const text = JSON.stringify(name === "an end beyond all numbers" ? { ...claims, iat: NOW_SECONDS - 4_000 } : claims);
      assert.match(await refusal(await issuer.sign(text.replace('"infinite"', "1e400"))), said);
    });

  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

  test("refused: tokens without a signature, or with one that anybody can make", async () => {
    const claims = part(claimsOf());
    await issuer.addKey("rsa", { alg: "RS256" });
    const jwk = issuer.publicJwk("rsa");
    const hs256 = (secret: string) => {
      const signed = `${part({ alg: "HS256", kid: "rsa", typ: "JWT" })}.${claims}`;
      return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
    };
    for (const alg of ["none", "None", "NONE", "nOnE"]) {
      // Three parts, so that it is no more than its header that says so.
      await refusal(`${part({ alg })}.${claims}.AA`);
      assert.equal(await codeOf(exchange(`${part({ alg })}.${claims}.`)), "REQUEST_INVALID");
    }
    for (const secret of [JSON.stringify(jwk), jwk.n ?? "", "", "secret"]) assert.match(await refusal(hs256(secret)), /not allowed/);
    const [header, , signature] = (await issuer.sign(claimsOf({ sub: "x" }))).split(".");
    assert.match(await refusal(`${header}.${claims}.${signature}`), /signature is not its issuer's/);
    issuer.dropKey("rsa");
  });

  test("refused: keys that the issuer does not have, whatever the header says of them", async () => {
    const thief = await startIssuer();
    try {
      await thief.addKey("first");
      const own = thief.publicJwk("first");
      const url = thief.jwksUrl;
      const headers = [
        {},
        { jwk: own },
        { jku: url },
        { x5u: url },
        { jwk: own, jku: url, kid: "first" },
        { kid: "../../first" },
        { kid: "" },
      ];
      for (const header of headers)
        assert.match(
          await refusal(await thief.sign(claimsOf(), { header })),
          /signature is not its issuer's|no key that its issuer has|does not say/,
        );
      const asked = thief.asked();
      await refusal(await thief.sign(claimsOf(), { header: { jku: url } }));
      assert.equal(thief.asked(), asked, "nobody asks where a token says so");
      assert.match(
        await refusal(
          await issuer
            .sign(claimsOf(), { header: { crit: ["exp"], exp: 1 } as never })
            .catch(() => `${part({ alg: "ES256", crit: ["x"] })}.e30.AA`),
        ),
        /./,
      );
    } finally {
      await thief.stop();
    }
  });

  test("tokens signed by RSA, by an elliptic curve and by EdDSA are taken", async () => {
    for (const alg of ["RS256", "ES256", "EdDSA"]) {
      const own = await startIssuer();
      try {
        await own.addKey(alg, { alg });
        const on = await memoryApp({ trusts: [trust({ issuer: own.issuer, jwksUrl: own.jwksUrl })] });
        assert.equal(await codeOf(exchange(await own.sign(claimsOf({ iss: own.issuer })), {}, on)), "OK", alg);
      } finally {
        await own.stop();
      }
    }
  });

  test("refused: a way of signing that the trust does not name, also by the issuer's own key", async () => {
    const es256 = await memoryApp({ trusts: [trust({ algorithms: ["RS256"] })] });
    assert.match(await refusal(await issuer.sign(claimsOf()), "IDENTITY_INVALID", es256), /not allowed/);
  });

  test("refused: what is no token, or too large to be one", async () => {
    for (const token of ["", "x", "a.b", "a.b.c.d", "a..c", "a.b.c\n", `${"a".repeat(16_384)}.b.c`, "é.b.c"])
      assert.equal(await codeOf(exchange(token)), "REQUEST_INVALID", token.slice(0, 10));
    for (const token of ["a.b.c", `${part({ alg: "ES256" })}.${part([])}.AA`, `${part({ alg: "ES256" })}.${part(null)}.AA`, "e30.e30.e30"])
      assert.match(await refusal(token), /issuer is not trusted/);
  });

  test("an exchange takes no body beyond what an identity token needs", async () => {
    const body = JSON.stringify({ token: await issuer.sign(claimsOf()) });
    const send = async (text: string) =>
      (
        await app.fetch(`${ENDPOINT}/api/v1/identity/exchange`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: text,
        })
      ).status;
    assert.deepEqual([await send(body.padEnd(32_768)), await send(body.padEnd(32_769))], [200, 413]);
  });

  test("keys may rotate: a new one is asked for once, one that is gone is refused when the cache is over", async () => {
    const own = await startIssuer();
    try {
      const rotating = await memoryApp({ trusts: [trust({ issuer: own.issuer, jwksUrl: own.jwksUrl })] });
      const claims = () => claimsOf({ iss: own.issuer });
      const old = await own.sign(claims());
      for (let at = 0; at < 20; at++) await exchange(old, {}, rotating);
      assert.equal(own.asked(), 1);
      await own.addKey("unpublished", { published: false });
      // Within the cooldown a key that nobody knows costs the issuer nothing.
      for (let at = 0; at < 20; at++)
        assert.match(await refusal(await own.sign(claims()), "IDENTITY_INVALID", rotating), /no key that its issuer has/);
      assert.equal(own.asked(), 1);
      const later = await memoryApp({ trusts: [trust({ issuer: own.issuer, jwksUrl: own.jwksUrl })] });
      own.dropKey("unpublished");
      own.dropKey("first");
      await own.addKey("second");
      assert.equal(await codeOf(exchange(await own.sign(claims()), {}, later)), "OK");
      assert.match(await refusal(old, "IDENTITY_INVALID", later), /no key that its issuer has/);
    } finally {
      await own.stop();
    }
  });

  test("an issuer whose keys can't be read is unavailable, which is no refusal and counts as none", async () => {
    const limited = () =>
      memoryApp({
        trusts: [trust()],
        limits: Limits.parse({ requestsPerMinute: 100, urlsPerMinute: 100, failuresPerMinute: 1, exchangesPerMinute: 100 }),
      });
    const token = await issuer.sign(claimsOf());
    for (const answer of [
      { status: 500, body: "" },
      { status: 200, body: "<html>" },
      { status: 200, body: "{}" },
      { status: 302, body: "" },
    ]) {
      issuer.answerWith(answer);
      const fresh = await limited();
      for (let at = 0; at < 3; at++) await refusal(token, "IDENTITY_UNAVAILABLE", fresh);
      issuer.answerWith(null);
      assert.equal(await codeOf(exchange(token, {}, fresh)), "OK");
    }
  });

  test("of several trusts the first that fits grants; an audience that is asked for leaves only its own", async () => {
    const grants = (repositories: string) => ({ scopes: [{ repositories, actions: ["pull" as const] }], maxSeconds: 600 });
    const many = await memoryApp({
      trusts: [
        trust({ name: "other", claims: { sub: "repo:team/other:ref:refs/heads/main" }, grants: grants("team/other") }),
        trust({ name: "west", audience: "https://west.test", grants: grants("team/west") }),
        trust({ name: "main", grants: grants("team/model") }),
        trust({ name: "wide", claims: { sub: "repo:team/*:ref:refs/heads/main" }, grants: grants("team/*") }),
      ],
    });
    const nameOf = async (claims: Named, body: object = {}) => (await exchange(await issuer.sign(claims), body, many)).name.split(":")[0];
    assert.equal(await nameOf(claimsOf()), "main");
    assert.equal(await nameOf(claimsOf({ sub: "repo:team/third:ref:refs/heads/main" })), "wide");
    const both = claimsOf({ aud: [AUDIENCE, "https://west.test"] });
    assert.equal(await nameOf(both), "west");
    assert.equal(await nameOf(both, { audience: AUDIENCE }), "main");
    assert.equal(await codeOf(exchange(await issuer.sign(both), { audience: "https://else.test" }, many)), "IDENTITY_INVALID");
    assert.equal(await codeOf(exchange(await issuer.sign(claimsOf()), { audience: "https://west.test" }, many)), "IDENTITY_INVALID");
    assert.equal((await exchange(await issuer.sign(claimsOf()), {}, many)).expiresInSeconds, 600);
  });

  test("wrong tokens from one address are limited, and so are exchanges", async () => {
    const limits = Limits.parse({ requestsPerMinute: 1e6, urlsPerMinute: 1e6, failuresPerMinute: 3, exchangesPerMinute: 6 });
    const limited = await memoryApp({ trusts: [trust()], limits });
    const send = async (token: string, address: string) => {
      const headers = { "content-type": "application/json", "cf-connecting-ip": address };
      const init = { method: "POST", headers, body: JSON.stringify({ token }) };
      return (await limited.fetch(`${ENDPOINT}/api/v1/identity/exchange`, init)).status;
    };
    const [right, wrong] = [await issuer.sign(claimsOf()), await issuer.sign(claimsOf({ aud: "x" }))];
    const statuses = async (token: string, address: string, count: number) => {
      const all: number[] = [];
      for (let at = 0; at < count; at++) all.push(await send(token, address));
      return all;
    };
    assert.deepEqual(await statuses(wrong, "192.0.2.1", 5), [401, 401, 401, 429, 429]);
    assert.deepEqual(await statuses(right, "192.0.2.1", 1), [429], "nothing from there is looked at any more");
    assert.deepEqual(await statuses(right, "192.0.2.2", 7), [200, 200, 200, 200, 200, 200, 429]);
  });
});

const GOOD: z.input<typeof Trust> = {
  name: "ci",
  issuer: "https://issuer.test",
  jwksUrl: "https://issuer.test/jwks",
  audience: "https://ferry.test",
  claims: { sub: "repo:team/*:ref:refs/heads/main" },
  grants: { scopes: [{ repositories: "team/*", actions: ["pull"] }] },
};

const BAD_TRUSTS: [string, Partial<Record<keyof Trust, unknown>>][] = [
  ["keys over plain http", { jwksUrl: "http://issuer.test/jwks" }],
  ["keys with a password", { jwksUrl: "https://a:b@issuer.test/jwks" }],
  ["keys from a file", { jwksUrl: "file:///etc/jwks" }],
  ["no claims", { claims: {} }],
  ["an empty object of claims within", { claims: { "kubernetes.io": {} } }],
  ["an open tail", { claims: { sub: "repo:team/*" } }],
  ["an open tail after a colon", { claims: { sub: "system:serviceaccount:team:*" } }],
  ["an open beginning", { claims: { sub: "*:ref:main" } }],
  ["part of a part", { claims: { sub: "repo:team-*:x" } }],
  ["everything", { claims: { sub: "*" } }],
  ["an open tail within", { claims: { "kubernetes.io": { namespace: "team/*" } } }],
  ["no algorithm", { algorithms: [] }],
  ["an algorithm with a shared secret", { algorithms: ["HS256"] }],
  ["none", { algorithms: ["none"] }],
  ["more than an hour", { grants: { scopes: GOOD.grants.scopes, maxSeconds: 3_601 } }],
  ["all repositories", { grants: { scopes: [{ repositories: "*", actions: ["pull"] }] } }],
  ["administration", { grants: { scopes: [{ repositories: "team/*", actions: ["admin"] }] } }],
  ["no rights", { grants: { scopes: [] } }],
  ["an unknown setting", { audiences: ["x"] } as never],
];

for (const [name, change] of BAD_TRUSTS)
  test(`a trust can't be set with ${name}`, () => {
    assert.ok(Trust.safeParse(GOOD).success);
    assert.equal(Trust.safeParse({ ...GOOD, ...change }).success, false);
  });

test("two trusts can't have one name", () => assert.equal(Trusts.safeParse([GOOD, GOOD]).success, false));

const CLAIMS: [pattern: ClaimPattern, value: unknown, fits: boolean][] = [
  ["repo:team/*:ref:refs/heads/main", "repo:team/a:ref:refs/heads/main", true],
  ["repo:team/*:ref:refs/heads/main", "repo:team/:ref:refs/heads/main", false],
  ["repo:team/*:ref:refs/heads/main", "repo:team/a/b:ref:refs/heads/main", false],
  ["repo:team/*:ref:refs/heads/main", "repo:team/a:ref:refs/heads/main:x", false],
  ["repo:team/*:ref:refs/heads/main", "repo:team/a:x:ref:refs/heads/main", false],
  ["repo:team/*:ref:refs/heads/main", "repo/team:a/ref:refs/heads/main", false],
  ["a", "a", true],
  ["a", "A", false],
  ["a", ["a"], false],
  [{ "kubernetes.io": { namespace: "train" } }, { "kubernetes.io": { namespace: "train", pod: "x" } }, true],
  [{ "kubernetes.io": { namespace: "train" } }, { "kubernetes.io": { namespace: "other" } }, false],
  [{ "kubernetes.io": { namespace: "train" } }, { "kubernetes.io": "train" }, false],
  [{ a: "x" }, [], false],
  [{ toString: "x" }, {}, false],
  [{ a: true }, { a: "true" }, false],
  [{ a: 1 }, { a: 1 }, true],
];
for (const [pattern, value, fits] of CLAIMS)
  test(`${JSON.stringify(pattern)} ${fits ? "fits" : "does not fit"} ${JSON.stringify(value)}`, () =>
    assert.equal(matchesClaims(pattern, value), fits));

test("property: a pattern fits only texts with as many separators, equal wherever it has no star", () => {
  const part = fc.string({ unit: fc.constantFrom(..."ab*"), minLength: 0, maxLength: 2 });
  const text = fc.array(fc.tuple(part, fc.constantFrom(":", "/")), { minLength: 1, maxLength: 5 }).map((parts) => parts.flat().join(""));
  fc.assert(
    fc.property(text, text, (pattern, value) => {
      if (!matchesClaims(pattern, value)) return;
      const separators = (all: string) => all.replace(/[^:/]/g, "");
      assert.equal(separators(value), separators(pattern));
      if (!pattern.includes("*")) assert.equal(value, pattern);
    }),
    { numRuns: 5_000 },
  );
});
