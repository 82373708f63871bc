/** Requests made to cost much, over the whole app in memory: each is refused before the index or the bucket is asked; CPU time is printed. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Ports } from "../../../functions/registry/ports.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { FILES_MAX } from "../../../shared/manifest.ts";
import { ENDPOINT, type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const EMPTY = digestOf("");
const A = digestOf("aaaa");

type Ground = { app: MemoryApp; token: string; upload: string; asked: { count: number } };

/** Counts what is asked of the ports that hold uploads and chunks, and every write to the bucket. */
function counting(asked: { count: number }): (ports: Ports) => Ports {
  const counted = <T extends object>(port: T, names: readonly string[] | "all"): T =>
    new Proxy(port, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        if (names === "all" || names.includes(String(name))) asked.count++;
        return member.bind(target);
      },
    });
  return (ports) => ({ ...ports, uploads: counted(ports.uploads, "all"), chunks: counted(ports.chunks, "all") });
}

async function ground(): Promise<Ground> {
  const asked = { count: 0 };
  const app = await memoryApp({ decorate: counting(asked) });
  const { token } = await app.admin.call("createToken", {
    body: { name: "pusher", scopes: [{ repositories: "team/*", actions: ["push", "pull"] }] },
  });
  const client = app.clientFor(token);
  const pusher = new Pusher(client, app.stores.fetch);
  await pusher.create(MODEL);
  const { upload } = await pusher.open(MODEL);
  return { app, token, upload, asked };
}

async function send({ app, token, upload }: Ground, route: string, body: string): Promise<Response> {
  return app.fetch(`${ENDPOINT}/api/v1/repositories/${MODEL}/uploads/${upload}/${route}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body,
  });
}

async function keysOf({ app }: Ground): Promise<string[]> {
  return (await app.stores.home.bucket.list("", { limit: 1000 })).objects.map((object) => object.key);
}

/** CPU of this thread and its helpers while `work` ran, told with the size of what caused it. */
async function measured<T>(t: TestContext, said: string, work: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  t.diagnostic(`${said}: ${Math.round((user + system) / 1000)} ms CPU`);
  return result;
}

const commitOf = (files: string, extra = "") => `{"operationId":"${operationId()}","parent":null,"files":[${files}]${extra}}`;
const many = (count: number, item: (at: number) => string) => Array.from({ length: count }, (_, at) => item(at)).join(",");
const emptyFile = (path: string) => `{"path":${JSON.stringify(path)},"mode":"file","size":0,"sha256":"${EMPTY}"}`;
const link = (at: number) => `{"path":"f${at}","mode":"link","target":"x"}`;
const recipeOf = (size: number, chunks: string, extents: string) =>
  `{"recipes":[{"v":1,"chunker":"ta1","size":${size},"sha256":"${A}","chunks":[${chunks}],"extents":[${extents}]}]}`;

type Bomb = { name: string; route: string; body: () => string; codes: ErrorCode[] };

const BOMBS: Bomb[] = [
  {
    name: "one file more than a manifest has",
    route: "commit",
    body: () => commitOf(many(FILES_MAX + 1, link)),
    codes: ["REQUEST_INVALID"],
  },
  { name: "360,000 files", route: "commit", body: () => commitOf(many(360_000, link)), codes: ["REQUEST_INVALID"] },
  {
    name: "100,000 files without anything, in 300 KB",
    route: "commit",
    body: () => commitOf(many(FILES_MAX, () => "{}")),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "100,000 files wrong in every member",
    route: "commit",
    body: () => commitOf(many(FILES_MAX, () => '{"path":0,"mode":"file","size":"","sha256":0,"chunk":0,"recipe":0,"x":0}')),
    codes: ["REQUEST_INVALID"],
  },
  { name: "8 million numbers for files", route: "commit", body: () => commitOf(many(8_000_000, () => "0")), codes: ["REQUEST_INVALID"] },
  { name: "4 million empty objects", route: "commit", body: () => commitOf(many(4_000_000, () => "{}")), codes: ["REQUEST_INVALID"] },
  {
    name: "a million digests claimed",
    route: "reserve",
    body: () => `{"attempt":1,"chunks":[${many(1_000_000, () => `{"sha256":"${A}","size":4}`)}]}`,
    codes: ["BODY_TOO_LARGE"],
  },
  {
    name: "as many digests claimed as a body holds",
    route: "reserve",
    body: () => `{"attempt":1,"chunks":[${many(190_000, () => `{"sha256":"${A}","size":4}`)}]}`,
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "as many confirmed",
    route: "confirm",
    body: () => `{"attempt":1,"chunks":[${many(190_000, () => `{"sha256":"${A}","size":4}`)}]}`,
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "100,000 times the same path",
    route: "commit",
    body: () => commitOf(many(FILES_MAX, () => '{"path":"f","mode":"link","target":"x"}')),
    codes: ["PATH_UNSAFE"],
  },
  { name: "a name of 16 MiB", route: "commit", body: () => commitOf(emptyFile("x".repeat(16 * 1024 * 1024))), codes: ["PATH_UNSAFE"] },
  { name: "a name of 8 million folders", route: "commit", body: () => commitOf(emptyFile("a/".repeat(8_000_000))), codes: ["PATH_UNSAFE"] },
  {
    name: "a link of 8 million steps",
    route: "commit",
    body: () => commitOf(`{"path":"f","mode":"link","target":"${"./".repeat(8_000_000)}"}`),
    codes: ["PATH_UNSAFE"],
  },
  {
    name: "14,000 longest names, the last one unsafe",
    route: "commit",
    body: () => commitOf(`${many(14_000, (at) => emptyFile(longName(at, "x")))},${emptyFile("..")}`),
    codes: ["PATH_UNSAFE"],
  },
  {
    name: "14,000 longest names of percent codes, the last one unsafe",
    route: "commit",
    body: () => commitOf(`${many(14_000, (at) => emptyFile(longName(at, "%25")))},${emptyFile("..")}`),
    codes: ["PATH_UNSAFE"],
  },
  {
    name: "14,000 longest names in Chinese, the last one unsafe",
    route: "commit",
    body: () => commitOf(`${many(14_000, (at) => emptyFile(longName(at, "模")))},${emptyFile("..")}`),
    codes: ["PATH_UNSAFE"],
  },
  {
    name: "a file below the deepest of 14,000 names",
    route: "commit",
    body: () => commitOf(`${many(14_000, (at) => emptyFile(deepName(at)))},${emptyFile(`${deepName(13_999)}/x`)}`),
    codes: ["PATH_UNSAFE"],
  },
  {
    name: "sizes that sum to more than numbers hold",
    route: "commit",
    body: () => commitOf(many(60_000, (at) => `{"path":"f${at}","mode":"file","size":9007199254740991,"sha256":"${A}","recipe":"${A}"}`)),
    codes: ["MANIFEST_INVALID"],
  },
  {
    name: "100,000 labels",
    route: "commit",
    body: () => commitOf("", `,"labels":{${many(100_000, (at) => `"k${at}":"x"`)}}`),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "a label of 16 MiB",
    route: "commit",
    body: () => commitOf("", `,"labels":{"k":"${"x".repeat(16_000_000)}"}`),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "a message of 16 MiB",
    route: "commit",
    body: () => commitOf("", `,"message":"${"x".repeat(16_000_000)}"`),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "an unknown key of 16 MiB",
    route: "commit",
    body: () => commitOf("", `,"${"x".repeat(16_000_000)}":0`),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "a million unknown keys",
    route: "commit",
    body: () => commitOf("", `,${many(1_000_000, (at) => `"k${at}":0`)}`),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "a string of 8 million escaped quotes",
    route: "commit",
    body: () => commitOf("", `,"message":"${'\\"'.repeat(8_000_000)}"`),
    codes: ["REQUEST_INVALID"],
  },
  { name: "a million arrays, one in the other", route: "commit", body: () => commitOf("[".repeat(1_000_000)), codes: ["REQUEST_INVALID"] },
  {
    name: "200,000 extents that are none",
    route: "recipes",
    body: () =>
      recipeOf(
        4,
        `["${A}",4]`,
        many(200_000, () => "0"),
      ),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "490,000 extents that sum to one byte too few",
    route: "recipes",
    body: () =>
      recipeOf(
        490_001,
        `["${A}",4]`,
        many(490_000, () => "[0,0,1]"),
      ),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "490,000 extents of a file of one byte",
    route: "recipes",
    body: () =>
      recipeOf(
        1,
        `["${A}",4]`,
        many(490_000, () => "[0,0,1]"),
      ),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "200,000 chunks for four bytes",
    route: "recipes",
    body: () =>
      recipeOf(
        4,
        many(200_000, () => `["${A}",4]`),
        "[0,0,4]",
      ),
    codes: ["REQUEST_INVALID"],
  },
  {
    name: "2 million extents",
    route: "recipes",
    body: () =>
      recipeOf(
        4,
        `["${A}",4]`,
        many(2_000_000, () => "[0,0,1]"),
      ),
    codes: ["REQUEST_INVALID"],
  },
];

/** 1,024 bytes at most, 255 a part, different for every `at`. */
function longName(at: number, filling: string): string {
  const part = filling.repeat(Math.floor(190 / Buffer.byteLength(filling)));
  return `${at}/${Array.from({ length: 5 }, () => part).join("/")}`;
}

/** 32 folders. */
function deepName(at: number): string {
  return `${at}/${"folder-of-many-characters-here/".repeat(30)}x`;
}

for (const { name, route, body, codes } of BOMBS) {
  test(`S7: ${route}: ${name} ends as ${codes.join(" or ")}, with nothing asked or stored`, { timeout: 120_000 }, async (t) => {
    const here = await ground();
    const before = await keysOf(here);
    here.asked.count = 0;
    const text = body();
    const response = await measured(t, `${name} (${(text.length / 1e6).toFixed(1)} MB)`, () => send(here, route, text));
    const answer = await response.text();
    assert.ok((codes as string[]).includes(response.headers.get("x-error-code") ?? ""), `${response.status} ${answer.slice(0, 300)}`);
    assert.ok(answer.length < 8_000, `the answer has ${answer.length} characters`);
    assert.equal(here.asked.count, 0);
    assert.deepEqual(await keysOf(here), before);
  });
}

test("the largest manifest is taken: 100,000 empty files, in one commit", { timeout: 120_000 }, async (t) => {
  const here = await ground();
  const text = commitOf(many(FILES_MAX, (at) => emptyFile(`folder-${at % 100}/file-${at}`)));
  const response = await measured(t, `100,000 empty files (${(text.length / 1e6).toFixed(1)} MB)`, () => send(here, "commit", text));
  assert.equal(response.status, 201);
  const { fileCount, sizeBytes, chunkCount } = (await response.json()) as Record<string, number>;
  assert.deepEqual([fileCount, sizeBytes, chunkCount], [FILES_MAX, 0, 0]);
});

test("the deepest and longest names are taken: 14,000 of them in one commit", { timeout: 120_000 }, async (t) => {
  for (const [said, nameOf] of [
    ["long", (at: number) => longName(at, "模")],
    ["deep", deepName],
  ] as const) {
    const here = await ground();
    const text = commitOf(many(14_000, (at) => emptyFile(nameOf(at))));
    const response = await measured(t, `14,000 ${said} names (${(text.length / 1e6).toFixed(1)} MB)`, () => send(here, "commit", text));
    assert.equal(response.status, 201, said);
  }
});
