import assert from "node:assert/strict";
import { test } from "node:test";
import { ROUTES, type RouteName } from "../../../shared/contract/routes.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { RepositoryName } from "../../../shared/names.ts";
import { ask, askSample, makeWorld, ROUTE_NAMES, refusal, routeOf, stored, targetOf, untouchedWorld, type World } from "./requests.ts";

/** Raw parts of a URL's path, as an attacker would send them: already encoded, once, twice or wrongly. */
const TRICKS = [
  ...[".", "..", "%2e", "%2e%2e", "%2E%2e", ".%2e", "%252e%252e", "%25252e", "..;", "..%3b", "...", "%2e%2e%2f%2e%2e%2fsys%2flog"],
  ...[
    "%2f",
    "a%2f..%2fb",
    "..%2f..%2f",
    "%2fetc%2fpasswd",
    "a%2f%2fb",
    "a%252fb",
    "%5c",
    "..%5c..%5cx",
    "%5c%5chost%5cshare",
    "a%5cb",
    "C:%5cx",
  ],
  ...["%00", "main%00", "%00main", "main%2500", "main%0a", "main%0d%0aSet-Cookie:%20x=1", "main%09", "%20main", "main%20", "%7f", "%c2%80"],
  ...["%zz", "%", "%e0%a4%a", "%ff", "%c0%ae%c0%ae", "%u002e%u002e", "%ef%bc%8e%ef%bc%8e", "%e2%80%ae", "%ed%a0%80", "%f0%9f%98%80"],
  ...[
    "main%3fx",
    "main%23x",
    "main;x=1",
    "main,v1",
    "main%26",
    "*",
    "**",
    "main*",
    "%7b%7d",
    "<script>",
    "'%20or%201=1",
    "$ne",
    "-rf",
    "__proto__",
  ],
  ...["sha256:0123456789abcdef", "0123456789abcdef%0a", "%300123456789abcdef%00"],
  ...[`${"a".repeat(129)}`, `${"a/".repeat(300)}`.replaceAll("/", "%2f"), "a".repeat(20_000)],
];

/** Not what the route is about, or not of its form; what a URL parser resolves may end at no route, or at one of another method. */
const ANSWERS: ErrorCode[] = [
  ...(["REQUEST_INVALID", "ROUTE_UNKNOWN", "METHOD_NOT_ALLOWED", "REPOSITORY_UNKNOWN", "REF_UNKNOWN", "TAG_UNKNOWN"] as const),
  ...(["BRANCH_UNKNOWN", "UPLOAD_UNKNOWN", "TOKEN_UNKNOWN", "STORE_UNKNOWN", "HOOK_SOURCE_UNKNOWN", "WEBHOOK_UNKNOWN"] as const),
];

for (const name of ROUTE_NAMES) {
  const keys = [...routeOf(name).path.matchAll(/:(\w+)/g)].map(([, key = ""]) => key);
  if (keys.length === 0) continue;
  test(`${name}: ${TRICKS.length} tricks in each of ${keys.join(", ")} reach nothing`, async () => {
    const world = await untouchedWorld();
    const before = await stored(world);
    const sample = world.sample(name);
    const body = sample.body === undefined ? undefined : JSON.stringify(sample.body);
    for (const key of keys) {
      const marker = "a-trick-goes-here";
      const values = { namespace: "team", name: "model", ...sample.params, [key]: marker };
      const { method, path } = targetOf(name, { ...sample, params: values });
      for (const trick of TRICKS) {
        const response = await ask(world.app, { method, path: path.replace(marker, () => trick), token: world.token, body });
        const problem = await refusal(response, ANSWERS, `${name} ${key}=${trick.slice(0, 60)}`);
        assert.ok(!problem.detail.includes("\n"), problem.detail);
      }
    }
    assert.deepEqual(await stored(world), before);
  });
}

test("names that every object has are names like others: unknown, not somebody's", async () => {
  const world = await makeWorld();
  for (const word of ["constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf"]) {
    const resolve = await askSample(world, "resolve", { params: { ref: word } });
    await refusal(resolve, "REF_UNKNOWN", word);
    const repository = { method: "GET", path: `/api/v1/repositories/team/${word}`, token: world.token };
    await refusal(await ask(world.app, repository), "REPOSITORY_UNKNOWN", word);
  }
});

test("an encoded path is one path to the check and to the handler: no spelling of a route goes without a token", async () => {
  const world = await makeWorld();
  const spellings = [
    "/%61pi/v1/whoami",
    "/api/v1/%77hoami",
    "/api/%761/whoami",
    "/api/v1/who%61mi",
    "/api/./v1/whoami",
    "/x/../api/v1/whoami",
    "/api/v1/x/%2e%2e/whoami",
  ];
  for (const path of spellings) {
    await refusal(await ask(world.app, { method: "GET", path }), "TOKEN_MISSING", path);
    assert.equal((await ask(world.app, { method: "GET", path, token: world.token })).status, 200, path);
  }
  for (const path of [
    "/API/v1/whoami",
    "//api/v1/whoami",
    "/api//v1/whoami",
    "/api/v1/whoami/",
    "/api%2fv1%2fwhoami",
    "/api/v1%00/whoami",
    "/api/v1/whoami%20",
    "/api\\v1/x",
  ])
    await refusal(await ask(world.app, { method: "GET", path, token: world.token }), "ROUTE_UNKNOWN", path);
});

const HERE = { namespace: "team", name: "model" };
const UNKNOWN: [RouteName, Record<string, string>, ErrorCode][] = [
  ...ROUTE_NAMES.filter((name) => routeOf(name).path.includes(":name") && name !== "clone").flatMap(
    (name): [RouteName, Record<string, string>, ErrorCode][] => [
      [name, { namespace: "team", name: "nothing" }, "REPOSITORY_UNKNOWN"],
      [name, { namespace: "nobody", name: "model" }, "REPOSITORY_UNKNOWN"],
      [name, { namespace: "Team", name: "Model" }, "REPOSITORY_UNKNOWN"],
    ],
  ),
  ...(["resolve", "manifest", "readRecipes", "download", "setLabels", "diff"] as const).flatMap(
    (name): [RouteName, Record<string, string>, ErrorCode][] => [
      [name, { ...HERE, ref: "nothing" }, "REF_UNKNOWN"],
      [name, { ...HERE, ref: "Main" }, "REF_UNKNOWN"],
      [name, { ...HERE, ref: "0123456789".repeat(4) }, "REF_UNKNOWN"],
    ],
  ),
  ["deleteTag", { ...HERE, tag: "nothing" }, "TAG_UNKNOWN"],
  ["deleteTag", { ...HERE, tag: "main" }, "TAG_UNKNOWN"],
  ...(["lockTag", "unlockTag", "tagHistory", "rollbackTag"] as const).flatMap((name): [RouteName, Record<string, string>, ErrorCode][] => [
    [name, { ...HERE, tag: "nothing" }, "TAG_UNKNOWN"],
    [name, { ...HERE, tag: "main" }, "TAG_UNKNOWN"],
    [name, { ...HERE, tag: "constructor" }, "TAG_UNKNOWN"],
  ]),
  ["restoreRepository", { id: "0123456789abcdef" }, "REPOSITORY_UNKNOWN"],
  ["purgeRepository", { id: "0123456789abcdef" }, "REPOSITORY_UNKNOWN"],
  ["deleteBranch", { ...HERE, branch: "nothing" }, "BRANCH_UNKNOWN"],
  ["deleteBranch", { ...HERE, branch: "v1" }, "BRANCH_UNKNOWN"],
  ["deleteBranch", { ...HERE, branch: "main" }, "BRANCH_NOT_DELETABLE"],
  ["revokeToken", { id: "0123456789abcdef" }, "TOKEN_UNKNOWN"],
  ["probeStore", { store: "nowhere" }, "STORE_UNKNOWN"],
  ["setupStore", { store: "nowhere" }, "STORE_UNKNOWN"],
];

test(`what is not there is said by its own code: ${UNKNOWN.length} questions`, async () => {
  const world = await makeWorld();
  const before = await stored(world);
  for (const [name, params, code] of UNKNOWN) {
    const sample = { ...world.sample(name) };
    await refusal(
      await askSample(world, name, { ...sample, params: { ...sample.params, ...params } }),
      code,
      `${name} ${JSON.stringify(params)}`,
    );
  }
  assert.deepEqual(await stored(world), before);
});

test("a token's id is 16 lower-case hex characters and nothing else", async () => {
  const world = await makeWorld();
  const before = await stored(world);
  const id = world.sample("revokeToken").params?.["id"] ?? "";
  for (const form of [
    id.toUpperCase().replace(/^./, "A"),
    id.slice(1),
    `${id}0`,
    `${id}\n`,
    `${id}\0`,
    ` ${id}`,
    `sha256:${id}`,
    `${id}/..`,
    "bootstrap",
    "*",
  ])
    await refusal(await askSample(world, "revokeToken", { params: { id: form } }), "REQUEST_INVALID", JSON.stringify(form));
  assert.deepEqual(await stored(world), before);
});

/** Uploads of another caller, of another repository, forged, cut, or none at all. */
async function wrongUploads(world: World): Promise<string[]> {
  const { upload, app, token } = world;
  const [payload = "", mac = ""] = upload.split(".");
  const session = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  const forged = (change: object) => Buffer.from(JSON.stringify({ ...session, ...change })).toString("base64url");
  const other = RepositoryName.parse("team/other");
  await app.admin.call("createRepository", { body: { repository: other, operationId: "operation-of-other-1" as never } });
  const elsewhere = await app
    .clientFor(token)
    .call("openUpload", { repository: other, body: { branch: "main" as never, operationId: "operation-of-other-2" as never } });
  const theirs = await app.admin.call("openUpload", {
    repository: RepositoryName.parse("team/model"),
    body: { branch: "main" as never, operationId: "operation-of-other-3" as never },
  });
  return [
    ...[elsewhere.upload, theirs.upload],
    ...[
      "x",
      "x.y",
      "..x",
      "a.b.c",
      `${upload}x`,
      `${upload}=`,
      `${upload}.x`,
      upload.slice(0, -1),
      `x${upload}`,
      ` ${upload}`,
      `${upload}\n`,
      payload,
      `${payload}.`,
      `.${mac}`,
    ],
    ...[`${payload}.${mac.toUpperCase()}`, `${payload}.${Buffer.from(mac, "base64url").toString("base64")}`, `${forged({})}.x`],
    ...[
      `${forged({ openedAtMs: 9e15 })}.${mac}`,
      `${forged({ branch: "other" })}.${mac}`,
      `${forged({ principal: "bootstrap" })}.${mac}`,
      `${forged({ sinceSeq: 0 })}.${mac}`,
    ],
    ...[`${Buffer.from("null").toString("base64url")}.${mac}`, `%00.${mac}`, "x".repeat(20_000)],
  ];
}

for (const name of ROUTE_NAMES.filter((route) => ROUTES[route].path.includes(":upload"))) {
  test(`${name}: an upload that is another's, forged or none is unknown, and nothing more is said`, async () => {
    const world = await makeWorld();
    const wrong = await wrongUploads(world);
    const before = await stored(world);
    for (const upload of wrong) {
      const { params, ...sample } = world.sample(name);
      const response = await askSample(world, name, { ...sample, params: { ...params, upload } });
      const problem = await refusal(response, "UPLOAD_UNKNOWN", `${name} ${upload.slice(0, 60)}`);
      assert.deepEqual(problem.details, {});
    }
    world.app.clock.advance(7 * 86_400_000 + 1);
    await refusal(await askSample(world, name), "UPLOAD_UNKNOWN", `${name} after a week`);
    assert.deepEqual(await stored(world), before);
  });
}
