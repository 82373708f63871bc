import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteName } from "../../../shared/contract/routes.ts";
import { changed, isObject, type Place, placesOf, withMember } from "./json-places.ts";
import { ask, type JsonObject, ROUTE_NAMES, refusal, routeOf, stored, targetOf, untouchedWorld, type World } from "./requests.ts";

const WITH_BODY = ROUTE_NAMES.filter((name) => routeOf(name).body !== undefined);
const HEX64 = /^[0-9a-f]{64}$/;
const HEX40 = /^[0-9a-f]{40}$/;

/** Free words: any key is theirs. */
const isWords = (key: unknown) => key === "labels" || key === "metrics";
const isLabels = ({ at }: Place) => isWords(at.at(-1));

type Refuse = (said: string, body: JsonObject | string) => Promise<string>;

/** Runs a table of spoilt bodies of one route; afterwards nothing may be stored. Answers what each refusal says. */
async function spoil(name: RouteName, table: (body: JsonObject, refuse: Refuse, world: World) => Promise<void>): Promise<void> {
  const world = await untouchedWorld();
  const before = await stored(world);
  const sample = world.sample(name);
  let refused = 0;
  await table(
    sample.body ?? {},
    async (said, body) => {
      refused++;
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const response = await ask(world.app, { ...targetOf(name, sample), token: world.token, body: text });
      const problem = await refusal(response, "REQUEST_INVALID", `${name} ${said}`);
      assert.match(problem.detail, /^the request is not valid: body/, said);
      return problem.detail;
    },
    world,
  );
  assert.ok(refused > 0, `${name}: nothing was tried`);
  assert.deepEqual(await stored(world), before);
}

const told = ({ at }: Place) => `body${at.map((key) => `.${key}`).join("")}`;

const OTHER_TYPES: Record<string, unknown[]> = {
  string: [0, true, {}, [], [""], { toString: "x" }],
  number: ["1", "", true, {}, [], [1]],
  boolean: ["true", 0, 1, {}, []],
  object: ["x", 0, true, []],
  array: ["x", 0, true, {}, { 0: "x", length: 1 }],
  null: [0, true, {}, []],
};
/** Places where null is a value of its own. */
const NULLABLE = new Set([
  ...["setTag expected", "commit parent", "commitSession parent", "clone expected", "restoreBranch expected"],
  ...["setLabels labels.step", "setLabels labels.old", "setLabels metrics.loss", "setSettings settings.retention"],
  "startWarmup deadlineSeconds",
  ...["", ".logicalBytes", ".storedBytes", ".objects"].map((at) => `setSettings settings.quota${at}`),
]);

/** May be left out; which of `chunk` and `recipe` a file needs is the manifest's to say. */
const OPTIONAL = new Set([
  ...["store", "expected", "force", "message", "mode", "md5", "labels", "stores", "expiresInSeconds", "dryRun", "shareMax"],
  ...["chunk", "recipe", "source", "job"],
  ...["metrics", "merge", "reason", "now", "repository", "retention", "keepLast", "keepEvery", "keepDays", "keepBest"],
  ...["quota", "logicalBytes", "storedBytes", "objects"],
  ...["kind", "networks", "overlapSeconds", "audience"],
]);
/** Optional elsewhere, needed here. */
const NEEDED = new Set([
  "setPolicy policy.stores",
  "previewPolicy policy.stores",
  "verifyReplica store",
  "createRepository repository",
  "setHookSource kind",
]);
/** May be left out here. */
const LEFT_OUT = new Set([
  "commit attempt",
  "sealPart attempt",
  "commitSession parent",
  "purgeRevisions revisions",
  "purgeRevisions revisions.0",
  "startFsck readData",
  "startFsck verifyClaimed",
  "startFsck repair",
  "chunkTickets group",
  ...["events", "repositories", "format"].map((at) => `createWebhook ${at}`),
  ...["secret", "rules", "rules.0", "rules.0.event", "rules.0.from", "rules.0.ref"].map((at) => `setHookSource ${at}`),
  ...["refs", "trigger"].map((at) => `previewPolicy policy.${at}`),
  ...["refs", "trigger", "evict"].map((at) => `setPolicy policy.${at}`),
  "setPolicy yes",
  ...["startImport branch", "leaseImport rules.0.repositories"],
  ...["revision", "unchanged", "files", "bytes", "problem", "again"].map((at) => `finishImport ${at}`),
  "finishTask problem",
  "finishTask bad",
  "finishTask bad.0",
  ...["leaving", "reports"].map((at) => `heartbeat ${at}`),
  ...["ref", "nodes", "deadlineSeconds", "trigger", "trigger.zone", "trigger.leadSeconds"].map((at) => `startWarmup ${at}`),
]);

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

for (const name of WITH_BODY) {
  test(`${name}: a value of another type is refused by name, wherever it stands`, () =>
    spoil(name, async (body, refuse) => {
      for (const place of placesOf(body)) {
        if (place.at.length === 0) continue;
        const others = [...(OTHER_TYPES[typeOf(place.value)] ?? [])];
        if (place.value !== null && !NULLABLE.has(`${name} ${place.at.join(".")}`)) others.push(null);
        for (const other of others) {
          const detail = await refuse(`${told(place)} = ${JSON.stringify(other)}`, changed(body, place.at, other));
          assert.ok(detail.includes(told(place)), `${detail} does not name ${told(place)}`);
        }
      }
    }));

  test(`${name}: a key that is not known, given twice, or named __proto__ is refused, in every object`, () =>
    spoil(name, async (body, refuse) => {
      for (const place of placesOf(body).filter(({ value }) => isObject(value))) {
        for (const member of ['"__proto__":{"polluted":true}', '"__proto__":"x"', '"__proto__":null', '"\\u005f_proto__":{}'])
          for (const where of ["first", "last"] as const)
            await refuse(`${told(place)} ${member}`, withMember(body, place.at, member, where));
        const [key, value] = Object.entries(place.value as JsonObject)[0] ?? ["x", 0];
        for (const where of ["first", "last"] as const) {
          for (const twin of [value, null, "other"]) {
            const detail = await refuse(
              `${told(place)}.${key} twice`,
              withMember(body, place.at, `"${key}":${JSON.stringify(twin)}`, where),
            );
            assert.match(detail, /given twice/);
          }
        }
        if (isLabels(place)) continue;
        for (const extra of ["extra", "constructor", "prototype", "", "toString", "Attempt", "operationid", "$where", "模型"])
          await refuse(`${told(place)} ${extra}`, withMember(body, place.at, `${JSON.stringify(extra)}:1`, "last"));
      }
      await refuse("a thousand keys", JSON.stringify(Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`key${at}`, at]))));
    }));

  test(`${name}: whatever the route needs must be there`, () =>
    spoil(name, async (body, refuse) => {
      const members = placesOf(body).filter(({ at }) => typeof at.at(-1) === "string" && !at.some(isWords));
      const needed = members.filter(({ at }) => {
        const place = `${name} ${at.join(".")}`;
        return NEEDED.has(place) || !(OPTIONAL.has(String(at.at(-1))) || LEFT_OUT.has(place));
      });
      for (const place of needed) {
        await refuse(`no ${told(place)}`, changed(body, place.at, undefined));
      }
      await refuse("a list of it", JSON.stringify([body]));
    }));
}

const DIGEST_FORMS = (digest: string): string[] => [
  digest.slice(1),
  `${digest}0`,
  digest.toUpperCase(),
  `sha256:${digest}`,
  `sha256:sha256:${digest}`,
  `sha256-${digest}`,
  `${digest}\n`,
  `\n${digest}`,
  `${digest}\0`,
  `${digest}\r\n`,
  ` ${digest}`,
  `${digest} `,
  `0x${digest.slice(2)}`,
  `g${digest.slice(1)}`,
  `-${digest.slice(1)}`,
  `${digest.slice(0, -1)}０`,
  `../${digest.slice(3)}`,
  "../../../../etc/passwd",
  `..%2f${digest.slice(5)}`,
  `${digest}/../${digest}`,
  `${digest}~0123456789abcdef`,
  `${digest},${digest}`,
  "",
];

const DIGESTED = ["readRecipes", "download", "reserve", "confirm", "sendRecipes", "commit"] as const;

for (const name of DIGESTED) {
  test(`${name}: a digest is 64 lower-case hex characters and nothing else, wherever it stands`, () =>
    spoil(name, async (body, refuse) => {
      for (const place of placesOf(body)) {
        if (typeof place.value !== "string" || !HEX64.test(place.value)) continue;
        for (const form of DIGEST_FORMS(place.value)) await refuse(`${told(place)} ${JSON.stringify(form)}`, changed(body, place.at, form));
      }
    }));
}

test("commit, setTag: a revision id is 40 lower-case hex characters and nothing else", async () => {
  await spoil("commit", async (body, refuse) => {
    assert.match(String(body["parent"]), HEX40);
    for (const form of DIGEST_FORMS(String(body["parent"])))
      await refuse(`parent ${JSON.stringify(form)}`, changed(body, ["parent"], form));
  });
  await spoil("setTag", async (body, refuse) => {
    for (const form of DIGEST_FORMS("abcdef0123".repeat(4)))
      await refuse(`expected ${JSON.stringify(form)}`, changed(body, ["expected"], form));
  });
});

const NO_COUNTS = ["-1", "-0.5", "0.5", "1.000001", "1e400", "-1e400", "9007199254740992", "9007199254740993", "1e308"];

for (const name of ["reserve", "confirm", "sendRecipes", "commit", "createToken"] as const) {
  test(`${name}: a count is a whole number from its least to its most, and never beyond 2^53 - 1`, () =>
    spoil(name, async (body, refuse) => {
      for (const place of placesOf(body)) {
        if (typeof place.value !== "number") continue;
        for (const number of NO_COUNTS) {
          const text = JSON.stringify(changed(body, place.at, "a number goes here")).replace('"a number goes here"', number);
          await refuse(`${told(place)} = ${number}`, text);
        }
      }
    }));
}

/** [route, place, most]: arrays and texts; one more is refused. */
const LIMITS: [RouteName, string[], number][] = [
  ["readRecipes", ["recipes"], 50],
  ["download", ["chunks"], 500],
  ["reserve", ["chunks"], 500],
  ["confirm", ["chunks"], 200],
  ["sendRecipes", ["recipes"], 100],
  ["createToken", ["scopes"], 32],
  ["createToken", ["scopes", "0", "actions"], 5],
  ["createToken", ["scopes", "0", "stores"], 64],
  ["trashRevisions", ["revisions"], 100],
];

for (const [name, at, most] of LIMITS) {
  test(`${name}: ${at.join(".")} has at most ${most} entries`, () =>
    spoil(name, async (body, refuse) => {
      const sample = placesOf(body).find((place) => place.at.join(".") === at.join("."))?.value;
      assert.ok(Array.isArray(sample));
      const list = (count: number) => changed(body, at.map(asKey), new Array(count).fill(sample[0]));
      assert.match(await refuse("one more", list(most + 1)), new RegExp(`body\\.${at.join("\\.")}: Too big`));
      await refuse("a hundred times more", list(most * 100));
      assert.equal(routeOf(name).body?.safeParse(list(most)).success, true, "as many as the limit");
      if (at.at(-1) !== "stores") assert.match(await refuse("none", list(0)), new RegExp(`body\\.${at.join("\\.")}: Too small`));
    }));
}

function asKey(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}

const TEXTS: [RouteName, string[], string[]][] = [
  [
    "createRepository",
    ["repository"],
    ["", "team", "a/b/c", "../model", "team/..", "team/mo del", "team/model\n", "team\\model", `team/${"x".repeat(97)}`, "team/a.git"],
  ],
  ["createRepository", ["operationId"], ["", "short", "x".repeat(65), "with a space in it", "0123456789abcdef\n", "../../../../../etc"]],
  [
    "openUpload",
    ["branch"],
    ["", ".", "..", "a/../b", "/a", "a/", "a b", "main\n", "main\0", "x".repeat(129), "0123456789".repeat(4), "refs\\heads"],
  ],
  ["setTag", ["ref"], ["", "..", "a b", "main\n", "%2e%2e", "x".repeat(200)]],
  ["setTag", ["message"], ["x".repeat(4_001)]],
  ["commit", ["message"], ["x".repeat(4_001), "模".repeat(4_001)]],
  ["commit", ["files", "0", "mode"], ["", "FILE", "directory", "device", "file\n"]],
  ["commit", ["labels", "step"], ["x".repeat(256)]],
  ["reserve", ["mode"], ["", "payload", "checksum", "MD5", "none"]],
  [
    "reserve",
    ["chunks", "0", "md5"],
    ["", "x", "dLhzN0VCANTTP4DEZj3F5Q", "dLhzN0VCANTTP4DEZj3F5Q==\n", "74b87337454200d4d33f80c4663dc5e5", "dLhzN0VCANTTP4DEZj_-5Q=="],
  ],
  ["download", ["store"], ["", "Home", "../home", "home\n", "x".repeat(33)]],
  ["createToken", ["name"], ["", "x".repeat(101)]],
  ["createToken", ["scopes", "0", "repositories"], ["", "team", "a/b/c", "team/?", "team\n/*", "***", `a/${"b".repeat(200)}`]],
  ["createToken", ["scopes", "0", "actions", "0"], ["", "Admin", "write", "*", "pull\n"]],
];

for (const [name, at, texts] of TEXTS) {
  test(`${name}: ${at.join(".")} keeps its grammar`, () =>
    spoil(name, async (body, refuse) => {
      const place = at.map(asKey);
      for (const text of texts) await refuse(`${at.join(".")} = ${JSON.stringify(text).slice(0, 60)}`, changed(body, place, text));
    }));
}

test("commit: labels are at most 64, with keys of 1 to 63 characters", () =>
  spoil("commit", async (body, refuse) => {
    const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key${at}`, "x"]));
    assert.match(await refuse("65", changed(body, ["labels"], labels(65))), /at most 64 labels/);
    await refuse("100", changed(body, ["labels"], labels(100)));
    await refuse("100,000", changed(body, ["labels"], labels(100_000)));
    await refuse("an empty key", changed(body, ["labels"], { "": "x" }));
    await refuse("a long key", changed(body, ["labels"], { ["x".repeat(64)]: "x" }));
  }));

const QUERIES: [RouteName, string[]][] = [
  [
    "listRepositories",
    [
      ...[
        "limit=1000000000",
        "limit=1e9",
        "limit=0",
        "limit=-1",
        "limit=1.5",
        "limit=NaN",
        "limit=",
        "limit=Infinity",
        "limit=1001",
        "limit=ten",
        "limit=5&limit=6",
      ],
      ...[
        "n=1000000000",
        "limit[]=5",
        "Limit=5",
        "cursor=",
        `cursor=${"x".repeat(201)}`,
        "cursor=a&cursor=b",
        "namespace=..",
        "namespace=a/b",
        "namespace=%00",
      ],
      ...["__proto__=x", "__proto__[limit]=5", "constructor=x", "extra", "limit=5&__proto__=x"],
    ],
  ],
  [
    "listRevisions",
    [
      ...[
        "limit=1000000000",
        "limit=-1",
        "limit=0.5",
        "limit=NaN",
        "cursor=",
        "cursor=x",
        "cursor=-1",
        "cursor=1.5",
        "cursor=1e3",
        "cursor=0x10",
        "cursor=%2010",
      ],
      ...[
        "cursor=99999999999999999999",
        "cursor=NaN",
        "branch=",
        "branch=..",
        "branch=a%00",
        "branch=0123456789012345678901234567890123456789",
        "branch=a&branch=b",
        "x=1",
      ],
    ],
  ],
  [
    "deleteRepository",
    [
      "",
      "operationId=",
      "operationId=short",
      "operationId=0123456789abcdef&operationId=0123456789abcdeg",
      "operationId=0123456789abcdef&force=1",
    ],
  ],
  [
    "deleteTag",
    ["", "operationId=0123456789abcdef%0a", "operationId=0123456789abcdef&expected=x", "operationId=0123456789abcdef&expected="],
  ],
  ["deleteBranch", ["", "operationId=../../../../etc", "operationId=0123456789abcdef&expected=null"]],
];

for (const [name, queries] of QUERIES) {
  test(`${name}: what is asked must be known, given once, and within its limits`, async () => {
    const world = await untouchedWorld();
    const before = await stored(world);
    const [path = ""] = targetOf(name, world.sample(name)).path.split("?");
    for (const query of queries) {
      const response = await ask(world.app, { method: routeOf(name).method, path: `${path}?${query}`, token: world.token });
      const problem = await refusal(response, "REQUEST_INVALID", `${name} ?${query}`);
      assert.match(problem.detail, /^the request is not valid: query/);
    }
    assert.deepEqual(await stored(world), before);
  });
}
