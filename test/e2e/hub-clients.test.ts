/** Real clients of the Hub, unmodified, against a running system. FERRY_WRITE_DOCS=1 writes what they could do into docs/huggingface.md. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FaultProxy, type FaultRule } from "../support/fault-proxy.ts";
import { writeTable } from "../support/hub/matrix.ts";
import { pythonWith } from "../support/hub/python.ts";
import { runClient } from "../support/hub/run.ts";
import { fileSha256, type Live, startLive, writeSafetensors } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot, tempFolder } from "../support/trees.ts";

const PUSHED = "team/pushed";
const SCRIPTS = fileURLToPath(new URL("../support/hub", import.meta.url));
const seen = new Map<string, Map<string, string | null>>();

type Client = { name: string; packages: string[]; script: string; argv: (stand: Stand, name: string) => string[] };
type Stand = { live: Live; folder: string; remove(): void };

const toAll: Client["argv"] = ({ folder }, name) => [PUSHED, folder, name];
/** Several GB with what it wants; where the machine has room for it: FERRY_TEST_TORCH=1. */
const TORCH = process.env["FERRY_TEST_TORCH"] === "1" ? ["torch==2.*"] : [];
const PYTHON_CLIENTS: Client[] = [
  { name: "huggingface_hub", packages: ["huggingface_hub==1.33.*"], script: "client.py", argv: toAll },
  { name: "huggingface_hub", packages: ["huggingface_hub==2.*"], script: "client.py", argv: toAll },
  {
    name: "transformers",
    packages: ["transformers==5.*", "jinja2", ...TORCH],
    script: "transformers_client.py",
    argv: (_, name) => [name],
  },
];

/** Made while the file is loaded, for pip takes as long as a test may. */
const pythons = new Map(whyNoRedis() === false ? PYTHON_CLIENTS.map(({ packages }) => [packages[0], pythonWith(packages)]) : []);
const V2 = "huggingface_hub==2.*";

async function startStand(runtime: "workerd" | "node"): Promise<Stand> {
  const temporary = tempFolder();
  const folder = join(temporary.path, "model");
  mkdirSync(join(folder, "sub"), { recursive: true });
  writeFileSync(join(folder, "config.json"), '{"a":1}');
  writeFileSync(join(folder, "sub", "empty.txt"), "");
  writeFileSync(join(folder, "sub", "small.txt"), "small");
  writeSafetensors(join(folder, "model.safetensors"), {
    // More than one chunk and one part of an upload: both are 64 MiB at most.
    a: { sizeBytes: 70e6, seed: "a" },
    b: { sizeBytes: 6e6, seed: "b" },
    c: { sizeBytes: 1000, seed: "c" },
  });
  // On Node clients that know Xet load by it; the Worker has none.
  const live = await startLive({ runtime, vars: { FERRY_XET: "on" } });
  await live.ferry(["push", folder, PUSHED, "-m", "first"]);
  return { live, folder, remove: temporary.remove };
}

const run = (command: string, argv: string[], live: Live, endpoint = live.stack.endpoint, env: Record<string, string> = {}) =>
  runClient(command, argv, { endpoint, token: live.stack.token, env });

async function tellsOfSuccess(name: string, command: string, argv: string[], live: Live): Promise<void> {
  const { lines, stderr, exit } = await run(command, argv, live);
  const [{ version = "?" } = {}, ...results] = lines;
  assert.ok(results.length > 0 && exit === 0, stderr.slice(-2000));
  seen.set(`${name} ${version}`, new Map(results.map(({ operation, error }) => [operation ?? "?", error ?? null])));
  assert.deepEqual(
    results.filter(({ error }) => error !== null),
    [],
  );
}

for (const runtime of ["workerd", "node"] as const) {
  describe(`clients of the Hub on ${runtime}`, { skip: whyNoRedis() }, () => {
    let stand: Stand;
    before(async () => {
      stand = await startStand(runtime);
    });
    after(async () => {
      await stand?.live.stop();
      stand?.remove();
      if (process.env["FERRY_WRITE_DOCS"] === "1") writeTable(seen);
    });

    for (const [at, { name, packages, script, argv }] of PYTHON_CLIENTS.entries())
      test(`${packages.join(" ")} does all it can`, async (t) => {
        const python = pythons.get(packages[0]) ?? "it was not made";
        if (typeof python === "string") return t.skip(python);
        await tellsOfSuccess(name, python.bin("python"), [join(SCRIPTS, script), ...argv(stand, `team/new-${at}`)], stand.live);
      });

    test("@huggingface/hub does all it can", async () => {
      const argv = [fileURLToPath(import.meta.resolve("../support/hub/client.mjs")), PUSHED, stand.folder, "team/new-js"];
      await tellsOfSuccess("@huggingface/hub", process.execPath, argv, stand.live);
    });

    test("hf_xet loads by Xet where that is on, and is not told of it elsewhere", async (t) => {
      const python = pythons.get(V2) ?? "it was not made";
      if (typeof python === "string") return t.skip(python);
      const { live, folder } = stand;
      const argv = [join(SCRIPTS, "client.py"), PUSHED, folder, "none/none", "reads"];
      const { lines, stderr } = await run(python.bin("python"), argv, live, live.stack.endpoint, { HF_HUB_DISABLE_XET: "0" });
      const [, ...results] = lines;
      assert.ok(results.length > 5, stderr.slice(-2000));
      assert.deepEqual(
        results.filter(({ error }) => error !== null),
        [],
      );
      const authorization = `Bearer ${live.stack.token}`;
      const head = await fetch(`${live.stack.endpoint}/${PUSHED}/resolve/main/model.safetensors`, {
        method: "HEAD",
        headers: { authorization },
      });
      assert.equal(head.headers.has("x-xet-hash"), runtime === "node");
    });

    test("a download that is cut goes on where it stopped, and is the file", async (t) => {
      const python = pythons.get(V2) ?? "it was not made";
      if (typeof python === "string") return t.skip(python);
      const path = `/${PUSHED}/resolve/`;
      const cut: FaultRule = { verb: "GET", prefix: path, nth: (n) => n === 1, fault: { kind: "truncate", bytes: 30e6 } };
      const proxy = await FaultProxy.start(stand.live.stack.endpoint, { rules: [cut] });
      const code =
        "import json,sys,huggingface_hub as h;print(json.dumps({'path':h.hf_hub_download(sys.argv[1],'model.safetensors',local_dir=sys.argv[2])}))";
      const target = tempFolder();
      const { lines, stderr } = await run(python.bin("python"), ["-c", code, PUSHED, target.path], stand.live, proxy.endpoint);
      const sent = proxy.sentBytes;
      await proxy.close();
      assert.equal(proxy.faultCount("truncate"), 1);
      assert.equal(
        await fileSha256(lines[0]?.["path"] ?? "/none"),
        await fileSha256(join(stand.folder, "model.safetensors")),
        stderr.slice(-1000),
      );
      assert.ok(sent < 90e6, `${sent} bytes were sent: it began anew`);
      target.remove();
    });

    test("the hf command uploads and downloads; what it uploads, ferry pulls byte-identical, sharing chunks with what ferry pushed", async (t) => {
      const python = pythons.get(V2) ?? "it was not made";
      if (typeof python === "string") return t.skip(python);
      const { live, folder } = stand;
      const hf = (...argv: string[]) => run(python.bin("hf"), argv, live);
      assert.equal((await hf("auth", "whoami")).exit, 0);
      const uploaded = await hf("upload", "team/by-hf", folder, ".");
      assert.equal(uploaded.exit, 0, uploaded.stderr.slice(-2000));
      const target = tempFolder();
      await live.ferry(["pull", "team/by-hf", join(target.path, "native")]);
      assert.equal(await fileSha256(join(target.path, "native", "model.safetensors")), await fileSha256(join(folder, "model.safetensors")));
      const again = await live.ferry(["push", folder, "team/by-hf@main"]);
      assert.equal(again["bytesSent"], 0, "the chunks are those that ferry makes");
      const downloaded = await hf("download", PUSHED, "--local-dir", join(target.path, "hf"));
      assert.equal(downloaded.exit, 0, downloaded.stderr.slice(-2000));
      const got = snapshot(join(target.path, "hf"));
      for (const [path, entry] of Object.entries(snapshot(folder))) assert.deepEqual(got[path], entry, path);
      target.remove();
    });
  });
}
