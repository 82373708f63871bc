import assert from "node:assert/strict";
import { test } from "node:test";
import type { FerryClient } from "../../../shared/client.ts";
import { FerryError } from "../../../shared/errors.ts";
import { ENDPOINT, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { type Files, Pusher } from "../../support/pusher.ts";

const OPEN = repositoryName("open/model");
const SECRET = repositoryName("secret/model");
const FILES: Files = { weights: "costly weights", config: "{}" };

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

test("dedup across repositories: who may pull the holder sends nothing; who may not sends all, and sees no difference to unknown content", async () => {
  const app = await memoryApp();
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(SECRET);
  await owner.push(SECRET, FILES);

  const friend = new Pusher(await app.member({ repositories: "*", actions: ["pull", "push"] }), app.stores.fetch);
  await friend.create(repositoryName("friend/copy"));
  assert.equal((await friend.push(repositoryName("friend/copy"), FILES)).sent, 0);

  const stranger = new Pusher(await app.member({ repositories: "stranger/*", actions: ["pull", "push"] }), app.stores.fetch);
  const mine = repositoryName("stranger/model");
  await stranger.create(mine);
  const { upload } = await stranger.open(mine);
  const known = await stranger.reserve(mine, upload, FILES);
  const unknown = await stranger.reserve(mine, upload, { weights: "other weights!", config: "[]" });
  const shape = (value: unknown) =>
    JSON.stringify(value)
      .replace(/[0-9a-f]{64}(~[0-9a-f]{16})?/g, "#")
      .replace(/"path":"../g, '"path":"##');
  assert.equal(shape(known), shape(unknown));
  assert.equal((await stranger.push(mine, FILES)).sent, 2);
  // And the second push of his own content is free for him too, although the index names a holder that he can't see.
  assert.equal((await stranger.push(mine, FILES)).sent, 0);
});

test("a known digest gives nothing: neither a commit nor a download can name a chunk that was not sent or may not be read", async () => {
  const app = await memoryApp();
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(SECRET);
  await owner.push(SECRET, FILES);
  const thief = new Pusher(await app.member({ repositories: "thief/*", actions: ["pull", "push"] }), app.stores.fetch);
  const mine = repositoryName("thief/model");
  await thief.create(mine);
  await thief.push(mine, { readme: "hello" });
  const { upload, parent } = await thief.open(mine);
  await thief.reserve(mine, upload, FILES);
  assert.equal(await codeOf(thief.commit(mine, upload, FILES, { parent })), "CHUNK_UNPROVEN");
  const chunks = (await owner.client.call("manifest", { repository: SECRET, params: { ref: "main" } })).manifest.files;
  const [file] = chunks;
  assert.ok(file !== undefined && file.mode !== "link" && file.chunk !== undefined);
  assert.equal(
    await codeOf(thief.client.call("download", { repository: mine, params: { ref: "main" }, body: { chunks: [file.chunk] } })),
    "CHUNK_UNKNOWN",
  );
  assert.equal(
    await codeOf(thief.client.call("download", { repository: SECRET, params: { ref: "main" }, body: { chunks: [file.chunk] } })),
    "REPOSITORY_UNKNOWN",
  );
});

test("an upload belongs to its caller and its repository", async () => {
  const app = await memoryApp();
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(OPEN);
  await owner.create(SECRET);
  const { upload } = await owner.open(OPEN);
  const other = new Pusher(await app.member({ repositories: "*", actions: ["pull", "push"] }), app.stores.fetch);
  assert.equal(await codeOf(other.reserve(OPEN, upload, FILES)), "UPLOAD_UNKNOWN");
  assert.equal(await codeOf(owner.reserve(SECRET, upload, FILES)), "UPLOAD_UNKNOWN");
  assert.equal(await codeOf(owner.reserve(OPEN, `${upload}x`, FILES)), "UPLOAD_UNKNOWN");
  app.clock.advance(8 * 86_400_000);
  assert.equal(await codeOf(owner.reserve(OPEN, upload, FILES)), "UPLOAD_UNKNOWN");
});

test("what each scope may do: anything not given is refused, and what can't be seen is not there", async () => {
  const app = await memoryApp();
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(OPEN);
  await owner.push(OPEN, FILES);
  const tag = (client: FerryClient, name: string) =>
    codeOf(client.call("setTag", { repository: OPEN, params: { tag: name }, body: { ref: "main", operationId: operationId() } }));
  const reader = await app.member({ repositories: "open/*", actions: ["pull"] });
  assert.equal(await codeOf(reader.call("resolve", { repository: OPEN, params: { ref: "main" } })), "OK");
  assert.equal(await codeOf(new Pusher(reader, app.stores.fetch).open(OPEN)), "PERMISSION_DENIED");
  assert.equal(await tag(reader, "v1"), "PERMISSION_DENIED");
  assert.equal(await codeOf(reader.call("listTokens", {})), "PERMISSION_DENIED");
  assert.equal(await codeOf(reader.call("probeStore", { params: { store: "home" } })), "PERMISSION_DENIED");
  const elsewhere = await app.member({ repositories: "open/mode", actions: ["admin"] });
  assert.equal(await codeOf(elsewhere.call("resolve", { repository: OPEN, params: { ref: "main" } })), "REPOSITORY_UNKNOWN");
  assert.equal((await elsewhere.call("listRepositories", { query: {} })).repositories.length, 0);
  const tagger = await app.member({ repositories: "open/*", actions: ["pull", "tag"] });
  assert.equal(await tag(tagger, "v1"), "OK");
  const remove = (client: FerryClient) =>
    codeOf(client.call("deleteRepository", { repository: OPEN, query: { operationId: operationId() } }));
  assert.equal(await remove(tagger), "PERMISSION_DENIED");
  assert.equal(await remove(app.admin), "OK");
  assert.equal(await codeOf(reader.call("resolve", { repository: OPEN, params: { ref: "main" } })), "REPOSITORY_UNKNOWN");
});

test("no token grants more than its maker holds, in actions, repositories, stores or time", async () => {
  const app = await memoryApp();
  const maker = await app.member({ repositories: "team/*", actions: ["pull", "push"], stores: ["home" as never] });
  const ask = (scope: object) => codeOf(maker.call("createToken", { body: { name: "child", scopes: [scope as never] } }));
  assert.equal(await ask({ repositories: "team/a", actions: ["pull"], stores: ["home"] }), "OK");
  for (const scope of [
    { repositories: "team/a", actions: ["pull"] },
    { repositories: "team/a", actions: ["pull", "tag"], stores: ["home"] },
    { repositories: "team/*", actions: ["admin"], stores: ["home"] },
    { repositories: "*", actions: ["pull"], stores: ["home"] },
    { repositories: "team2/a", actions: ["pull"], stores: ["home"] },
    { repositories: "*/a", actions: ["pull"], stores: ["home"] },
    { repositories: "team/a", actions: ["pull"], stores: ["west"] },
  ]) {
    assert.equal(await ask(scope), "SCOPE_EXCEEDED", JSON.stringify(scope));
  }
});

test("expired, revoked, malformed and missing tokens are refused", async () => {
  const app = await memoryApp();
  const scopes = [{ repositories: "*", actions: ["pull" as const] }];
  const short = await app.admin.call("createToken", { body: { name: "short", scopes, expiresInSeconds: 60 } });
  const lived = await app.admin.call("createToken", { body: { name: "lived", scopes } });
  const who = (token: string | undefined) => codeOf(app.clientFor(token).call("whoAmI", {}));
  assert.deepEqual([await who(short.token), await who(lived.token)], ["OK", "OK"]);
  await app.admin.call("revokeToken", { params: { id: lived.description.id } });
  app.clock.advance(61_000);
  assert.deepEqual([await who(short.token), await who(lived.token)], ["TOKEN_INVALID", "TOKEN_INVALID"]);
  assert.equal(await who(undefined), "TOKEN_MISSING");
  for (const bad of ["x", "hf_", `${short.token}x`, short.token.slice(0, -1), "hf_".padEnd(39, "0")])
    assert.equal(await who(bad), "TOKEN_INVALID", bad);
  for (const header of ["Basic abc", `Token ${lived.token}`, `Bearer  ${lived.token}`, `Bearer ${lived.token} x`]) {
    const response = await app.fetch(`${ENDPOINT}/api/v1/whoami`, { headers: { authorization: header } });
    assert.equal(response.status, 401);
  }
});
