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
  const west = chunkKey(digestOf("ssss"), "00000000000000aa");
  await app.stores.get("west").bucket.put(west, new TextEncoder().encode("ssss"));
  for (const text of ["ssss", "oooo"]) await app.stores.home.bucket.delete(await chunkKeysOf(world, text));
  app.clock.advance(1_000);
  const planned = await transcriptOf(app, token, [[["fsck", "--plan"]]]);
  app.clock.advance(1_000);
  const repaired = await transcriptOf(app, token, [[["fsck", "--repair"]]]);
  assertGolden("cli/fsck.txt", stableIds(sound + planned + repaired));
});
