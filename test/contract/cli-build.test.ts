/** What is shipped: one file that runs on the oldest Node that we promise, without node_modules beside it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Duplex } from "node:stream";
import { after, before, test } from "node:test";
import { buildFerry } from "../../scripts/build.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { memoryApp } from "../support/memory-app.ts";
import { serveApp } from "../support/served-app.ts";

const PROMISED_MAJOR = 20;

let root: string;
let bundle: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "ferry-build-"));
  bundle = join(root, "ferry.mjs");
  await buildFerry(bundle);
});
after(() => rm(root, { recursive: true, force: true }));

/** A Node of the promised major version outside node_modules, or null. */
function oldNode(): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "" && !folder.includes("node_modules"));
  for (const folder of [...folders, "/usr/local/bin", "/usr/bin"]) {
    const { stdout, status } = spawnSync(join(folder, "node"), ["--version"], { encoding: "utf8" });
    if (status === 0 && stdout.startsWith(`v${PROMISED_MAJOR}.`)) return join(folder, "node");
  }
  return null;
}

type Proxy = { url: string; readonly connections: number; stop: () => Promise<void> };

/** An HTTP proxy that opens tunnels, and nothing else. */
async function startProxy(): Promise<Proxy> {
  const sockets = new Set<Duplex>();
  let connections = 0;
  const server = createServer((_, response) => response.writeHead(501).end());
  server.on("connect", ({ url = "" }, near: Duplex) => {
    connections++;
    const { hostname, port } = new URL(`http://${url}`);
    const far = connect(Number(port), hostname, () => near.write("HTTP/1.1 200 OK\r\n\r\n"));
    for (const socket of [near, far]) sockets.add(socket.on("error", () => {}));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  return {
    url,
    stop,
    get connections() {
      return connections;
    },
  };
}

const node = oldNode();
const skip = node === null ? `no Node ${PROMISED_MAJOR} on this machine` : false;
const command = () => [node ?? "", bundle];

test("the file can be started by its name, and knows its version", async () => {
  assert.ok((await stat(bundle)).mode & 0o100);
  assert.ok(readFileSync(bundle, "utf8").startsWith("#!/usr/bin/env node\n"));
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  const ran = await ferryProcess(["--version"], { command: [bundle] });
  assert.deepEqual(ran, { exit: 0, stdout: `${version}\n`, stderr: "" });
});

test("it holds no path of the machine that built it", async () => {
  const text = await readFile(bundle, "utf8");
  assert.ok(!text.includes(join(import.meta.dirname, "../..")));
});

test(`push, pull and the rest work on Node ${PROMISED_MAJOR}`, { skip }, async () => {
  const app = await memoryApp();
  const served = await serveApp(app);
  try {
    const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const] }];
    const { token } = await app.admin.call("createToken", { body: { name: "Ada", scopes } });
    const env = { FERRY_ENDPOINT: served.endpoint, FERRY_TOKEN: token, HOME: root };
    const source = join(root, "weights.bin");
    // Large enough for data threads, which the file starts from itself.
    await writeFile(source, "weights".repeat(1_000_000));
    const destination = join(root, "pulled");
    for (const argv of [
      ["whoami"],
      ["push", source, "team/old"],
      ["pull", "team/old", destination],
      ["ls", "-l", "team/old"],
      ["doctor"],
    ]) {
      const ran = await ferryProcess(argv, { command: command(), env });
      assert.equal(ran.exit, 0, ran.stderr);
      assert.doesNotMatch(ran.stderr, /Warning/);
    }
    assert.deepEqual(await readFile(join(destination, "weights.bin")), await readFile(source));
  } finally {
    await served.stop();
  }
});

test("a data thread of the bundle goes through the environment's proxy", async () => {
  const app = await memoryApp();
  const served = await serveApp(app);
  const proxy = await startProxy();
  try {
    const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const] }];
    const { token } = await app.admin.call("createToken", { body: { name: "Ada", scopes } });
    const env = { FERRY_ENDPOINT: served.endpoint, FERRY_TOKEN: token, HOME: root, http_proxy: proxy.url };
    const source = join(root, "large.bin");
    await writeFile(source, "weights".repeat(1_000_000));
    const destination = join(root, "proxied");
    for (const argv of [
      ["push", source, "team/proxied"],
      ["pull", "team/proxied", destination],
    ]) {
      const before = proxy.connections;
      const ran = await ferryProcess(argv, { command: [process.execPath, bundle], env });
      assert.equal(ran.exit, 0, ran.stderr);
      assert.ok(proxy.connections > before, `${argv[0]} went past the proxy`);
    }
    assert.deepEqual(await readFile(join(destination, "large.bin")), await readFile(source));
  } finally {
    await proxy.stop();
    await served.stop();
  }
});

test(`a failure reads the same on Node ${PROMISED_MAJOR}`, { skip }, async () => {
  const copy = join(root, "alone.mjs");
  await copyFile(bundle, copy);
  const ran = await ferryProcess(["ls", "a/b/c"], { command: [node ?? "", copy] });
  assert.deepEqual(ran, await ferryProcess(["ls", "a/b/c"]));
});
