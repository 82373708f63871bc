/** The audit trail through the app: what is in it, when it is written, what never stands in it, and what a change of it shows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { onMinute } from "../../../functions/jobs/cron.ts";
import { AUDIT_PREFIX, SEAL_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { Scope } from "../../../shared/contract/access.ts";
import { type AuditEvent, timeOfAudit } from "../../../shared/contract/audit.ts";
import { sha256 } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { makeToken } from "../../../shared/token.ts";
import { ENDPOINT, type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const TEAM = Scope.parse({ repositories: "team/*", actions: ["pull", "push", "tag"] });
const HOUR_MS = 3_600_000;

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

/** Events that are in the bucket by now. */
async function written(app: MemoryApp): Promise<AuditEvent[]> {
  const { bucket } = app.stores.home;
  const events: AuditEvent[] = [];
  for (const { key } of await listAll(bucket, AUDIT_PREFIX)) {
    const text = new TextDecoder().decode((await bucket.get(key)) ?? new Uint8Array());
    events.push(...(JSON.parse(text) as { events: AuditEvent[] }).events);
  }
  return events;
}

const acts = (events: readonly AuditEvent[]) => events.map(({ act, result }) => `${act} ${result}`);

async function puts(app: MemoryApp): Promise<number> {
  return (await listAll(app.stores.home.bucket, AUDIT_PREFIX)).length;
}

async function pushed(options: Parameters<typeof memoryApp>[0] = {}) {
  const app = await memoryApp(options);
  const member = (await app.admin.call("createToken", { body: { name: "Ada", scopes: [TEAM] } })).token;
  const pusher = new Pusher(app.clientFor(member), app.stores.fetch);
  await pusher.create(MODEL);
  await pusher.push(MODEL, { weights: "some weights" });
  return { app, member, client: app.clientFor(member) };
}

const tag = (app: MemoryApp, token: string, name = "v1") =>
  app.clientFor(token).call("setTag", { repository: MODEL, params: { tag: name }, body: { ref: "main", operationId: operationId() } });

test("what takes away, moves or grants is in the bucket before it is answered; pushes and pulls wait for others", async () => {
  const { app, member, client } = await pushed();
  assert.deepEqual(acts(await written(app)), ["createToken OK"]);
  await client.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks: [digestOf("some weights")] } });
  assert.equal(await puts(app), 1);
  await tag(app, member);
  assert.deepEqual(acts(await written(app)), [
    "createToken OK",
    "createRepository OK",
    "reserve OK",
    "commit OK",
    "download OK",
    "setTag OK",
  ]);
  assert.equal(await puts(app), 2, "what waited went along");
});

test("an event says who, what, where, when, from where and how it ended", async () => {
  const { app, member } = await pushed();
  app.clock.advance(1_500);
  const { id } = await app.clientFor(member).call("whoAmI", {});
  const { revision } = await app.clientFor(member).call("resolve", { repository: MODEL, params: { ref: "main" } });
  const response = await app.fetch(`${ENDPOINT}/api/v1/repositories/team/model/tags/v1`, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${member}`,
      "content-type": "application/json",
      "cf-connecting-ip": "192.0.2.7",
      "x-request-id": "request-0001",
    },
    body: JSON.stringify({ ref: "main", operationId: operationId() }),
  });
  assert.equal(response.status, 200);
  assert.deepEqual((await written(app)).at(-1), {
    at: "2026-01-01T00:00:01.500Z",
    requestId: "request-0001",
    address: "192.0.2.7",
    caller: { id, name: "Ada" },
    act: "setTag",
    repository: "team/model",
    about: { tag: "v1", ref: "main", revision },
    result: "OK",
  });
});

test("refused rights are written before the answer, whatever the answer says; refused tokens and rates within seconds", async () => {
  const { app, client } = await pushed();
  await app.services.audit.flush();
  const before = (await written(app)).length;
  assert.equal(await codeOf(client.call("listTokens", {})), "PERMISSION_DENIED");
  assert.equal(await codeOf(client.call("describeRepository", { repository: repositoryName("secret/model") })), "REPOSITORY_UNKNOWN");
  const bound = { name: "bound", scopes: [TEAM], networks: ["10.0.0.0/8"] };
  const { token } = await app.admin.call("createToken", { body: bound });
  assert.equal(await codeOf(app.clientFor(token).call("whoAmI", {})), "ADDRESS_DENIED");
  assert.equal(
    await codeOf(client.call("createToken", { body: { name: "x", scopes: [{ repositories: "*", actions: ["pull"] }] } })),
    "SCOPE_EXCEEDED",
  );
  assert.deepEqual(acts((await written(app)).slice(before)), [
    "listTokens PERMISSION_DENIED",
    "describeRepository REPOSITORY_UNKNOWN",
    "createToken OK",
    "whoAmI ADDRESS_DENIED",
    "createToken SCOPE_EXCEEDED",
  ]);
  assert.equal(
    (await written(app)).slice(before).find(({ act }) => act === "describeRepository")?.repository,
    "secret/model",
    "the trail knows what was asked for",
  );
  assert.equal(
    (await written(app)).find(({ result }) => result === "ADDRESS_DENIED")?.caller?.name,
    "bound",
    "the trail knows whose token it is",
  );
  const count = (await written(app)).length;
  assert.equal(await codeOf(app.clientFor(makeToken(crypto.getRandomValues(new Uint8Array(32)))).call("whoAmI", {})), "TOKEN_INVALID");
  assert.equal((await written(app)).length, count);
  await app.services.audit.flush();
  assert.deepEqual(acts((await written(app)).slice(count)), ["whoAmI TOKEN_INVALID"]);
  const { token: revoked, description } = await app.admin.call("createToken", { body: { name: "revoked", scopes: [TEAM] } });
  await app.admin.call("revokeToken", { params: { id: description.id } });
  assert.equal(await codeOf(app.clientFor(revoked).call("whoAmI", {})), "TOKEN_INVALID");
  await app.services.audit.flush();
  assert.deepEqual((await written(app)).at(-1)?.caller, { id: description.id, name: "revoked" });
});

test("what is not there, was asked wrongly, or can't be a token is no refusal of a right", async () => {
  const { app, member, client } = await pushed();
  await app.services.audit.flush();
  const before = (await written(app)).length;
  assert.equal(await codeOf(client.call("describeRepository", { repository: repositoryName("team/none") })), "REPOSITORY_UNKNOWN");
  assert.equal(await codeOf(client.call("resolve", { repository: MODEL, params: { ref: "none" } })), "REF_UNKNOWN");
  assert.equal(await codeOf(app.clientFor(undefined).call("whoAmI", {})), "TOKEN_MISSING");
  assert.equal(await codeOf(app.clientFor(`hf_${"0".repeat(36)}`).call("whoAmI", {})), "TOKEN_INVALID");
  assert.equal(
    (await app.fetch(`${ENDPOINT}/api/v1/repositories/..%2f/x`, { headers: { authorization: `Bearer ${member}` } })).status,
    400,
  );
  await app.services.audit.flush();
  assert.equal((await written(app)).length, before);
});

test("an act that can't be written into the trail is not answered as done, and its repetition is", async () => {
  const { app, member } = await pushed();
  const { bucket } = app.stores.home;
  const create = bucket.create.bind(bucket);
  bucket.create = async (key, bytes) => {
    if (key.startsWith(AUDIT_PREFIX)) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "down" });
    return create(key, bytes);
  };
  const body = { ref: "main", operationId: operationId() };
  const set = () => codeOf(app.clientFor(member).call("setTag", { repository: MODEL, params: { tag: "v1" }, body }));
  assert.equal(await set(), "STORAGE_UNAVAILABLE");
  assert.equal(await codeOf(app.clientFor(member).call("listTokens", {})), "STORAGE_UNAVAILABLE");
  bucket.create = create;
  assert.equal(await set(), "OK");
  const all = acts(await written(app));
  assert.deepEqual(all.slice(-3), ["setTag OK", "listTokens PERMISSION_DENIED", "setTag OK"]);
});

test("what waits is written five seconds after the first of it, once, and what a failed flush held back comes later", async () => {
  const wakes: (() => void)[] = [];
  const asked: number[] = [];
  const { app, client } = await pushed({
    sleep: (ms) => {
      asked.push(ms);
      return new Promise((wake) => wakes.push(wake));
    },
  });
  const download = () =>
    client.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks: [digestOf("some weights")] } });
  for (let at = 0; at < 10; at++) await download();
  assert.deepEqual(asked, [5_000]);
  const { bucket } = app.stores.home;
  const create = bucket.create.bind(bucket);
  bucket.create = async () => {
    throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "down" });
  };
  wakes[0]?.();
  await Promise.all(app.background);
  assert.ok(app.log.some(({ event }) => event === "audit.failed"));
  bucket.create = create;
  await download();
  assert.equal(asked.length, 2);
  wakes[1]?.();
  await Promise.all(app.background);
  assert.equal(acts(await written(app)).filter((act) => act === "download OK").length, 11);
});

test("a promise to write that was not kept is given to another request after 15 s", async () => {
  const asked: number[] = [];
  const { app, client } = await pushed({
    sleep: (ms) => {
      asked.push(ms);
      return new Promise(() => {});
    },
  });
  const download = () =>
    client.call("download", { repository: MODEL, params: { ref: "main" }, body: { chunks: [digestOf("some weights")] } });
  await download();
  app.clock.advance(14_999);
  await download();
  assert.equal(asked.length, 1);
  app.clock.advance(1);
  await download();
  assert.equal(asked.length, 2);
});

test("a flood is counted, not kept", async () => {
  const { app, client } = await pushed();
  await app.services.audit.flush();
  for (let at = 0; at < 1_010; at++)
    app.services.audit.record({ requestId: "x", address: null, caller: null, act: "flood", repository: null, about: {}, result: "OK" });
  await app.services.audit.flush();
  const keys = await listAll(app.stores.home.bucket, AUDIT_PREFIX);
  const last = JSON.parse(new TextDecoder().decode((await app.stores.home.bucket.get(keys.at(-1)?.key ?? "")) ?? new Uint8Array()));
  assert.deepEqual([last.events.length, last.dropped], [1_000, 10]);
  assert.ok(client);
});

test("no secret stands in the trail, and no presigned URL, upload name or free text of a body", async () => {
  const { app, member, client } = await pushed();
  const { upload } = await new Pusher(client, app.stores.fetch).open(MODEL);
  const made = await app.admin.call("createToken", { body: { name: "made", scopes: [TEAM] } });
  const turned = await app.admin.call("rotateToken", { params: { id: made.description.id }, body: {} });
  await codeOf(app.clientFor(`${made.token}x`).call("whoAmI", {}));
  await codeOf(
    client.call("reserve", { repository: MODEL, params: { upload }, body: { attempt: 1, chunks: [{ sha256: digestOf("x"), size: 1 }] } }),
  );
  await codeOf(
    client.call("confirm", {
      repository: MODEL,
      params: { upload: `${upload}x` },
      body: { attempt: 1, chunks: [{ sha256: digestOf("x"), size: 1 }] },
    }),
  );
  await app.services.audit.flush();
  const text = JSON.stringify(await written(app));
  for (const secret of [member, made.token, turned.token, upload, upload.split(".")[0] ?? upload, "Signature"])
    assert.ok(!text.includes(secret), secret.slice(0, 12));
  assert.doesNotMatch(text, /hf_[0-9A-Za-z]{20}/);
});

test("the trail is listed in order of time, filtered, and page by page with every event once", async () => {
  const { app, member, client } = await pushed();
  for (let at = 0; at < 5; at++) {
    app.clock.advance(60_000);
    await tag(app, member, `v${at}`);
    await codeOf(client.call("listTokens", {}));
  }
  await app.services.audit.flush();
  const all = await written(app);
  const list = async (query: Record<string, string | number>) => {
    const events: AuditEvent[] = [];
    let cursor: string | null = null;
    do {
      const page: { events: AuditEvent[]; next: string | null } = await app.admin.call("listAudit", {
        query: { ...query, ...(cursor === null ? {} : { cursor }) } as never,
      });
      events.push(...page.events);
      assert.ok(page.events.length <= Number(query["limit"] ?? 100));
      cursor = page.next;
    } while (cursor !== null);
    return events;
  };
  for (const limit of [1, 2, 3, 7, 1_000]) assert.deepEqual(await list({ limit }), all, `${limit} a page`);
  assert.equal((await list({ act: "setTag" })).length, 5);
  assert.equal((await list({ act: "setTag", since: "2026-01-01T00:03:00Z" })).length, 3);
  assert.equal((await list({ act: "setTag", until: "2026-01-01T00:03:00Z" })).length, 3);
  assert.equal((await list({ result: "failed" })).length, 5);
  assert.equal((await list({ result: "PERMISSION_DENIED", caller: "Ada" })).length, 5);
  assert.equal((await list({ caller: "bootstrap" })).length, 1);
  assert.equal((await list({ repository: "team/model", act: "commit" })).length, 1);
  assert.deepEqual(await list({ repository: "team/none" }), []);
});

test("only who administers the deployment may read the trail, and reading it is in it", async () => {
  const { app, client } = await pushed();
  for (const route of ["listAudit", "readAuditBatches", "readAuditSeals"] as const) {
    assert.equal(await codeOf(client.call(route, { query: {} })), "PERMISSION_DENIED");
    assert.equal(await codeOf(app.admin.call(route, { query: {} })), "OK");
  }
  await app.services.audit.flush();
  assert.deepEqual(acts(await written(app)).slice(-2), ["readAuditSeals PERMISSION_DENIED", "readAuditSeals OK"]);
});

test("a batch that was changed, or is none, is told as damaged, and the rest is listed", async () => {
  const { app, member } = await pushed();
  await tag(app, member);
  const [first] = await listAll(app.stores.home.bucket, AUDIT_PREFIX);
  const key = first?.key ?? "";
  const text = new TextDecoder().decode((await app.stores.home.bucket.get(key)) ?? new Uint8Array());
  await app.stores.home.bucket.put(key, new TextEncoder().encode(text.replace("bootstrap", "somebody!")));
  await app.stores.home.bucket.put(`${AUDIT_PREFIX}stray`, new Uint8Array(3));
  const page = await app.admin.call("listAudit", { query: {} });
  assert.deepEqual(page.damaged, [key.slice(AUDIT_PREFIX.length, -".json".length), "stray"]);
  assert.equal(acts(page.events).at(-1), "setTag OK");
});

test("each batch of an isolate names those before it, and its own name says its hash", async () => {
  const { app, member } = await pushed();
  for (let at = 0; at < 3; at++) await tag(app, member, `v${at}`);
  const { batches } = await app.admin.call("readAuditBatches", { query: {} });
  const named = new Set<string>();
  for (const [at, { name, text }] of batches.entries()) {
    const batch = JSON.parse(text) as { prev: string[]; at: string; writer: string; seq: number };
    assert.equal(name, `${timeOfAudit(batch.at)}-${batch.writer}-${String(at + 1).padStart(6, "0")}-${await sha256(text)}`);
    assert.deepEqual(batch.prev, at === 0 ? [] : [batches[at - 1]?.name]);
    for (const one of batch.prev) named.add(one);
  }
  assert.equal(named.size, batches.length - 1);
});

test("flushes at the same time lose nothing, and what both left behind is named by the next", async () => {
  const { app, member } = await pushed();
  await Promise.all(Array.from({ length: 8 }, (_, at) => tag(app, member, `v${at}`)));
  await tag(app, member, "last");
  const { batches } = await app.admin.call("readAuditBatches", { query: {} });
  const named = batches.flatMap(({ text }) => (JSON.parse(text) as { prev: string[] }).prev);
  assert.equal(new Set(named).size, named.length);
  assert.deepEqual(new Set(named), new Set(batches.slice(0, -1).map(({ name }) => name)));
  assert.equal((await written(app)).filter(({ act }) => act === "setTag").length, 9);
});

test("what was not named yet when a flush failed is named by the one that follows", async () => {
  const { app, member } = await pushed();
  await tag(app, member, "v1");
  const { bucket } = app.stores.home;
  const create = bucket.create.bind(bucket);
  bucket.create = async (key, bytes) => {
    if (key.startsWith(AUDIT_PREFIX)) throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "down" });
    return create(key, bytes);
  };
  await assert.rejects(tag(app, member, "v2"), { code: "STORAGE_UNAVAILABLE" });
  bucket.create = create;
  await tag(app, member, "v3");
  const { batches } = await app.admin.call("readAuditBatches", { query: {} });
  const named = batches.flatMap(({ text }) => (JSON.parse(text) as { prev: string[] }).prev);
  assert.deepEqual(new Set(named), new Set(batches.slice(0, -1).map(({ name }) => name)));
});

test("an hour is sealed once, 20 minutes after its end, and each seal names the one before", async () => {
  const { app, member } = await pushed();
  const seals = async () => (await app.admin.call("readAuditSeals", { query: {} })).seals.map(({ hour }) => hour);
  await tag(app, member, "v1");
  // A look is had every ten minutes.
  app.clock.advance(HOUR_MS + 10 * 60_000);
  await onMinute(app.services);
  assert.deepEqual(await seals(), []);
  app.clock.advance(10 * 60_000);
  await Promise.all([onMinute(app.services), onMinute(app.services)]);
  assert.deepEqual(await seals(), ["2026010100"]);
  await tag(app, member, "v2");
  app.clock.advance(5 * HOUR_MS);
  await tag(app, member, "v3");
  app.clock.advance(2 * HOUR_MS);
  await onMinute(app.services);
  await onMinute(app.services);
  // Hours without events have no seal.
  assert.deepEqual((await seals()).slice(0, 3), ["2026010100", "2026010101", "2026010106"]);
  const { seals: told } = await app.admin.call("readAuditSeals", { query: {} });
  const [first, second] = told.map(({ text }) => text);
  assert.deepEqual(JSON.parse(second ?? "").prev, { hour: "2026010100", sha256: await sha256(first ?? "") });
  assert.ok(app.log.some(({ event, hour }) => event === "audit.sealed" && hour === "2026010100"));
  assert.equal((await listAll(app.stores.home.bucket, SEAL_PREFIX)).length, told.length);
});
