import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tempFolder } from "../support/trees.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GZIP_KIB_MAX = 250;

test(`the Worker, as it is deployed, has less than ${GZIP_KIB_MAX} KiB gzip`, async (t) => {
  const out = tempFolder();
  const env = { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false", WRANGLER_SEND_METRICS: "false" };
  const args = ["wrangler", "deploy", "--dry-run", "--minify", "--outdir", out.path];
  const { stdout } = await promisify(execFile)("npx", args, { cwd: ROOT, env, timeout: 90_000 });
  out.remove();
  const [, gzip] = /Total Upload: .*gzip: ([\d.]+) KiB/.exec(stdout) ?? [];
  t.diagnostic(`${gzip} KiB gzip`);
  assert.ok(gzip !== undefined, stdout);
  assert.ok(Number(gzip) < GZIP_KIB_MAX);
});
