/** The kill switch: what of a blocked repository goes out, by any way, until it is unblocked. And rights that hold at some stores alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FerryClient } from "../../../shared/client.ts";
import { type Action, Scope } from "../../../shared/contract/access.ts";
import { FerryError } from "../../../shared/errors.ts";
import { RefName } from "../../../shared/names.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, type Files, Pusher } from "../../support/pusher.ts";

const LEAKED = repositoryName("team/leaked");
const COPY = repositoryName("team/copy");
const FILES: Files = { weights: "secret weights", config: "{}" };

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

const download = (client: FerryClient) =>
  client.call("download", { repository: LEAKED, params: { ref: "main" }, body: { chunks: [digestOf("secret weights")] } });
const block = (client: FerryClient, reason = "licence withdrawn") =>
  client.call("blockRepository", { repository: LEAKED, body: { reason, operationId: operationId() } });
const unblock = (client: FerryClient) => client.call("unblockRepository", { repository: LEAKED, query: { operationId: operationId() } });

async function leaked(): Promise<{ app: MemoryApp; member: FerryClient; pusher: Pusher }> {
  const app = await memoryApp();
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(LEAKED);
  await owner.push(LEAKED, FILES);
  const member = await app.member(Scope.parse({ repositories: "team/*", actions: ["pull", "push", "tag", "delete"] }));
  return { app, member, pusher: new Pusher(member, app.stores.fetch) };
}

test("a blocked repository gives no URL to anybody, from the next request on; it tells who wants to know why", async () => {
  const { app, member } = await leaked();
  assert.equal(await codeOf(download(member)), "OK");
  assert.equal(await codeOf(block(member)), "PERMISSION_DENIED");
  const { blocked } = await block(app.admin);
  assert.deepEqual(blocked, { at: "2026-01-01T00:00:00.000Z", by: "bootstrap", reason: "licence withdrawn" });
  for (const client of [member, app.admin]) {
    const refusal = await download(client).catch((error: unknown) => error);
    assert.ok(refusal instanceof FerryError);
    assert.deepEqual([refusal.code, refusal.status], ["REPOSITORY_BLOCKED", 403]);
    assert.match(refusal.message, /blocked since 2026-01-01T00:00:00.000Z: licence withdrawn/);
  }
  assert.deepEqual((await member.call("describeRepository", { repository: LEAKED })).blocked, blocked);
  // What is not its content is still there for who has to look into it.
  assert.equal(await codeOf(member.call("manifest", { repository: LEAKED, params: { ref: "main" } })), "OK");
  assert.equal(await codeOf(unblock(member)), "PERMISSION_DENIED");
  await unblock(app.admin);
  assert.equal(await codeOf(download(member)), "OK");
});

test("a blocked repository's content leaves it by no copy that brings no bytes", async () => {
  const { app, member, pusher } = await leaked();
  await pusher.create(COPY);
  await block(app.admin);
  const clone = { from: LEAKED, ref: "main", branch: RefName.parse("main"), operationId: operationId() };
  assert.equal(await codeOf(member.call("clone", { repository: COPY, body: clone })), "REPOSITORY_BLOCKED");
  // Nor by a push that says it has the chunks: it has to send them.
  const { upload } = await pusher.open(COPY);
  const { have } = await pusher.reserve(COPY, upload, FILES);
  assert.deepEqual(have, []);
  await unblock(app.admin);
  const { upload: later } = await pusher.open(COPY, RefName.parse("other"));
  assert.equal((await pusher.reserve(COPY, later, FILES)).have.length, 2);
});

test("a block outlives the index, the trash and another name", async () => {
  const { app, member } = await leaked();
  const { id } = await block(app.admin);
  app.indexes.wipe();
  assert.equal(await codeOf(download(member)), "REPOSITORY_BLOCKED");
  await app.admin.call("deleteRepository", { repository: LEAKED, query: { operationId: operationId() } });
  await member.call("restoreRepository", { params: { id }, body: { operationId: operationId() } });
  assert.equal(await codeOf(download(member)), "REPOSITORY_BLOCKED");
});

test("blocking and unblocking happen once for an operation id; a second block has its own reason", async () => {
  const { app } = await leaked();
  const body = { reason: "first", operationId: operationId() };
  const first = await app.admin.call("blockRepository", { repository: LEAKED, body });
  const head = (await app.ports.system.head())?.seq;
  assert.deepEqual(await app.admin.call("blockRepository", { repository: LEAKED, body }), first);
  assert.equal((await app.ports.system.head())?.seq, head);
  assert.equal((await block(app.admin, "second")).blocked?.reason, "second");
  await unblock(app.admin);
  const after = (await app.ports.system.head())?.seq;
  await unblock(app.admin);
  assert.equal((await app.ports.system.head())?.seq, after, "unblocking what is not blocked leaves no record");
});

test("rights at some stores are no rights at others, whether the store is named or not", async () => {
  const app = await memoryApp({ ids: ["home", "west"] });
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(LEAKED);
  await owner.push(LEAKED, FILES);
  const at = (store: string, ...actions: Action[]) => app.member(Scope.parse({ repositories: "*", actions, stores: [store] }));
  const [homeMember, westMember] = [await at("home", "pull", "push"), await at("west", "pull", "push")];
  const ask = (client: FerryClient, store?: string) =>
    codeOf(
      client.call("download", {
        repository: LEAKED,
        params: { ref: "main" },
        body: { chunks: [digestOf("{}")], ...(store === undefined ? {} : { store: store as never }) },
      }),
    );
  assert.deepEqual(
    [await ask(homeMember), await ask(homeMember, "home"), await ask(homeMember, "west")],
    ["OK", "OK", "PERMISSION_DENIED"],
  );
  assert.deepEqual([await ask(westMember), await ask(westMember, "home")], ["PERMISSION_DENIED", "PERMISSION_DENIED"]);
  assert.equal(await ask(westMember, "west"), "REPLICA_NOT_READY", "it has no copy yet; the right is there");
  const reserve = async (client: FerryClient) => {
    const pusher = new Pusher(client, app.stores.fetch);
    const { upload } = await pusher.open(LEAKED);
    return codeOf(pusher.reserve(LEAKED, upload, { new: "new content" }));
  };
  assert.deepEqual([await reserve(homeMember), await reserve(westMember)], ["OK", "PERMISSION_DENIED"]);

  const storesOf = async (client: FerryClient) => (await client.call("listStores", {})).stores.map(({ id }) => id);
  assert.deepEqual([await storesOf(homeMember), await storesOf(app.admin)], [["home"], ["home", "west"]]);
  const westAdmin = await at("west", "admin");
  const probe = (store: string) => codeOf(westAdmin.call("probeStore", { params: { store } }));
  assert.deepEqual([await probe("west"), await probe("home")], ["OK", "PERMISSION_DENIED"]);
  assert.equal(await codeOf(westAdmin.call("listTokens", {})), "PERMISSION_DENIED", "tokens are no store's");
});
