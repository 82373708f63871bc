/** Tokens through the app: who may make, rotate and revoke which, from where they are good, and how long after they were ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ports } from "../../../functions/registry/ports.ts";
import type { FerryClient } from "../../../shared/client.ts";
import { Scope, type TokenRequest } from "../../../shared/contract/access.ts";
import { FerryError } from "../../../shared/errors.ts";
import { ENDPOINT, type MemoryApp, memoryApp } from "../../support/memory-app.ts";

const EVERYTHING = Scope.parse({ repositories: "*", actions: ["pull", "push", "tag", "delete", "admin"] });
const TEAM = Scope.parse({ repositories: "team/*", actions: ["pull", "push"] });
const HOUR = 3_600;

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

const who = (app: MemoryApp, token: string) => codeOf(app.clientFor(token).call("whoAmI", {}));

/** A request as from this address. */
async function whoFrom(app: MemoryApp, token: string, address: string | null, more: Record<string, string> = {}): Promise<string> {
  const from: Record<string, string> = address === null ? {} : { "cf-connecting-ip": address };
  const response = await app.fetch(`${ENDPOINT}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}`, ...from, ...more } });
  return response.status === 200 ? "OK" : String(response.headers.get("x-error-code"));
}

async function make(client: FerryClient, request: Partial<TokenRequest> = {}) {
  return client.call("createToken", { body: { name: "some", scopes: [TEAM], ...request } as TokenRequest });
}

test("a robot's token needs an end; a person's may do without", async () => {
  const app = await memoryApp();
  assert.equal(await codeOf(make(app.admin, { kind: "robot" })), "REQUEST_INVALID");
  const robot = await make(app.admin, { kind: "robot", expiresInSeconds: HOUR });
  assert.deepEqual([robot.description.kind, robot.description.expiresAt], ["robot", "2026-01-01T01:00:00.000Z"]);
  assert.equal((await make(app.admin)).description.expiresAt, null);
  const told = await app.clientFor(robot.token).call("whoAmI", {});
  assert.deepEqual([told.kind, told.id, told.networks], ["robot", robot.description.id, []]);
});

test("a token is good from its networks alone, whatever a header says that anybody can send", async () => {
  const app = await memoryApp();
  const { token } = await make(app.admin, { networks: ["192.0.2.0/24", "2001:db8::/32"] });
  for (const [address, expected] of [
    ["192.0.2.7", "OK"],
    ["::ffff:192.0.2.7", "OK"],
    ["2001:db8:1::5", "OK"],
    ["192.0.3.7", "ADDRESS_DENIED"],
    ["2001:db9::1", "ADDRESS_DENIED"],
    ["127.0.0.1", "ADDRESS_DENIED"],
    ["nonsense", "ADDRESS_DENIED"],
    [null, "ADDRESS_DENIED"],
  ] as const)
    assert.equal(await whoFrom(app, token, address), expected, String(address));
  const forged = { "x-forwarded-for": "192.0.2.7", "x-real-ip": "192.0.2.7", forwarded: "for=192.0.2.7", "true-client-ip": "192.0.2.7" };
  assert.equal(await whoFrom(app, token, "198.51.100.1", forged), "ADDRESS_DENIED");
  // Also when the caller is remembered from a request that was fine.
  assert.equal(await whoFrom(app, token, "192.0.2.7"), "OK");
  assert.equal(await whoFrom(app, token, "198.51.100.1"), "ADDRESS_DENIED");
});

test("a token that is bound to networks makes none that is good from elsewhere", async () => {
  const app = await memoryApp();
  const { token } = await make(app.admin, { networks: ["10.0.0.0/8"] });
  const from = async (networks?: string[]) => {
    const body = { name: "child", scopes: [TEAM], ...(networks === undefined ? {} : { networks }) };
    const headers = { authorization: `Bearer ${token}`, "cf-connecting-ip": "10.1.1.1", "content-type": "application/json" };
    const response = await app.fetch(`${ENDPOINT}/api/v1/tokens`, { method: "POST", headers, body: JSON.stringify(body) });
    const answer = (await response.json()) as { description?: { networks: string[] }; code?: string };
    return answer.description?.networks ?? answer.code;
  };
  assert.deepEqual(await from(), ["10.0.0.0/8"]);
  assert.deepEqual(await from(["10.2.0.0/16", "10.3.3.3"]), ["10.2.0.0/16", "10.3.3.3"]);
  for (const networks of [["0.0.0.0/0"], ["10.0.0.0/8", "192.0.2.1"], ["::/0"], ["10.0.0.0/7"]])
    assert.equal(await from(networks), "SCOPE_EXCEEDED", networks.join());
});

test("a rotation gives a new secret at once, and the old one lives through the overlap and no longer", async () => {
  const app = await memoryApp();
  const first = await make(app.admin, { expiresInSeconds: 30 * 86_400 });
  const { id } = first.description;
  const second = await app.clientFor(first.token).call("rotateToken", { params: { id }, body: { overlapSeconds: HOUR } });
  assert.notEqual(second.token, first.token);
  assert.deepEqual(second.description, {
    ...first.description,
    rotatedAt: "2026-01-01T00:00:00.000Z",
    previousUntil: "2026-01-01T01:00:00.000Z",
    lastUsedAt: "2026-01-01T00:00:00.000Z",
  });
  assert.deepEqual([await who(app, first.token), await who(app, second.token)], ["OK", "OK"]);
  app.clock.advance(HOUR * 1_000 - 1);
  assert.equal(await who(app, first.token), "OK");
  app.clock.advance(1);
  assert.deepEqual([await who(app, first.token), await who(app, second.token)], ["TOKEN_INVALID", "OK"]);
  assert.equal((await app.admin.call("listTokens", {})).tokens.length, 1);

  const third = await app.admin.call("rotateToken", { params: { id }, body: {} });
  app.clock.advance(30_000);
  assert.deepEqual([await who(app, second.token), await who(app, third.token)], ["TOKEN_INVALID", "OK"]);
  app.clock.advance(30 * 86_400_000);
  assert.equal(await who(app, third.token), "TOKEN_INVALID", "the token's own end stays");
});

test("a rotation whose answer was lost is repeated, and the secret in use still lives through its overlap", async () => {
  const app = await memoryApp();
  const first = await make(app.admin);
  const rotate = () => app.admin.call("rotateToken", { params: { id: first.description.id }, body: { overlapSeconds: HOUR } });
  await rotate();
  await rotate();
  const last = await rotate();
  app.clock.advance(HOUR * 1_000 - 1);
  assert.deepEqual([await who(app, first.token), await who(app, last.token)], ["OK", "OK"]);
});

test("a token is rotated and revoked by its holder and by administrators who hold as much, and by nobody else", async () => {
  const app = await memoryApp();
  const target = await make(app.admin);
  const params = { id: target.description.id };
  const rotate = async (client: FerryClient) => codeOf(client.call("rotateToken", { params, body: { overlapSeconds: HOUR } }));
  const other = app.clientFor((await make(app.admin)).token);
  const teamAdmin = await app.member(Scope.parse({ repositories: "team/*", actions: ["admin"] }));
  for (const client of [other, teamAdmin]) {
    assert.equal(await rotate(client), "PERMISSION_DENIED");
    assert.equal(await codeOf(client.call("revokeToken", { params })), "PERMISSION_DENIED");
    // No oracle: an id that is not there is refused alike.
    assert.equal(await codeOf(client.call("revokeToken", { params: { id: "0".repeat(16) } })), "PERMISSION_DENIED");
  }
  // The secret that is handed out must not be more than the administrator has.
  const shortAdmin = app.clientFor((await make(app.admin, { scopes: [EVERYTHING], expiresInSeconds: HOUR })).token);
  assert.equal(await rotate(shortAdmin), "SCOPE_EXCEEDED");
  const homeAdmin = await app.member(Scope.parse({ ...EVERYTHING, stores: ["home"] }));
  assert.equal(await rotate(homeAdmin), "PERMISSION_DENIED");
  assert.equal(await rotate(app.admin), "OK");
  assert.equal(await rotate(app.clientFor(target.token)), "OK");
  assert.equal(await codeOf(app.clientFor(target.token).call("revokeToken", { params })), "OK");
  app.clock.advance(30_000);
  assert.equal(await who(app, target.token), "TOKEN_INVALID");
  assert.equal(await rotate(app.admin), "TOKEN_ENDED");
  assert.equal(await codeOf(app.admin.call("revokeToken", { params })), "OK", "it is revoked already");
  assert.equal(await codeOf(app.admin.call("revokeToken", { params: { id: "0".repeat(16) } })), "TOKEN_UNKNOWN");
});

test("a revoked token is refused after 30 s, and all its secrets with it", async () => {
  const app = await memoryApp();
  const first = await make(app.admin);
  const params = { id: first.description.id };
  const second = await app.admin.call("rotateToken", { params, body: { overlapSeconds: 86_400 } });
  assert.deepEqual([await who(app, first.token), await who(app, second.token)], ["OK", "OK"]);
  await app.admin.call("revokeToken", { params });
  app.clock.advance(30_000);
  assert.deepEqual([await who(app, first.token), await who(app, second.token)], ["TOKEN_INVALID", "TOKEN_INVALID"]);
});

/** Asks every second until the token is refused; how many seconds that took. */
async function secondsUntilRefused(app: MemoryApp, token: string): Promise<number> {
  for (let seconds = 0; seconds <= 600; seconds++) {
    if ((await who(app, token)) === "TOKEN_INVALID") return seconds;
    app.clock.advance(1_000);
  }
  return assert.fail("it is still good after ten minutes");
}

for (const wasSeen of [0, 1, 15, 29, 30, 45])
  test(`a revocation holds within 60 s although the index forgot it; the isolate saw the token ${wasSeen} s before`, async () => {
    const app = await memoryApp();
    const { token, description } = await make(app.admin);
    const forget = app.indexes.snapshot();
    assert.equal(await who(app, token), "OK");
    app.clock.advance(wasSeen * 1_000);
    await app.admin.call("revokeToken", { params: { id: description.id } });
    forget();
    const seconds = await secondsUntilRefused(app, token);
    assert.ok(seconds <= 60, `${seconds} s`);
  });

test("a revocation that the index had and then lost is noticed at the next look-up", async () => {
  const app = await memoryApp();
  const { token, description } = await make(app.admin);
  const forget = app.indexes.snapshot();
  await app.admin.call("revokeToken", { params: { id: description.id } });
  assert.equal(await who(app, token), "TOKEN_INVALID");
  forget();
  assert.equal(await who(app, token), "TOKEN_INVALID");
});

test("whoever holds a token is not kept out by a lost index, nor by one that takes no notes", async () => {
  let full = false;
  const refusing = (ports: Ports): Ports => ({
    ...ports,
    uses: {
      lastUsed: (ids) => ports.uses.lastUsed(ids),
      note: async (id, atMs) => {
        if (full) throw new FerryError("INDEX_UNAVAILABLE", { problem: "it refused the command (OOM)" });
        await ports.uses.note(id, atMs);
      },
    },
    meters: {
      take: async (wants, nowMs) => {
        if (full) throw new FerryError("INDEX_UNAVAILABLE", { problem: "it refused the command (OOM)" });
        return ports.meters.take(wants, nowMs);
      },
    },
  });
  const app = await memoryApp({ decorate: refusing });
  const { token } = await make(app.admin);
  app.indexes.wipe();
  full = true;
  assert.equal(await who(app, token), "OK");
  assert.equal(await who(app, token.replace(/^hf_./, "hf_!")), "TOKEN_INVALID");
});

test("the last use is told to the hour, and costs one note for each token, hour and isolate", async () => {
  let notes = 0;
  const app = await memoryApp({
    decorate: (ports) => ({
      ...ports,
      uses: {
        lastUsed: (ids) => ports.uses.lastUsed(ids),
        note: (id, atMs) => {
          notes++;
          return ports.uses.note(id, atMs);
        },
      },
    }),
  });
  const { token } = await make(app.admin);
  const lastUsed = async () => (await app.admin.call("listTokens", {})).tokens.map(({ lastUsedAt }) => lastUsedAt);
  assert.deepEqual(await lastUsed(), [null]);
  for (let at = 0; at < 100; at++) {
    assert.equal(await who(app, token), "OK");
    app.clock.advance(35_000);
  }
  assert.deepEqual(await lastUsed(), ["2026-01-01T00:00:00.000Z"]);
  assert.equal(notes, 1);
  app.clock.advance(120_000);
  await who(app, token);
  assert.deepEqual(await lastUsed(), ["2026-01-01T01:00:20.000Z"]);
  assert.equal(notes, 2);
});

test("a token check asks nobody for 30 s, then the index once, and the bucket at most every 30 s", async () => {
  const asked: string[] = [];
  const counting = <T extends object>(name: string, port: T): T =>
    new Proxy(port, {
      get(target, key) {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          asked.push(`${name}.${String(key)}`);
          const result: unknown = member.apply(target, args);
          return key === "atLeast" && typeof result === "object" && result !== null ? counting(name, result) : result;
        };
      },
    });
  const app = await memoryApp({
    decorate: (ports) => ({ ...ports, system: counting("system", ports.system), uses: counting("uses", ports.uses) }),
  });
  const { token } = await make(app.admin);
  const during = async (act: () => Promise<unknown>) => {
    asked.length = 0;
    await act();
    return asked.filter((name) => name !== "system.atLeast");
  };
  await who(app, token);
  assert.deepEqual(await during(() => who(app, token)), []);
  app.clock.advance(30_000);
  assert.deepEqual(await during(() => who(app, token)), ["system.head", "system.findToken"]);
  app.clock.advance(29_000);
  const other = await make(app.admin);
  assert.deepEqual(await during(() => who(app, other.token)), ["system.findToken", "uses.note"]);
});
