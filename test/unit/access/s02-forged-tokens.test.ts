/** S2: what is no living token is none, however close to one it is. Each forgery is sent to a route that any token may call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../../../shared/digest.ts";
import { makeToken } from "../../../shared/token.ts";
import { ENDPOINT, type MemoryApp, memoryApp } from "../../support/memory-app.ts";

const encoder = new TextEncoder();
const base64Url = (text: string) => Buffer.from(text).toString("base64url");
const jwt = (header: object, claims: object, signature = "") =>
  [base64Url(JSON.stringify(header)), base64Url(JSON.stringify(claims)), signature].join(".");
const CLAIMS = { iss: "modelferry", sub: "admin", aud: "modelferry", exp: 4_102_444_800 };

/** `Authorization` headers, made of a living token, its id and the hash that is stored of it. */
function forgeries(token: string, id: string, hash: string): Record<string, string> {
  const at = (index: number, text: string) => token.slice(0, index) + text + token.slice(index + text.length);
  const other = (index: number) => at(index, token[index] === "a" ? "b" : "a");
  const bearers: Record<string, string> = {
    "one character short": token.slice(0, -1),
    "one character more": `${token}a`,
    "its first random character changed": other(3),
    "its last random character changed": other(32),
    "its checksum changed": other(38),
    "in capitals": token.toUpperCase(),
    "in small letters": token.toLowerCase(),
    "without its prefix": token.slice(3),
    "with another prefix": `gh${token.slice(2)}`,
    "its prefix twice": `hf_${token}`,
    "twice, with a comma": `${token},${token}`,
    "twice, with a space": `${token} ${token}`,
    quoted: `"${token}"`,
    "with a semicolon": `${token};admin=1`,
    "percent-encoded": token.replace("_", "%5f"),
    "with a look-alike letter": at(0, "ｈ"),
    "with a zero-width space": `${token.slice(0, 9)}\u200b${token.slice(9)}`,
    "its id": id,
    "the hash that is stored of it": hash,
    "the hash with the prefix": `hf_${hash}`,
    "another's checksum": token.slice(0, 33) + makeToken(new Uint8Array(32).fill(7)).slice(33),
    "well made, of nobody": makeToken(new Uint8Array(32).fill(9)),
    "a mark of short tokens": at(3, "S"),
    wildcard: "*",
    undefined: "undefined",
    null: "null",
    "a million characters": "a".repeat(1_000_000),
    "a JWT without algorithm": jwt({ alg: "none", typ: "JWT" }, CLAIMS),
    "a JWT by HMAC with nothing": jwt({ alg: "HS256" }, CLAIMS, "AAAA"),
    "a JWT with its own key": jwt({ alg: "ES256", jwk: { kty: "EC" } }, CLAIMS, "AAAA"),
    "a JWT with the address of its keys": jwt({ alg: "RS256", jku: "http://127.0.0.1/keys" }, CLAIMS, "AAAA"),
    "a JWT whose kid is a path": jwt({ alg: "RS256", kid: "../../sys/log/000000000001.json" }, CLAIMS, "AAAA"),
  };
  const schemes: Record<string, string> = {
    "by the scheme Basic": `Basic ${Buffer.from(`user:${token}`).toString("base64")}`,
    "by the scheme Token": `Token ${token}`,
    "without a scheme": token,
    "by a scheme of two words": `Bearer Bearer ${token}`,
    "an empty bearer": "Bearer ",
    "a scheme alone": "Bearer",
  };
  return { ...Object.fromEntries(Object.entries(bearers).map(([name, bearer]) => [name, `Bearer ${bearer}`])), ...schemes };
}

async function living(): Promise<{ app: MemoryApp; token: string; headers: Record<string, string> }> {
  const app = await memoryApp();
  const { token, description } = await app.admin.call("createToken", {
    body: { name: "real", scopes: [{ repositories: "team/*", actions: ["pull"] }] },
  });
  return { app, token, headers: forgeries(token, description.id, await sha256(encoder.encode(token))) };
}

async function statusOf(app: MemoryApp, authorization: string): Promise<number> {
  try {
    const response = await app.fetch(`${ENDPOINT}/api/v1/whoami`, { headers: { authorization } });
    return response.status;
  } catch (error) {
    // No header may hold it, so no client can send it.
    assert.ok(error instanceof TypeError);
    return 401;
  }
}

test("S2: no forgery of a living token is taken for one, and the living one still is", async (t) => {
  const { app, token, headers } = await living();
  for (const [name, authorization] of Object.entries(headers)) {
    const status = await statusOf(app, authorization);
    assert.ok(status === 401 || status === 429, `${name}: ${status}`);
  }
  assert.equal(await statusOf(app, `Bearer ${token}`), 200);
  t.diagnostic(`${Object.keys(headers).length} forgeries, 0 taken`);
});
