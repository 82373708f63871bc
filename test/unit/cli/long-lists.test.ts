/** Work and lists that the server gives in pages: the command goes on to the end, each act under an id of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ferry } from "../../support/memory-host.ts";

type Asked = { method: string; path: string; query: Record<string, string>; body: Record<string, unknown> };

const revisionOf = (seq: number) => seq.toString(16).padStart(40, "0");
const summary = (seq: number, metrics: Record<string, string> = {}) => ({
  revision: revisionOf(seq),
  seq,
  branch: "main",
  parent: null,
  manifest: "0".repeat(64),
  author: "Ada",
  time: "2026-01-01T00:00:00.000Z",
  message: `m${seq}`,
  fileCount: 1,
  sizeBytes: 1,
  chunkCount: 1,
  newBytes: 1,
  newChunks: 1,
  labels: {},
  metrics,
  source: {},
  origin: null,
  modifiedBy: null,
  modifiedAt: null,
  deletedAt: null,
});
const USAGE = { logicalBytes: 0, storedBytes: 0, objects: 0 };
const REPOSITORY = {
  repository: "team/llama",
  id: "0123456789abcdef",
  createdAt: "2026-01-01T00:00:00.000Z",
  createdBy: "Ada",
  blocked: null,
  seq: 1,
  revisionCount: 1,
  refs: { branches: {}, tags: {} },
  lockedTags: [],
  settings: { retention: { keepDays: 30 }, quota: { logicalBytes: 1024, storedBytes: null, objects: null } },
  usage: USAGE,
};

/** A server that gives these answers in turn; a description of the repository whenever it is asked. */
async function scripted(
  argv: string[],
  answers: readonly object[],
): Promise<{ exit: number; answer: Record<string, unknown>; asked: Asked[] }> {
  const asked: Asked[] = [];
  const left = [...answers];
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname: path, searchParams } = new URL(url);
    if (path === "/api/v1/repositories/team/llama") return Response.json(REPOSITORY);
    const body = init.body === undefined ? {} : (JSON.parse(String(init.body)) as Record<string, unknown>);
    asked.push({ method: init.method ?? "GET", path, query: Object.fromEntries(searchParams), body });
    return Response.json(left.shift() ?? {});
  };
  const ran = await ferry([...argv, "--json"], { env: { FERRY_ENDPOINT: "https://ferry.test", FERRY_TOKEN: "hf_x" }, fetch });
  assert.deepEqual(left, [], ran.stderr);
  return { exit: ran.exit, answer: JSON.parse(ran.stdout) as Record<string, unknown>, asked };
}

const idsOf = (asked: readonly Asked[]) => new Set(asked.map(({ body }) => body["operationId"]));

const plan = (deletes: number[], more: boolean, dryRun = false) => ({
  dryRun,
  scanned: 9,
  kept: 3,
  keptBy: { head: 1, tag: 0, last: 2, every: 0, days: 0, best: 0 },
  deletes: deletes.map((seq) => ({ revision: revisionOf(seq), branch: "main", time: "2026-01-01T00:00:00.000Z", sizeBytes: 1 })),
  more,
});

test("a run of retention goes on until nothing is left to move, and lists all that it moved", async () => {
  const { exit, answer, asked } = await scripted(["retention", "team/llama", "--run"], [plan([1, 2], true), plan([3], false)]);
  assert.equal(exit, 0);
  assert.deepEqual(
    (answer["deletes"] as { revision: string }[]).map(({ revision }) => revision),
    [1, 2, 3].map(revisionOf),
  );
  assert.equal(idsOf(asked).size, 2);
});

test("a dry run asks once, and a run that moves nothing more ends whatever is said", async () => {
  const dry = await scripted(["retention", "team/llama", "--dry-run"], [plan([1, 2], true, true)]);
  assert.deepEqual([dry.asked.length, dry.answer["more"]], [1, true]);
  const stuck = await scripted(["retention", "team/llama", "--run"], [plan([1], true), plan([], true)]);
  assert.equal(stuck.asked.length, 2);
});

test("a purge of all whose time has come walks the whole history", async () => {
  const answers = [
    { revisions: [revisionOf(9)], next: "8" },
    { revisions: [], next: "4" },
    { revisions: [revisionOf(2)], next: null },
  ];
  const { answer, asked } = await scripted(["trash", "purge", "team/llama", "--yes"], answers);
  assert.deepEqual(answer["revisions"], [revisionOf(9), revisionOf(2)]);
  assert.deepEqual(
    asked.map(({ body }) => body["cursor"]),
    [undefined, "8", "4"],
  );
  assert.equal(idsOf(asked).size, 3);
});

test("a sorted log has the best of all stretches of history; of equals the newer is first", async () => {
  const answers = [
    { revisions: [summary(9, { loss: "1" }), summary(7, { loss: "3" })], next: "6" },
    { revisions: [summary(5, { loss: "0.5" }), summary(4, { loss: "1.0" })], next: null },
  ];
  const { answer, asked } = await scripted(["log", "team/llama", "--sort", "loss:min", "-n", "3"], answers);
  assert.deepEqual(
    (answer["revisions"] as { seq: number }[]).map(({ seq }) => seq),
    [5, 9, 4],
  );
  assert.deepEqual(
    asked.map(({ query }) => query),
    [
      { sort: "loss", order: "min", limit: "3" },
      { sort: "loss", order: "min", limit: "3", cursor: "6" },
    ],
  );
});

test("a search goes on over pages without a hit, ends at its limit, and says that there is more", async () => {
  const hit = (seq: number) => ({ repository: "team/llama", ...summary(seq) });
  const answers = [
    { revisions: [], next: "a/b" },
    { revisions: [hit(1), hit(2), hit(3)], next: null },
  ];
  const { answer, asked } = await scripted(["search", "-n", "2"], answers);
  assert.deepEqual(
    (answer["revisions"] as { seq: number }[]).map(({ seq }) => seq),
    [1, 2],
  );
  assert.equal(answer["more"], true);
  assert.deepEqual(
    asked.map(({ query }) => query["cursor"]),
    [undefined, "a/b"],
  );
});

test("usage adds up all pages", async () => {
  const page = (count: number, next: string | null) => ({
    repositories: count,
    revisions: count,
    logicalBytes: 10 * count,
    storedBytes: 5 * count,
    objects: count,
    measured: null,
    next,
  });
  const { answer } = await scripted(["usage"], [page(100, "m"), page(3, null)]);
  assert.deepEqual(answer, { repositories: 103, revisions: 103, logicalBytes: 1030, storedBytes: 515, objects: 103, measured: null });
});

test("a limit keeps the other limits and the rules, and rules keep the limits: the server replaces all together", async () => {
  const answer = { settings: REPOSITORY.settings };
  const limited = await scripted(["quota", "team/llama", "--objects", "5"], [answer]);
  assert.deepEqual(limited.asked[0]?.body["settings"], {
    retention: { keepDays: 30 },
    quota: { logicalBytes: 1024, storedBytes: null, objects: 5 },
  });
  const ruled = await scripted(["retention", "team/llama", "--keep-last", "3"], [answer]);
  assert.deepEqual(ruled.asked[0]?.body["settings"], { ...REPOSITORY.settings, retention: { keepLast: 3 } });
  const open = await scripted(["quota", "team/llama", "--logical", "none"], [answer]);
  assert.deepEqual(open.asked[0]?.body["settings"], { retention: { keepDays: 30 }, quota: null });
});
