/** Policies: what they match, what they would move, when they run, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setPolicy } from "../../../functions/registry/replicate/policies.ts";
import { Policy } from "../../../shared/contract/replication.ts";
import { OperationId } from "../../../shared/names.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { addPolicy, MODEL, markersIn, type ReplicaWorld, replicaWorld, ring, storeId } from "../../support/replica-world.ts";

async function refsIn({ app }: ReplicaWorld): Promise<string[]> {
  const { replicas } = await app.admin.call("syncStatus", { query: { repository: MODEL } });
  return replicas.filter(({ stores }) => stores.some(({ state }) => state === "ready")).flatMap(({ refs }) => refs.sort());
}

async function pushAndTag({ app, pusher }: ReplicaWorld, branch: string, tag: string): Promise<void> {
  await pusher.push(MODEL, { file: branch }, { branch: refName(branch) });
  await app.admin.call("setTag", { repository: MODEL, params: { tag }, body: { ref: branch, operationId: operationId() } });
}

const CASES = [
  { name: "everything", rule: {}, refs: ["dev", "main", "v1", "v2"] },
  { name: "one branch", rule: { refs: "main" }, refs: ["main", "v1"] },
  { name: "tags alone", rule: { trigger: "tag", refs: "v*" }, refs: ["main", "v1", "dev", "v2"] },
  { name: "tags alone, none of which is called so", rule: { trigger: "tag", refs: "main" }, refs: [] },
  { name: "another repository", rule: { repositories: "team/other" }, refs: [] },
  { name: "a label", rule: { labels: { stage: "prod" } }, refs: ["dev", "v2"] },
] as const;

for (const { name, rule, refs } of CASES) {
  test(`a policy matches ${name}`, async () => {
    const world = await replicaWorld();
    await pushAndTag(world, "main", "v1");
    await pushAndTag(world, "dev", "v2");
    const body = { labels: { stage: "prod" }, metrics: {}, merge: true, operationId: operationId() };
    await world.app.admin.call("setLabels", { repository: MODEL, params: { ref: "dev" }, body });
    await addPolicy(world, "one", ["west"], rule);
    await ring(world, 6);
    assert.deepEqual((await refsIn(world)).sort(), [...refs].sort());
  });
}

test("one that is run by hand asks for what it matched then, and for no more", async () => {
  const world = await replicaWorld();
  await pushAndTag(world, "main", "v1");
  await addPolicy(world, "some", ["west"], { trigger: "manual" });
  await ring(world, 6);
  assert.deepEqual(await markersIn(world, "west"), []);
  const ran = await world.app.admin.call("runPolicy", { params: { policy: "some" }, body: { operationId: operationId() } });
  assert.equal(ran.pinned, 1);
  await pushAndTag(world, "dev", "v2");
  await ring(world, 6);
  assert.deepEqual(await refsIn(world), ["main", "v1"]);
});

test("one that is run by the clock runs when its hours have passed", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "nightly", ["west"], { trigger: "cron", everyHours: 24 });
  await ring(world, 6);
  await pushAndTag(world, "main", "v1");
  await ring(world, 12);
  assert.deepEqual(await markersIn(world, "west"), []);
  world.app.clock.advance(24 * 3_600_000);
  await ring(world, 6);
  assert.deepEqual(await refsIn(world), ["main", "v1"]);
});

test("a preview tells what is missing, and changes nothing", async () => {
  const world = await replicaWorld();
  await pushAndTag(world, "main", "v1");
  const policy = { name: "all", repositories: "team/*", stores: [storeId("west")] };
  const preview = await world.app.admin.call("previewPolicy", { body: { policy } });
  assert.deepEqual([preview.matches, preview.missing, preview.bytes, preview.more], [1, 1, 4, false]);
  assert.deepEqual(preview.replicas[0]?.refs, ["v1", "main"]);
  await ring(world, 6);
  assert.deepEqual(await markersIn(world, "west"), []);
});

test("one that would move petabytes is saved only when that is meant", async () => {
  const world = await replicaWorld(["home", "west"], {
    decorate: (ports) => {
      const find = ports.repositories.findRevision.bind(ports.repositories);
      ports.repositories.findRevision = async (...given) => {
        const entry = await find(...given);
        return entry === null ? null : { ...entry, sizeBytes: 2 ** 50 };
      };
      return ports;
    },
  });
  await pushAndTag(world, "main", "v1");
  await assert.rejects(addPolicy(world, "all", ["west"]), { code: "POLICY_TOO_LARGE" });
  const policy = Policy.parse({ name: "all", repositories: "team/*", stores: ["west"] });
  const id = OperationId.parse("an-operation-of-its-own");
  await setPolicy(
    world.app.ports,
    { tokenId: "", name: "a test", kind: "person", scopes: [], networks: [], expiresAt: null },
    { policy, operationId: id, yes: true },
  );
});

test("unknown stores and policies, and home, are refused", async () => {
  const world = await replicaWorld();
  await assert.rejects(addPolicy(world, "one", ["east"]), { code: "STORE_UNKNOWN" });
  await assert.rejects(addPolicy(world, "one", ["home"]), { code: "REQUEST_INVALID" });
  await assert.rejects(addPolicy(world, "one", ["west"], { trigger: "cron" }), { code: "REQUEST_INVALID" });
  const body = { operationId: operationId() };
  await assert.rejects(world.app.admin.call("runPolicy", { params: { policy: "one" }, body }), { code: "POLICY_UNKNOWN" });
  await assert.rejects(world.app.admin.call("removePolicy", { params: { policy: "one" }, query: body }), { code: "POLICY_UNKNOWN" });
});

test("policies outlive the index; a removed one leaves its replicas", async () => {
  const world = await replicaWorld();
  await addPolicy(world, "all", ["west"]);
  await pushAndTag(world, "main", "v1");
  await ring(world, 6);
  world.app.indexes.wipe();
  assert.deepEqual(
    (await world.app.admin.call("listPolicies", {})).policies.map(({ name }) => name),
    ["all"],
  );
  await world.app.admin.call("removePolicy", { params: { policy: "all" }, query: { operationId: operationId() } });
  await ring(world, 6);
  assert.equal((await markersIn(world, "west")).length, 1);
  assert.equal(repositoryName("team/model"), MODEL);
});
