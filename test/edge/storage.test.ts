/** The storage adapter inside workerd, where the SDK is built from other files than in Node. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { QUIET } from "../../scripts/stack/miniflare-settings.ts";
import { buildS3Client } from "../../scripts/worker-parts/s3-client.ts";
import { startTestS3, type TestS3 } from "../support/stack.ts";

let s3: TestS3;
let miniflare: Miniflare;

before(async () => {
  s3 = await startTestS3(["home"]);
  const contents = await bundled();
  const manifest = { mainModule: "worker.mjs", modules: { "worker.mjs": { type: "esm" as const, contents } } };
  miniflare = new Miniflare({ ...QUIET, port: 0, workers: [{ config: { name: "storage", compatibilityDate: "2026-11-01", manifest } }] });
});

after(async () => {
  await miniflare?.dispose();
  await s3?.stop();
});

test("listing, reading error bodies, deleting many, signing and probing work in workerd", async () => {
  const [settings] = s3.stores;
  assert.ok(settings);
  const { accessKeyId, secretAccessKey, ...profile } = settings;
  const body = JSON.stringify({ profile, credentials: { accessKeyId, secretAccessKey } });
  const answer = await fetch(await miniflare.ready, { method: "POST", body });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  const told = JSON.parse(text);
  assert.deepEqual([told.listed.objects.length, told.listed.more, told.listed.objects[0].key], [20, true, "edge/00"]);
  assert.equal(told.absent, null);
  assert.equal(told.again, "exists");
  assert.deepEqual(told.left, { objects: [], more: false });
  assert.deepEqual(told.statuses, [200]);
  assert.deepEqual(told.lengths, [1, null]);
  const sha256 = createHash("sha256").update("x").digest("hex");
  assert.deepEqual(told.contents, [{ sha256, sizeBytes: 1 }, null], "hashed by workerd's own stream");
  assert.match(told.problem, /^40[134] \w+$/, "a refusal's code is read from its XML body");
  assert.deepEqual(told.probe.modes, ["payload", "md5"]);
  assert.equal(told.probe.createOnly, true);
});

/** As wrangler bundles it: browser builds of packages, and the aliases of wrangler.toml. */
async function bundled(): Promise<string> {
  await buildS3Client();
  const config = readFileSync(new URL("../../wrangler.toml", import.meta.url), "utf8");
  const aliases = [...config.matchAll(/^"(@[^"]+)" = "(\.[^"]+)"$/gm)];
  const alias = Object.fromEntries(
    aliases.map(([, name = "", path = ""]) => [name, fileURLToPath(new URL(`../../${path}`, import.meta.url))]),
  );
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("storage-worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    alias,
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
