/** Real clients of the Hub, unmodified, against an agent: they read out of its cache what their own tokens let them read. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type AgentProcess, type AgentWorld, startAgentWorld } from "../support/agents.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { pythonWith } from "../support/hub/python.ts";
import { runClient } from "../support/hub/run.ts";
import { writeSafetensors } from "../support/live.ts";

const PUSHED = "team/pushed";
const SCRIPT = fileURLToPath(new URL("../support/hub/client.py", import.meta.url));
const FILE_BYTES = 70e6;

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
    const env = { FERRY_ENDPOINT: world.served.endpoint, FERRY_TOKEN: world.token, FERRY_PLAIN_HTTP: "1", HOME: world.folder };
    const pushed = await ferryProcess(["push", folder, PUSHED, "-m", "first"], { env });
    assert.equal(pushed.exit, 0, pushed.stderr);
    agent = await world.start({ id: "plain", flags: ["--hub", "127.0.0.1:0"] });
    withXet = await world.start({ id: "xet", flags: ["--hub", "127.0.0.1:0", "--hub-xet"] });
  });
  after(() => world?.stop());

  for (const { name, python } of pythons)
    test(`${name} reads all it can, with and without Xet`, async (t) => {
      if (typeof python === "string") return t.skip(python);
      for (const [one, disabled] of [
        [agent, "0"],
        [withXet, "0"],
      ] as const) {
        const before = await one.metric('ferry_hub_bytes_total{kind="xet"}');
        const settings = { endpoint: hubOf(one), token: world.token, env: { HF_HUB_DISABLE_XET: disabled } };
        const { lines, stderr, exit } = await runClient(python.bin("python"), [SCRIPT, PUSHED, folder, "none/none", "reads"], settings);
        const [, ...results] = lines;
        assert.ok(results.length > 7 && exit === 0, stderr.slice(-2000));
        assert.deepEqual(
          results.filter(({ error }) => error !== null),
          [],
          stderr.slice(-2000),
        );
        const came = (await one.metric('ferry_hub_bytes_total{kind="xet"}')) - before;
        assert.ok(one === agent ? came === 0 : came > FILE_BYTES, `${came} bytes came by Xet`);
      }
    });
});
