/** `ferry fsck` on the app in memory: what people see, word for word. */
import { test } from "node:test";
import { chunkKey } from "../../../functions/registry/layout.ts";
import { chunkKeysOf, fsckWorld } from "../../support/fsck-world.ts";
import { assertGolden, stableIds } from "../../support/golden.ts";
import { digestOf } from "../../support/pusher.ts";
import { transcriptOf } from "../../support/transcript.ts";

test("damage is looked for, planned for and repaired as written in golden/cli/fsck.txt", async () => {
  const world = await fsckWorld({ ids: ["home", "west"] });
  const { app } = world;
  const { token } = await app.admin.call("createToken", {
    body: { name: "Ada", scopes: [{ repositories: "*", actions: ["admin"] }] },
  });
  const sound = await transcriptOf(app, token, [[["fsck", "--read-data"]], [["fsck", "--plan", "--repair"]]]);
  const west = chunkKey(digestOf("a2a2"), "00000000000000aa");
  await app.stores.get("west").bucket.put(west, new TextEncoder().encode("a2a2"));
  for (const text of ["a2a2", "left"]) await app.stores.home.bucket.delete(await chunkKeysOf(world, text));
  app.clock.advance(1_000);
  const planned = await transcriptOf(app, token, [[["fsck", "--plan"]]]);
  app.clock.advance(1_000);
  const repaired = await transcriptOf(app, token, [[["fsck", "--repair"]]]);
  const runless = (sound + planned + repaired).replace(/\b(\d{13})-[0-9a-f]{8}\b/g, "$1-00000000");
  assertGolden("cli/fsck.txt", stableIds(runless));
});
