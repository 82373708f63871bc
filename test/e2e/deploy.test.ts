import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { type FakeCloudflare, startFakeCloudflare } from "../support/fake-cloudflare.ts";
import { startTestStack, type TestStack, whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const DEPLOY = fileURLToPath(new URL("../../scripts/deploy.ts", import.meta.url));

describe("npm run deploy, with Cloudflare's API stood in for, and the local stack for the Worker that comes up", {
  skip: whyNoRedis(),
}, () => {
  const folder = tempFolder();
  const file = join(folder.path, "cloudflare.env");
  let cloudflare: FakeCloudflare;
  let stack: TestStack;
  before(async () => {
    cloudflare = await startFakeCloudflare();
    stack = await startTestStack({ runtime: "node" });
  });
  after(async () => {
    await stack?.stop();
    await cloudflare?.stop();
    folder.remove();
  });

  async function deploy(args: readonly string[], env: Record<string, string> = cloudflare.env) {
    const child = spawn(process.execPath, [DEPLOY, "--file", file, ...args], {
      env: { PATH: process.env["PATH"] ?? "", HOME: folder.path, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const exit = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { exit, output };
  }

  test("the first time it writes the settings, with secrets of their own, for their owner's eyes, and asks for the rest", async () => {
    const { exit, output } = await deploy([]);
    assert.equal(exit, 2);
    assert.match(output, /fresh secrets/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { exit: again, output: asks } = await deploy([]);
    assert.equal(again, 1);
    assert.match(asks, /fill in STORES, STORE_HOME_ACCESS_KEY_ID/);
    assert.deepEqual(cloudflare.sent, []);
  });

  test("a dry run tells what it would do, and changes nothing", { timeout: 90_000 }, async () => {
    const text = readFileSync(file, "utf8").replaceAll("change-me", "filled-in");
    writeFileSync(file, text.replace(/^BOOTSTRAP_TOKEN=.*$/m, `BOOTSTRAP_TOKEN=${stack.token}`));
    const { exit, output } = await deploy(["--dry-run"]);
    assert.equal(exit, 0, output);
    assert.match(output, /Would upload the Worker modelferry, [\d.]+ KiB gzip, with 7 settings/);
    assert.match(output, /Would create the bucket modelferry\./);
    assert.ok(cloudflare.sent.every(({ method }) => method === "GET"));
  });

  test("creates what is missing, uploads the Worker with its settings as secrets, and proves the stores; again: creates nothing", {
    timeout: 120_000,
  }, async () => {
    const { exit, output } = await deploy(["--url", stack.endpoint]);
    assert.equal(exit, 0, output);
    assert.deepEqual([...cloudflare.buckets], ["modelferry"]);
    const uploads = cloudflare.sent.filter(({ method, body }) => method !== "GET" && body.includes("metadata"));
    assert.equal(uploads.length, 1);
    const secrets = Object.keys(parseEnv(readFileSync(file, "utf8"))).sort();
    const told = [...(uploads[0]?.body ?? "").matchAll(/"name":"(\w+)","type":"secret_text"/g)].map(([, name]) => name).sort();
    assert.deepEqual(told, secrets);
    assert.match(output, /Store home: tickets by payload\./);
    assert.doesNotMatch(output, new RegExp(stack.token));
    const before = cloudflare.sent.length;
    assert.equal((await deploy(["--url", stack.endpoint])).exit, 0);
    assert.ok(cloudflare.sent.slice(before).every(({ path, method }) => path !== "/r2/buckets" || method === "GET"));
  });

  test("says what to do when nobody is logged in", { timeout: 60_000 }, async () => {
    const { exit, output } = await deploy([], { CLOUDFLARE_CF_FETCH_ENABLED: "false", CLOUDFLARE_API_BASE_URL: "http://127.0.0.1:9" });
    assert.equal(exit, 1);
    assert.match(output, /npx wrangler login/);
  });
});
