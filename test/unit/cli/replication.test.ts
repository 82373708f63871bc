/** Many stores from the command line, on the app in memory: what people see, word for word. */
import { test } from "node:test";
import { assertGolden, stableIds } from "../../support/golden.ts";
import { MODEL, replicaWorld, settle } from "../../support/replica-world.ts";
import { transcriptOf } from "../../support/transcript.ts";

test("policies are made, looked at, run and removed as written in golden/cli/policies.txt", async () => {
  const world = await replicaWorld();
  const everything = { repositories: "*", actions: ["admin" as const] };
  const { token } = await world.app.admin.call("createToken", { body: { name: "Ada", scopes: [everything] } });
  await world.pusher.push(MODEL, { "config.json": "{}", "weights.bin": "w".repeat(5000) }, { message: "first" });
  await settle(world);
  const made = await transcriptOf(world.app, token, [
    [["policy", "ls"]],
    [["policy", "preview", "--repositories", "team/*", "--stores", "west"]],
    [["policy", "create", "west", "--repositories", "team/*", "--stores", "west", "--trigger", "manual"]],
    [["policy", "create", "nightly", "--stores", "west", "--trigger", "cron"]],
    [["policy", "create", "nightly", "--stores", "east"]],
    [["policy", "create", "nightly", "--stores", "West!"]],
    [["sync", "status", "team/model"]],
    [["policy", "run", "west"]],
  ]);
  await settle(world);
  const ran = await transcriptOf(world.app, token, [
    [["sync", "run"]],
    [["sync", "status", "team/model"]],
    [["sync", "verify", "team/model", "--store", "west"]],
    [["policy", "ls"]],
    [["policy", "rm", "west"]],
    [["policy", "rm", "west"]],
    [["sync", "status"]],
    [["store", "add", "idc", "--provider", "ceph", "--url", "https://s3.idc.example", "--bucket", "models", "--near", "idc,cn-sh"]],
    [["store", "add", "west", "--url", "https://s3.example", "--bucket", "models"]],
    [["promote", "--dry-run"]],
    [["promote"]],
  ]);
  assertGolden("cli/policies.txt", stableIds(made + ran));
});

test("jobs of replication are ended by name as written in golden/cli/sync-cancel.txt", async () => {
  const world = await replicaWorld();
  // Jobs that only machines beside the store may copy are there as long as no such machine comes.
  Object.assign(world.app.stores.get("west").profile, { reach: "agent" });
  const everything = { repositories: "*", actions: ["admin" as const] };
  const { token } = await world.app.admin.call("createToken", { body: { name: "Ada", scopes: [everything] } });
  await world.pusher.push(MODEL, { "config.json": "{}" }, { message: "first" });
  await settle(world);
  const begun = await transcriptOf(world.app, token, [
    [["policy", "create", "west", "--repositories", "team/*", "--stores", "west", "--trigger", "manual"]],
    [["policy", "run", "west"]],
  ]);
  await settle(world);
  const ended = await transcriptOf(world.app, token, [
    [["sync", "status"]],
    [["sync", "cancel", "team/model@main", "--store", "east"]],
    [["sync", "cancel", "team/model@unknown"]],
    [["policy", "rm", "west"]],
    [["sync", "cancel", "team/model@main", "--store", "west"]],
    [["sync", "status"]],
    [["sync", "cancel", "team/model", "--json"]],
  ]);
  assertGolden("cli/sync-cancel.txt", stableIds(begun + ended));
});
