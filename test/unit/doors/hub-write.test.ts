import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { onMinute } from "../../../functions/jobs/cron.ts";
import { STAGING_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { MiB } from "../../../shared/units.ts";
import { fileLine, type HubApp, hubApp, lfsLine } from "../../support/hub/hub-app.ts";
import { repositoryName } from "../../support/memory-app.ts";

const NAME = "team/model";
const DAY_MS = 86_400_000;
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

async function world(options: Parameters<typeof hubApp>[0] = {}): Promise<HubApp> {
  const hub = await hubApp(options);
  assert.equal((await hub.ask("POST", "/api/repos/create", { body: { name: "model", organization: "team" } })).status, 200);
  return hub;
}

const staged = (hub: HubApp) => listAll(hub.app.stores.home.bucket, STAGING_PREFIX);

async function bytesOf(hub: HubApp, path: string): Promise<Buffer> {
  const answer = await hub.ask("GET", `/${NAME}/resolve/main/${path}`);
  const whole = answer.status === 302 ? await hub.app.stores.fetch(answer.headers.get("location") ?? "") : answer;
  return Buffer.from(await whole.arrayBuffer());
}

test("a new repository has .gitattributes; making it again is 409 with its URL", async () => {
  const hub = await world();
  assert.match(String(await bytesOf(hub, ".gitattributes")), /\*\.safetensors filter=lfs/);
  const again = await hub.ask("POST", "/api/repos/create", { body: { name: "team/model" } });
  assert.equal(again.status, 409);
  assert.match(((await again.json()) as { url: string }).url, /\/team\/model$/);
});

for (const [what, sizeBytes] of [
  ["of one part", 3 * MiB],
  ["of several parts", 150 * MiB],
] as const)
  test(`a file ${what} is uploaded, committed and read again as it was, and natively at once`, async () => {
    const hub = await world();
    const bytes = Buffer.concat([randomBytes(2 * MiB), Buffer.alloc(sizeBytes - 2 * MiB, "x")]);
    assert.equal((await hub.upload(NAME, bytes, sha(bytes))).status, 200);
    assert.equal((await hub.commit(NAME, [lfsLine("big.bin", sha(bytes))])).status, 200);
    assert.equal(sha(await bytesOf(hub, "big.bin")), sha(bytes));
    const { manifest } = await hub.app.admin.call("manifest", { repository: repositoryName(NAME), params: { ref: "main" } });
    const file = manifest.files.find(({ path }) => path === "big.bin");
    assert.ok(file !== undefined && file.mode === "file" && file.sha256 === sha(bytes));
    assert.equal(file.chunk === undefined, sizeBytes > 64 * MiB);
  });

test("any range of a file of several chunks is what it is of the file", async () => {
  const hub = await world();
  const bytes = Buffer.concat([randomBytes(MiB), Buffer.alloc(130 * MiB, "y"), randomBytes(MiB)]);
  await hub.upload(NAME, bytes, sha(bytes));
  await hub.commit(NAME, [lfsLine("big.bin", sha(bytes))]);
  for (const [range, start, end] of [
    ["bytes=0-0", 0, 1],
    ["bytes=1048570-1048580", 1_048_570, 1_048_581],
    ["bytes=-1048577", bytes.length - 1_048_577, bytes.length],
    [`bytes=${bytes.length - 3}-`, bytes.length - 3, bytes.length],
  ] as const) {
    const answer = await hub.ask("GET", `/${NAME}/resolve/main/big.bin`, { headers: { range } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers.get("content-range"), `bytes ${start}-${end - 1}/${bytes.length}`);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes.subarray(start, end));
  }
});

test("small files come with the commit; the same commit again makes no revision", async () => {
  const hub = await world();
  const lines = [
    fileLine("a.json", "{}"),
    fileLine("empty", ""),
    { key: "file", value: { path: "b.txt", content: "plain", encoding: "utf-8" } },
  ];
  const first = (await (await hub.commit(NAME, lines)).json()) as { commitOid: string };
  assert.equal(String(await bytesOf(hub, "b.txt")), "plain");
  assert.deepEqual(await (await hub.commit(NAME, lines)).json().then((again) => (again as typeof first).commitOid), first.commitOid);
});

test("files and folders are deleted, copied by their oid from anywhere in the history; what isn't there is EntryNotFound", async () => {
  const hub = await world();
  await hub.commit(NAME, [fileLine("x/a", "aaa"), fileLine("x/b", "bbb")]);
  await hub.commit(NAME, [{ key: "deletedFolder", value: { path: "x/" } }]);
  assert.equal((await hub.ask("HEAD", `/${NAME}/resolve/main/x/a`)).status, 404);
  assert.equal((await hub.commit(NAME, [lfsLine("y/again", sha(Buffer.from("aaa")))])).status, 200);
  assert.equal(String(await bytesOf(hub, "y/again")), "aaa");
  const missing = await hub.commit(NAME, [{ key: "deletedFile", value: { path: "nope" } }]);
  assert.deepEqual([missing.status, missing.headers.get("x-error-code")], [404, "EntryNotFound"]);
});

test("a parent that is not the head is 412; of two that commit at once without a parent both are kept", async () => {
  const hub = await world();
  const { commitOid } = (await (await hub.commit(NAME, [fileLine("a", "1")])).json()) as { commitOid: string };
  assert.equal((await hub.commit(NAME, [fileLine("b", "2")], { parentCommit: commitOid })).status, 200);
  assert.equal((await hub.commit(NAME, [fileLine("c", "3")], { parentCommit: commitOid })).status, 412);
  const both = await Promise.all([hub.commit(NAME, [fileLine("d", "4")]), hub.commit(NAME, [fileLine("e", "5")])]);
  assert.deepEqual(
    both.map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual([String(await bytesOf(hub, "d")), String(await bytesOf(hub, "e"))], ["4", "5"]);
});

test("an oid that was never uploaded, or by another token, is no file: 400, and no revision is made", async () => {
  const hub = await world();
  const bytes = randomBytes(2 * MiB);
  assert.equal((await hub.commit(NAME, [lfsLine("ghost", "0".repeat(64))])).status, 400);
  await hub.upload(NAME, bytes, sha(bytes));
  const other = await hub.tokenFor({ repositories: "team/*", actions: ["pull", "push"] });
  const stolen = `${JSON.stringify({ key: "header", value: { summary: "x" } })}\n${JSON.stringify(lfsLine("stolen", sha(bytes)))}\n`;
  assert.equal((await hub.ask("POST", `/api/models/${NAME}/commit/main`, { body: stolen, token: other })).status, 400);
});

test("bytes that are not what they are called are refused when they are finished, and again by the commit", async () => {
  const hub = await world();
  const bytes = randomBytes(2 * MiB);
  const claimed = sha(randomBytes(8));
  const verified = await hub.upload(NAME, bytes, claimed);
  assert.equal(verified.status, 422);
  assert.equal((await hub.commit(NAME, [lfsLine("lie", claimed)])).status, 422);
});

test("bytes of another length are refused by the store; a missing part is told", async () => {
  const hub = await world();
  const oid = sha(randomBytes(8));
  const body = { operation: "upload", objects: [{ oid, size: 70 * MiB }] };
  const batch = (await (await hub.ask("POST", `/${NAME}.git/info/lfs/objects/batch`, { body })).json()) as {
    objects: { actions: { upload: { href: string; header: Record<string, string> } } }[];
  };
  const upload = batch.objects[0]?.actions.upload;
  assert.ok(upload !== undefined);
  assert.equal((await hub.put(upload.header["00002"] ?? "", randomBytes(10))).status, 403);
  const finished = await hub.ask("POST", upload.href, { body: { oid, parts: [] }, token: null });
  assert.equal(finished.status, 400);
  assert.match(await finished.text(), /part 1 was not uploaded/);
});

test("a completion URL that is forged, changed or too old finishes nothing", async () => {
  const hub = await world();
  const body = { operation: "upload", objects: [{ oid: sha(randomBytes(8)), size: 70 * MiB }] };
  const answer = (await (await hub.ask("POST", `/${NAME}.git/info/lfs/objects/batch`, { body })).json()) as {
    objects: { actions: { upload: { href: string } } }[];
  };
  const href = answer.objects[0]?.actions.upload.href ?? "";
  const [payload = "", mac = ""] = (new URL(href).searchParams.get("ticket") ?? "").split(".");
  const other = Buffer.from(JSON.stringify({ ...JSON.parse(String(Buffer.from(payload, "base64url"))), tokenId: "0".repeat(16) })).toString(
    "base64url",
  );
  for (const ticket of ["", "x", `${payload}.`, `${payload}.${mac}x`, `${other}.${mac}`]) {
    const refused = await hub.ask("POST", `/${NAME}.git/info/lfs/complete?ticket=${ticket}`, { body: {}, token: null });
    assert.equal(refused.status, 404, ticket);
  }
  hub.app.clock.advance(DAY_MS + 1000);
  assert.equal((await hub.ask("POST", href, { body: {}, token: null })).status, 404);
});

for (const path of ["../up", "/abs", "a/../../b", "con", "a\\b", "a:b", ".git/hooks/x", "x\u0000y"])
  test(`a commit of the path ${JSON.stringify(path)} is refused`, async () => {
    const hub = await world();
    assert.equal((await hub.commit(NAME, [fileLine(path, "x")])).status, 422);
  });

test("nothing is left in staging after a day, committed or not; what was committed is still there", async () => {
  const hub = await world();
  const [kept, left] = [randomBytes(2 * MiB), randomBytes(2 * MiB)];
  await hub.upload(NAME, kept, sha(kept));
  await hub.commit(NAME, [lfsLine("kept", sha(kept))]);
  await hub.upload(NAME, left, sha(left));
  hub.app.clock.advance(DAY_MS / 2);
  await onMinute(hub.app.services);
  assert.ok((await staged(hub)).length > 0);
  hub.app.clock.advance(DAY_MS / 2 + 1000);
  await onMinute(hub.app.services);
  assert.deepEqual(await staged(hub), []);
  assert.equal(sha(await bytesOf(hub, "kept")), sha(kept));
});

test("what was finished once is not asked for again, and files that are there neither", async () => {
  const hub = await world();
  const bytes = randomBytes(2 * MiB);
  const ask = async () => {
    const body = { operation: "upload", objects: [{ oid: sha(bytes), size: bytes.length }] };
    const answer = await hub.ask("POST", `/${NAME}.git/info/lfs/objects/batch`, { body });
    return ((await answer.json()) as { objects: { actions?: unknown }[] }).objects[0]?.actions;
  };
  assert.notEqual(await ask(), undefined);
  await hub.upload(NAME, bytes, sha(bytes));
  assert.equal(await ask(), undefined);
  await hub.commit(NAME, [lfsLine("a", sha(bytes))]);
  hub.app.clock.advance(DAY_MS + 1000);
  await onMinute(hub.app.services);
  assert.equal(await ask(), undefined);
});

test("preupload tells small files from large, what is ignored, what is there, and to leave Xet off", async () => {
  const hub = await world();
  await hub.commit(NAME, [fileLine("a.txt", "hello")]);
  const files = [
    { path: "a.txt", size: 5, sample: "" },
    { path: "big.bin", size: 2 * MiB, sample: "" },
    { path: "logs/x.log", size: 1, sample: "" },
  ];
  const answer = await hub.ask("POST", `/api/models/${NAME}/preupload/main`, { body: { files, gitIgnore: "*.log\n" } });
  assert.match(answer.headers.get("x-hf-warning") ?? "", /HF_HUB_DISABLE_XET=1/);
  const git = createHash("sha1").update("blob 5\0hello").digest("hex");
  assert.deepEqual(((await answer.json()) as { files: unknown }).files, [
    { path: "a.txt", uploadMode: "regular", shouldIgnore: false, oid: git },
    { path: "big.bin", uploadMode: "lfs", shouldIgnore: false },
    { path: "logs/x.log", uploadMode: "regular", shouldIgnore: true },
  ]);
});

test("who may only pull can change nothing", async () => {
  const hub = await world();
  const token = await hub.tokenFor({ repositories: "team/*", actions: ["pull"] });
  const acts: [method: string, path: string, body: unknown][] = [
    ["POST", "/api/repos/create", { name: "team/other" }],
    ["DELETE", "/api/repos/delete", { name: "team/model" }],
    ["POST", `/api/models/${NAME}/branch/dev`, {}],
    ["DELETE", `/api/models/${NAME}/branch/dev`, undefined],
    ["POST", `/api/models/${NAME}/tag/main`, { tag: "v1" }],
    ["DELETE", `/api/models/${NAME}/tag/v1`, undefined],
    ["PUT", `/api/models/${NAME}/settings`, {}],
    ["POST", `/api/models/${NAME}/super-squash/main`, {}],
    ["POST", `/api/models/${NAME}/lfs-files/batch`, { deletions: { sha: ["0".repeat(64)] } }],
    ["POST", "/api/repos/move", { fromRepo: NAME, toRepo: "team/other" }],
    ["POST", `/api/models/${NAME}/preupload/main`, { files: [] }],
    ["POST", `/api/models/${NAME}/commit/main`, '{"key":"header","value":{"summary":"x"}}'],
    ["POST", `/${NAME}.git/info/lfs/objects/batch`, { operation: "upload", objects: [{ oid: "0".repeat(64), size: 1 }] }],
    ["POST", `/${NAME}.git/info/lfs/verify`, { oid: "0".repeat(64), size: 1 }],
  ];
  for (const [method, path, body] of acts) {
    const answer = await hub.ask(method, path, { body, token });
    assert.ok(answer.status === 403 || (path === "/api/repos/create" && answer.status === 404), `${method} ${path}: ${answer.status}`);
  }
});

test("a repository that was moved is there by its new name; reads of the old one are 307 to it, writes are told, and a new one may take the name", async () => {
  const hub = await world();
  await hub.commit(NAME, [fileLine("a.txt", "hello")]);
  const move = { fromRepo: NAME, toRepo: "team/renamed", type: "model" };
  assert.equal((await hub.ask("POST", "/api/repos/move", { body: move })).status, 200);
  assert.equal((await hub.ask("GET", "/api/models/team/renamed")).status, 200);
  for (const [path, target] of [
    [`/api/models/${NAME}`, "/api/models/team/renamed"],
    [`/api/models/${NAME}/tree/main?recursive=true`, "/api/models/team/renamed/tree/main?recursive=true"],
    [`/${NAME}/resolve/main/a.txt`, "/team/renamed/resolve/main/a.txt"],
  ] as const) {
    const answer = await hub.ask("GET", path);
    assert.deepEqual([answer.status, answer.headers.get("location")], [307, target]);
  }
  assert.equal((await hub.ask("HEAD", `/${NAME}/resolve/main/a.txt`)).status, 307);
  assert.equal((await hub.commit(NAME, [fileLine("b", "b")])).status, 404);
  const blind = await hub.tokenFor({ repositories: NAME, actions: ["pull"] });
  assert.equal((await hub.ask("GET", `/api/models/${NAME}`, { token: blind })).status, 404, "who may not see the new name is not told it");
  assert.equal((await hub.ask("POST", "/api/repos/move", { body: { ...move, toRepo: "team/third" } })).status, 404);
  assert.equal((await hub.ask("POST", "/api/repos/create", { body: { name: NAME } })).status, 200);
  assert.equal((await hub.ask("HEAD", `/${NAME}/resolve/main/a.txt`)).status, 404);
  assert.equal((await hub.ask("POST", "/api/repos/move", { body: move })).status, 409);
});

const commitsOf = async (hub: HubApp) =>
  (await (await hub.ask("GET", `/api/models/${NAME}/commits/main`)).json()) as { id: string; title: string }[];

test("a squashed branch has one revision with the files it had; tagged ones stay, the others can be restored from the trash", async () => {
  const hub = await world();
  for (const text of ["1", "2", "3"]) await hub.commit(NAME, [fileLine("a", text)]);
  const [, second] = await commitsOf(hub);
  await hub.ask("POST", `/api/models/${NAME}/tag/${second?.id}`, { body: { tag: "v2" } });
  assert.equal((await hub.ask("POST", `/api/models/${NAME}/super-squash/main`, { body: { message: "one" } })).status, 200);
  const left = await commitsOf(hub);
  assert.deepEqual(
    left.map(({ title }) => title),
    ["one", "commit"],
  );
  assert.equal(left[1]?.id, second?.id);
  assert.equal(String(await bytesOf(hub, "a")), "3");
  const repository = repositoryName(NAME);
  const trash = await hub.app.admin.call("listRevisions", { repository, query: { deleted: "true" } });
  assert.equal(trash.revisions.length, 3);
  assert.equal((await hub.ask("POST", `/api/models/${NAME}/super-squash/nope`, { body: {} })).status, 404);
});

test("files are listed through history, and deleted from it: from branches at once, older revisions go into the trash; tagged ones refuse", async () => {
  const hub = await world();
  const secret = sha(Buffer.from("secret"));
  await hub.commit(NAME, [fileLine("key", "secret"), fileLine("a", "1")]);
  await hub.commit(NAME, [{ key: "deletedFile", value: { path: "key" } }]);
  await hub.ask("POST", `/api/models/${NAME}/branch/dev`, { body: { startingPoint: (await commitsOf(hub))[1]?.id } });
  const listed = async () =>
    ((await (await hub.ask("GET", `/api/models/${NAME}/lfs-files`)).json()) as { filename: string; fileOid: string }[]).filter(
      ({ fileOid }) => fileOid === secret,
    );
  assert.deepEqual(
    (await listed()).map(({ filename }) => filename),
    ["key"],
  );
  const body = { deletions: { sha: [secret], rewriteHistory: true } };
  const act = (given: object = body) => hub.ask("POST", `/api/models/${NAME}/lfs-files/batch`, { body: given });
  await hub.ask("POST", `/api/models/${NAME}/tag/dev`, { body: { tag: "keep" } });
  assert.equal((await act()).status, 409);
  await hub.ask("DELETE", `/api/models/${NAME}/tag/keep`);
  assert.equal((await act({ deletions: { sha: [secret], rewriteHistory: false } })).status, 400);
  assert.equal((await act()).status, 200);
  assert.deepEqual(await listed(), []);
  assert.equal((await hub.ask("HEAD", `/${NAME}/resolve/dev/key`)).status, 404);
  assert.equal((await hub.ask("HEAD", `/${NAME}/resolve/dev/a`)).status, 200);
  assert.equal((await act()).status, 200, "again changes nothing");
});

for (const [what, body] of [
  ["no header", '{"key":"file","value":{"path":"a","content":""}}'],
  ["no JSON", "{"],
  ["an unknown act", '{"key":"header","value":{}}\n{"key":"rename","value":{}}'],
  ["nothing", ""],
] as const)
  test(`a commit of ${what} is 400`, async () => {
    const hub = await world();
    assert.equal((await hub.ask("POST", `/api/models/${NAME}/commit/main`, { body })).status, 400);
  });

test("a line without an end is refused before it fills memory", async () => {
  const hub = await world();
  const body = `${JSON.stringify({ key: "header", value: {} })}\n${"x".repeat(9 * MiB)}`;
  assert.equal((await hub.ask("POST", `/api/models/${NAME}/commit/main`, { body })).status, 413);
});
