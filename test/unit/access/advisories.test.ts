/**
 * What has gone wrong at others (reference/safety.md §5.4), held against us: one test for each published weakness that could be ours, named
 * by it. Suites that go deeper are named beside.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findSecrets } from "../../../shared/content/secrets.ts";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { parseManifest } from "../../../shared/manifest.ts";
import { isInNetwork } from "../../../shared/networks.ts";
import { linkProblem, pathProblem } from "../../../shared/paths.ts";
import { makeToken } from "../../../shared/token.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { cut } from "../chunking/cuts.ts";
import { ask, makeWorld, ROUTE_NAMES, routeOf, targetOf } from "../http/requests.ts";

const HEX = "ab".repeat(32);
const M = repositoryName("team/m");

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : String(error)),
  );
}

async function pushed(): Promise<{ app: MemoryApp; token: string }> {
  const app = await memoryApp({ ids: ["home"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(M);
  await pusher.push(M, { "config.json": "{}" });
  const scopes = [{ repositories: "team/*", actions: ["pull" as const] }];
  return { app, token: (await app.admin.call("createToken", { body: { name: "reader", scopes } })).token };
}

async function status(app: MemoryApp, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<number> {
  return (await app.fetch(`http://ferry.test${path}`, { method, headers })).status;
}

test("CVE-2024-37032 and CVE-2026-7020 (Ollama): what is no digest is refused, in requests and in manifests that a server sends", async () => {
  const { app, token } = await pushed();
  const bad = [
    "../../x",
    `${HEX.slice(1)}`,
    `${HEX}a`,
    HEX.toUpperCase(),
    `sha256:${HEX}`,
    `${HEX}\n`,
    `${HEX}\0`,
    `../${HEX.slice(3)}`,
    "",
    "undefined",
  ];
  for (const digest of bad) {
    assert.equal(Digest.safeParse(digest).success, false, JSON.stringify(digest));
    const body = { chunks: [digest] } as never;
    assert.equal(await codeOf(app.clientFor(token).call("download", { repository: M, params: { ref: "main" }, body })), "REQUEST_INVALID");
    const manifest = { v: 1, files: [{ path: "a", mode: "file", size: 1, sha256: digest, chunk: digest }] };
    await assert.rejects(parseManifest(manifest, Digest.parse(HEX)), { code: "MANIFEST_INVALID" });
  }
});

/** Headers of files whose numbers lie; test/unit/chunking/hostile.test.ts has many more. */
const LYING: readonly [name: string, bytes: Uint8Array][] = [
  ["CVE-2026-7482 (Ollama, Bleeding Llama): a GGUF tensor beyond the end of the file", gguf(1n, 1n, 2n ** 40n)],
  ["CVE-2026-7482: 2^64-1 GGUF tensors", gguf(2n ** 64n - 1n, 1n, 0n)],
  ["CVE-2026-7482: a GGUF text of 2^40 bytes", gguf(1n, 2n ** 40n, 0n)],
  [
    "safetensors: a shape whose product overflows",
    safetensors('{"a":{"dtype":"F64","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}'),
  ],
  [
    "safetensors: a key given twice",
    safetensors('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}'),
  ],
  [
    "safetensors: 100,000 entries",
    safetensors(`{${Array.from({ length: 100_000 }, (_, at) => `"t${at}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join(",")}}`),
  ],
  [
    "tensorizer: a header of 8 GiB in a file of 122 bytes",
    Buffer.concat([Buffer.from(new BigUint64Array([2n ** 33n]).buffer), Buffer.alloc(114, "{")]),
  ],
];
for (const [name, bytes] of LYING) {
  test(`${name} is cut as bytes like others, and nothing is read outside`, async () => {
    const { format } = await cut(new Uint8Array(bytes));
    assert.equal(format, "opaque");
  });
}

test("CVE-2023-1177, CVE-2023-2356, CVE-2023-2780, CVE-2024-1560 (MLflow): paths that climb, in any encoding, are no files' names", () => {
  for (const path of ["../x", "a/../../x", "..\\..\\x", "\\..\\x", "a\\..\\x", "/etc/passwd", "C:\\x", "a/./b", "a//b"])
    assert.notEqual(pathProblem(path), null, path);
  // No spelling climbs once it was decoded, be it once, twice or never: test/unit/shared/paths.test.ts proves that of all names.
  for (const path of ["%2e%2e/x", "%2e%2e%2fx", "%252e%252e%252fx", "..%5cx"]) assert.notEqual(pathProblem(path), null, path);
});

test("CVE-2026-2614 (MLflow): a source is a repository here, never a URL or a file of the server", async () => {
  const { app } = await pushed();
  for (const from of ["file:///etc/passwd", "/etc/passwd", "http://127.0.0.1/x", "../x", "team/m/../../x"]) {
    const body = { from, ref: "main", branch: "main", operationId: operationId() } as never;
    assert.equal(await codeOf(app.admin.call("clone", { repository: repositoryName("team/new"), body })), "REQUEST_INVALID");
  }
});

test("huggingface_hub #4540: names that mean another place on some system are refused wherever they come from", () => {
  const names = [
    "/etc/x",
    "C:\\x",
    "D:x",
    "a/D:x",
    "\\\\host\\share",
    "a/..\\x",
    "CON",
    "a/nul.txt",
    "x.",
    "x ",
    "a/.git/config",
    "a//b",
    "a\u202eb",
    "a\u0007b",
  ];
  for (const path of names) assert.notEqual(pathProblem(path), null, JSON.stringify(path));
});

test("CVE-2025-26625 (git-lfs), CVE-2026-44471 (gitoxide): a link out of the tree can't be pushed; s05 swaps them during pulls", () => {
  for (const [path, target] of [
    ["a", "../x"],
    ["a/b", "../../x"],
    ["a", "/etc/passwd"],
    ["a", "b/../../x"],
  ] as const)
    assert.notEqual(linkProblem(path, target), null, `${path} -> ${target}`);
});

test("CVE-2025-24976 (distribution), CVE-2026-22817, CVE-2026-47673 (Hono): a token is a bearer's, whole, and nothing else is one", async () => {
  const { app, token } = await pushed();
  assert.equal(await status(app, "/api/v1/whoami", { authorization: `Bearer ${token}` }), 200);
  const wrong = [
    `Basic ${token}`,
    `DPoP ${token}`,
    `Token ${token}`,
    token,
    `Bearer  ${token}`,
    `Bearer ${token} x`,
    `Bearer ${token},`,
    `Bearer ${token.toLowerCase()}`,
    `Bearer ${token}a`,
    "Bearer",
    "Bearer null",
    `Bearer ${makeToken(new Uint8Array(32))}`,
  ];
  for (const authorization of wrong) assert.equal(await status(app, "/api/v1/whoami", { authorization }), 401, authorization);
  // Which key and which algorithm a JWT says of itself is never believed: test/unit/registry/identity.test.ts.
});

test("CVE-2026-47674 (Hono): one IPv6 address has one meaning in all its spellings", () => {
  for (const spelled of ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:0db8:0000::0001"])
    assert.ok(isInNetwork("2001:db8::/32", spelled), spelled);
  for (const spelled of ["::ffff:10.0.0.1", "::ffff:a00:1"])
    assert.ok(isInNetwork("10.0.0.0/8", spelled) || !isInNetwork("::/0", spelled), spelled);
});

test("CVE-2026-47676 (Hono), CVE-2026-42882 (S3-Proxy): no encoding of a path goes round its check", async () => {
  const { app, token } = await pushed();
  const authorization = `Bearer ${token}`;
  const secret = new Pusher(app.admin, app.stores.fetch);
  await secret.create(repositoryName("secret/m"));
  for (const path of ["/%61pi/v1/whoami", "/api%2fv1%2fwhoami", "//api/v1/whoami", "/api/v1/whoami/"])
    assert.notEqual(await status(app, path), 200, path);
  const paths = [
    "team%2F..%2Fsecret/m",
    "team/..%2f..%2fsecret%2fm",
    "secret%2Fm",
    "team/m%2F..%2F..%2Fsecret%2Fm",
    "%2e%2e/secret/m",
    "secret/m%00",
  ];
  for (const path of paths) assert.notEqual(await status(app, `/api/v1/repositories/${path}`, { authorization }), 200, path);
});

test("CVE-2026-40344 (MinIO): a token in the query is none, and neither is an empty one in the header", async () => {
  const { app, token } = await pushed();
  for (const name of ["token", "access_token", "authorization", "X-Amz-Credential", "X-Amz-Security-Token"])
    assert.equal(await status(app, `/api/v1/repositories?${name}=${token}`), 401, name);
  assert.equal(await status(app, "/api/v1/repositories", { authorization: "" }), 401);
  // Unsigned and half-signed uploads are the store's to refuse: test/support/attacks.ts, on each store.
});

test("CVE-2025-68671 (lakeFS): an upload and a short token that are over are over, however often they are sent", async () => {
  const { app } = await pushed();
  const pusher = new Pusher(app.admin, app.stores.fetch);
  const { upload } = await pusher.open(M);
  app.clock.advance(8 * 86_400_000);
  assert.equal(await codeOf(pusher.reserve(M, upload, { a: "b" })), "UPLOAD_UNKNOWN");
});

test("CVE-2022-31667, GHSA-hw28-333w-qxp3 (Harbor): an id in a body or path is no right to what it names", async () => {
  const { app } = await pushed();
  const other = new Pusher(app.admin, app.stores.fetch);
  await other.create(repositoryName("other/m"));
  const { revision } = await other.push(repositoryName("other/m"), { a: "secret" });
  const member = await app.member({ repositories: "team/*", actions: ["admin"] });
  const body = { ref: revision.revision, operationId: operationId() };
  assert.equal(await codeOf(member.call("setTag", { repository: M, params: { tag: "v1" }, body })), "REF_UNKNOWN");
  const { tokens } = await app.admin.call("listTokens", {});
  const stranger = tokens.find(({ name }) => name === "reader");
  assert.equal(await codeOf(member.call("rotateToken", { params: { id: stranger?.id ?? "" }, body: {} })), "PERMISSION_DENIED");
  assert.equal(await codeOf(member.call("revokeToken", { params: { id: stranger?.id ?? "" } })), "PERMISSION_DENIED");
  const robot = { name: "r", kind: "robot" as const, scopes: [{ repositories: "*", actions: ["pull" as const] }], expiresInSeconds: 60 };
  assert.equal(await codeOf(member.call("createToken", { body: robot })), "SCOPE_EXCEEDED");
});

test("serverless-registry #87: who may only read changes nothing by any method", async () => {
  const world = await makeWorld();
  const made = await world.app.admin.call("createToken", {
    body: { name: "r", scopes: [{ repositories: "team/model", actions: ["pull"] }] },
  });
  // What a reader may ask by POST, and what is about his own token.
  const reads = new Set(["readRecipes", "download", "exchangeIdentity"]);
  const changing = ROUTE_NAMES.filter((name) => routeOf(name).method !== "GET" && routeOf(name).needs !== "public" && !reads.has(name));
  let tried = 0;
  for (const name of changing.filter((one) => routeOf(one).needs !== "pull" && routeOf(one).needs !== "token")) {
    const sample = world.sample(name);
    const body = sample.body === undefined ? undefined : JSON.stringify(sample.body);
    const response = await ask(world.app, { ...targetOf(name, sample), token: made.token, body });
    assert.ok([403, 404].includes(response.status), `${name}: ${response.status}`);
    tried++;
  }
  assert.ok(tried > 20, `${tried}`);
});

test("Lasso 2023 (1,681 live tokens in models): a token that is pushed is found, by its checksum", () => {
  const token = makeToken(Uint8Array.from({ length: 32 }, (_, at) => at * 7));
  assert.deepEqual(findSecrets(`HF_TOKEN = "${token}"`), [{ line: 1, kind: "modelferry token" }]);
});

test("CVE-2023-2253 (distribution): how much a page holds is not the caller's to say", async () => {
  const { app, token } = await pushed();
  for (const limit of ["1000000000", "-1", "1.5", "1e9", "0", "NaN", "", "1001"])
    assert.equal(await status(app, `/api/v1/repositories?limit=${limit}`, { authorization: `Bearer ${token}` }), 400, limit);
});

function gguf(tensorCount: bigint, nameBytes: bigint, offset: bigint): Uint8Array {
  const words = (...values: bigint[]) => Buffer.from(new BigUint64Array(values).buffer);
  const small = (...values: number[]) => Buffer.from(new Uint32Array(values).buffer);
  return Buffer.concat([
    Buffer.from("GGUF"),
    small(3),
    words(tensorCount, 0n),
    words(nameBytes),
    Buffer.from("a"),
    small(1),
    words(4n),
    small(0),
    words(offset),
    Buffer.alloc(64),
  ]);
}

function safetensors(header: string): Uint8Array {
  return Buffer.concat([Buffer.from(new BigUint64Array([BigInt(header.length)]).buffer), Buffer.from(header), Buffer.alloc(16)]);
}
