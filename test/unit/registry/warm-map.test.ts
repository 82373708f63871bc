/** The map of a group's warm-ups, through the API on memory ports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WarmReport } from "../../../shared/contract/warm.ts";
import { RefName } from "../../../shared/names.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");

async function world(): Promise<MemoryApp> {
  const app = await memoryApp({ ids: ["home"], modes: ["payload"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  await pusher.push(MODEL, { "a.bin": "aaaa" }, { branch: RefName.parse("main") });
  return app;
}

const about = { address: "", zone: "", weight: 1, labels: {}, version: "1", chunks: 0, bytes: 0, maxBytes: 100 };
const beat = ({ admin }: MemoryApp, id: string, reports: WarmReport[] = []) =>
  admin.call("heartbeat", { body: { group: "default", agent: { ...about, id }, reports } });
const report = (warmup: string, state: WarmReport["state"], bytesReady: number, bytesPerSecond = 0): WarmReport => ({
  ...{ warmup, state, chunks: 10, chunksReady: 1, bytes: 1000, bytesReady, bytesPerSecond, problem: "" },
});

test("each node has a cell for each warm-up: how far it is, that it has all, that it failed, told nothing, or is not meant", async () => {
  const app = await world();
  for (const id of ["a", "b", "c", "d", "e"]) await beat(app, id);
  const start = (ids: string[]) =>
    app.admin.call("startWarmup", { repository: MODEL, body: { nodes: { kind: "list", ids }, operationId: operationId() } });
  const first = (await start(["a", "b", "c", "d", "gone"])).warmup?.id ?? "";
  app.clock.advance(1000);
  const second = (await start(["e"])).warmup?.id ?? "";
  await beat(app, "a", [report(first, "running", 0, 100)]);
  await beat(app, "b", [report(first, "running", 999)]);
  await beat(app, "c", [report(first, "ready", 1000)]);
  await beat(app, "d", [report(first, "failed", 300)]);
  const { nodes, warmups } = await app.admin.call("warmMap", {});
  assert.deepEqual(nodes, ["a", "b", "c", "d", "e", "gone"]);
  assert.deepEqual(
    warmups.map(({ warmup, cells, nodesReady, nodesTarget, etaSeconds }) => [warmup, cells, nodesReady, nodesTarget, etaSeconds]),
    [
      [second, "....-.", 0, 1, null],
      [first, "09rf.-", 1, 5, 10],
    ],
  );
});

test("groups are named as soon as an agent joins one or a warm-up begins in it", async () => {
  const app = await world();
  const join = (group: string) => app.admin.call("heartbeat", { body: { group, agent: { ...about, id: "n" }, reports: [] } });
  await join("gpu");
  await join("gpu");
  await app.admin.call("startWarmup", { repository: MODEL, body: { group: "cpu", operationId: operationId() } });
  assert.deepEqual((await app.admin.call("warmMap", { query: { group: "gpu" } })).groups, ["cpu", "gpu"]);
});

test("a node that is gone has told nothing, whatever it said before; a group without warm-ups has rows of none", async () => {
  const app = await world();
  await beat(app, "a");
  const id = (
    await app.admin.call("startWarmup", { repository: MODEL, body: { nodes: { kind: "list", ids: ["a"] }, operationId: operationId() } })
  ).warmup?.id;
  await beat(app, "a", [report(id ?? "", "ready", 1000)]);
  app.clock.advance(60_000);
  const { warmups } = await app.admin.call("warmMap", {});
  assert.equal(warmups[0]?.cells, "-");
  assert.deepEqual(await app.admin.call("warmMap", { query: { group: "other" } }), { groups: ["default"], nodes: [], warmups: [] });
});
