/** The feed and the deliveries in memory, on Redis by TCP and by REST; and that indexes tell what they apply, once. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SystemRecord } from "../../functions/registry/records.ts";
import { sha256 } from "../../shared/digest.ts";
import { OperationId } from "../../shared/names.ts";
import { type HookPorts, hooksSuite } from "../suites/webhooks.ts";
import { memoryIndexes } from "../support/memory-index.ts";
import { type RedisIndexes, startRedisIndexes } from "../support/redis-indexes.ts";

let stand: RedisIndexes;
before(async () => {
  stand = await startRedisIndexes();
});
after(() => stand.stop());

hooksSuite("memory", () => memoryIndexes({ clock: { now: () => 0 } }));
hooksSuite("redis by tcp", () => stand.open(stand.tcp) satisfies HookPorts);
hooksSuite("redis by rest", () => stand.open(stand.rest) satisfies HookPorts);

function created(seq: number, atMs: number, prev: string | null): SystemRecord {
  const operationId = OperationId.parse(`operation-${String(seq).padStart(10, "0")}`);
  const at = new Date(atMs).toISOString();
  const link = { v: 1, seq, prev, operationId, at, actor: "somebody" };
  return SystemRecord.parse({ ...link, op: "repository.create", repositoryId: `${seq}`.padStart(16, "0"), repository: `team/m-${seq}` });
}

test("an index on Redis tells a record when it applies it: once, and not again when an old log is replayed", async () => {
  const { system, events } = stand.open(stand.tcp);
  const nowMs = Date.now();
  await system.begin(3);
  const [one, two] = [await sha256("one"), await sha256("two")];
  const old = created(1, nowMs - 7_200_000, null);
  await system.apply(old, one);
  const fresh = created(2, nowMs, one);
  for (let i = 0; i < 3; i++) await system.apply(fresh, two);
  await system.applyMany([{ record: created(3, nowMs, two), hash: await sha256("three") }]);
  const page = await events.read({ after: "0-0", limit: 10 });
  assert.deepEqual(
    page.events.map(({ id, type, repository }) => [id, type, repository]),
    [
      ["sys-2", "repository.created", "team/m-2"],
      ["sys-3", "repository.created", "team/m-3"],
    ],
  );
  assert.equal((await system.head())?.seq, 3);
});

test("webhooks are kept by the system's index as the record says them", async () => {
  const { system } = stand.open(stand.rest);
  await system.begin(0);
  assert.deepEqual(await system.hooks(), { webhooks: [], sources: [] });
  const at = new Date().toISOString();
  const source = { name: "hub", kind: "github", rules: [], secret: "sealed", createdAt: at, createdBy: "a" };
  const link = { v: 1, seq: 1, prev: null, operationId: "operation-0000000001", at, actor: "a" };
  const record = SystemRecord.parse({ ...link, op: "hooks", webhooks: [], sources: [source] });
  await system.apply(record, await sha256("one"));
  assert.deepEqual(await system.hooks(), { webhooks: [], sources: [source] });
});
