/** Real clients of the Hub, unmodified, against an agent: they read out of its cache what their own tokens let them read. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MiB } from "../../shared/units.ts";
import { type AgentProcess, type AgentWorld, startAgentWorld } from "../support/agents.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { ollamaPull } from "../support/hub/ollama-client.ts";
import { pythonWith } from "../support/hub/python.ts";
import { type ClientRun, runClient } from "../support/hub/run.ts";
import { writeSafetensors } from "../support/live.ts";

const PUSHED = "team/pushed";
const SCRIPT = fileURLToPath(new URL("../support/hub/client.py", import.meta.url));
const FILE_BYTES = 110e6;

/** Made while the file is loaded, for pip takes as long as a test may. */
const pythons = ["huggingface_hub==1.33.*", "huggingface_hub==2.*"].map((name) => ({ name, python: pythonWith([name]) }));

function hubOf(agent: AgentProcess): string {
  return `http://${agent.log.find(({ event, door }) => event === "door.listening" && door === "hub")?.["address"]}`;
}

describe("clients of the Hub on an agent", () => {
  let world: AgentWorld;
  let agent: AgentProcess;
  let withXet: AgentProcess;
  let folder: string;
  let gguf: string;

  before(async () => {
    world = await startAgentWorld();
    folder = join(world.folder, "model");
    mkdirSync(join(folder, "sub"), { recursive: true });
    writeFileSync(join(folder, "config.json"), '{"a":1}');
    writeFileSync(join(folder, "sub", "empty.txt"), "");
    writeFileSync(join(folder, "sub", "small.txt"), "small");
    writeSafetensors(join(folder, "model.safetensors"), {
      a: { sizeBytes: 80e6, seed: "a" },
      b: { sizeBytes: 30e6, seed: "b" },
      c: { sizeBytes: 1000, seed: "c" },
    });
    gguf = join(world.folder, "gguf");
    mkdirSync(gguf);
    writeFileSync(join(gguf, "tiny.gguf"), Buffer.concat([Buffer.from("GGUF"), randomBytes(7 * MiB)]));
    const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: world.token, FERRY_PLAIN_HTTP: "1", HOME: world.folder };
    for (const [from, to] of [
      [folder, PUSHED],
      [gguf, "team/gguf"],
    ] as const) {
      const pushed = await ferryProcess(["push", from, to, "-m", "first"], { env });
      assert.equal(pushed.exit, 0, pushed.stderr);
    }
    agent = await world.start({ id: "plain", flags: ["--hub", "127.0.0.1:0"] });
    withXet = await world.start({ id: "xet", flags: ["--hub", "127.0.0.1:0", "--hub-xet"] });
  });
  after(() => world?.stop());

  const read = (one: AgentProcess, command: string, argv: string[], env: Record<string, string> = {}) =>
    runClient(command, [...argv, PUSHED, folder, "none/none", "reads"], { endpoint: hubOf(one), token: world.token, env });

  for (const [what, settings] of [
    ["that leaves Xet off where the client would use it", { one: () => agent, env: { HF_HUB_DISABLE_XET: "0" }, comesByXet: false }],
    ["by Xet", { one: () => withXet, env: { HF_HUB_DISABLE_XET: "0" }, comesByXet: true }],
  ] as const)
    for (const { name, python } of settings.comesByXet ? pythons : pythons.slice(1))
      test(`${name} reads all it can from an agent ${what}`, async (t) => {
        if (typeof python === "string") return t.skip(python);
        const one = settings.one();
        const before = await one.metric('ferry_hub_bytes_total{kind="xet"}');
        succeeds(await read(one, python.bin("python"), [SCRIPT], settings.env));
        const came = (await one.metric('ferry_hub_bytes_total{kind="xet"}')) - before;
        assert.ok(settings.comesByXet ? came > FILE_BYTES : came === 0, `${came} bytes came by Xet`);
      });

  test("@huggingface/hub reads all it can from an agent, by Xet where that is on", async () => {
    const before = await withXet.metric('ferry_hub_bytes_total{kind="xet"}');
    succeeds(await read(withXet, process.execPath, [fileURLToPath(new URL("../support/hub/client.mjs", import.meta.url))]));
    const came = (await withXet.metric('ferry_hub_bytes_total{kind="xet"}')) - before;
    assert.ok(came > FILE_BYTES, `${came} bytes came by Xet`);
  });

  test("the bytes came from the store once for each agent, however many clients read them", async () => {
    for (const one of [agent, withXet])
      assert.ok((await one.metric('ferry_agent_fetched_bytes_total{from="origin"}')) < 1.05 * FILE_BYTES + MiB);
  });

  test("who may not read a repository gets nothing of it, though it lies in the cache; uploads are told where they belong", async () => {
    const scopes = [{ repositories: "other/*", actions: ["pull" as const] }];
    const { token } = await world.app.admin.call("createToken", { body: { name: "other", scopes } });
    for (const path of [
      `/api/models/${PUSHED}`,
      `/${PUSHED}/resolve/main/model.safetensors`,
      `/api/models/${PUSHED}/xet-read-token/main`,
    ]) {
      const answer = await fetch(hubOf(withXet) + path, { headers: { authorization: `Bearer ${token}` } });
      assert.deepEqual([answer.status, answer.headers.get("x-error-code")], [404, "RepoNotFound"], path);
      assert.equal((await fetch(hubOf(withXet) + path)).status, 401, path);
    }
    const upload = await fetch(`${hubOf(agent)}/api/repos/create`, { method: "POST", headers: { authorization: `Bearer ${world.token}` } });
    assert.equal(upload.status, 403);
    assert.match(upload.headers.get("x-error-message") ?? "", /uploads go to the registry/);
  });

  test("Ollama pulls from an agent that was given a token for who sends none", async () => {
    const anonymous = join(world.folder, "anonymous");
    writeFileSync(anonymous, world.token, { mode: 0o600 });
    const one = await world.start({ id: "ollama", flags: ["--hub", "127.0.0.1:0", "--hub-anonymous", anonymous] });
    const ofPage = await fetch(`${hubOf(one)}/api/models/team/gguf`, { headers: { origin: "http://page.test" } });
    assert.equal(ofPage.status, 401, "it does not stand for web pages");
    const { layers } = await ollamaPull(fetch, hubOf(one), "team/gguf", "latest");
    assert.deepEqual(
      layers.map(({ bytes }) => sha(bytes)),
      [sha(readFileSync(join(gguf, "tiny.gguf")))],
    );
  });

  test("without its registry an agent reads on for who read before; a token that it never saw is refused", async (t) => {
    const python = pythons.at(-1)?.python ?? "";
    if (typeof python === "string") return t.skip(python);
    await world.served.stop();
    const code = `import sys,huggingface_hub as h;print(h.snapshot_download(sys.argv[1], local_dir=sys.argv[2]))`;
    const target = join(world.folder, "offline");
    const settings = { endpoint: hubOf(agent), token: world.token };
    const { exit, stderr } = await runClient(python.bin("python"), ["-c", code, PUSHED, target], settings);
    assert.equal(exit, 0, stderr.slice(-2000));
    assert.equal(sha(readFileSync(join(target, "model.safetensors"))), sha(readFileSync(join(folder, "model.safetensors"))));
    const stranger = await fetch(`${hubOf(agent)}/api/models/${PUSHED}`, {
      headers: { authorization: "Bearer hf_neverseenbeforebyanybodyhere00000000" },
    });
    assert.ok(stranger.status >= 500, `${stranger.status}`);
  });
});

function succeeds({ lines, stderr, exit }: ClientRun): void {
  const [, ...results] = lines;
  assert.ok(results.length >= 5 && exit === 0, stderr.slice(-2000));
  assert.deepEqual(
    results.filter(({ error }) => error !== null),
    [],
    stderr.slice(-2000),
  );
}

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
