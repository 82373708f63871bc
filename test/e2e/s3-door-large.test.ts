/**
 * One file so large that clients send it in many parts, over real parts from end to end: the AWS CLI (where there is none, the SDK) → the S3
 * door of an agent → chunks in local R2 → `ferry pull`, and `hf download`. FERRY_S3_LARGE_MIB=5120 sends what S3 itself takes in one PUT.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { MiB } from "../../shared/units.ts";
import { startAgent } from "../support/agents.ts";
import { pythonWith } from "../support/hub/python.ts";
import { fileSha256, startLive, writeSafetensors } from "../support/live.ts";
import { type DoorAccess, S3_CLIENTS } from "../support/s3-door-clients.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const LARGE_MIB = Number(process.env["FERRY_S3_LARGE_MIB"] ?? 96);
const TENSOR_MIB = 48;

const python = whyNoRedis() === false ? pythonWith(["huggingface_hub==2.*"]) : "";

test(`a file of ${LARGE_MIB} MiB in parts, through the S3 door, is that file by ferry and by hf`, {
  skip: whyNoRedis(),
  timeout: 3_600_000,
}, async (t) => {
  const live = await startLive({ runtime: "node" });
  t.after(() => live.stop());
  const folder = tempFolder();
  t.after(() => folder.remove());
  const agent = await startAgent({ id: "s3", cache: join(folder.path, "cache"), flags: ["--s3", "0"], env: live.env() });
  t.after(() => agent.end("SIGKILL"));
  const door = agent.log.find(({ event, door }) => event === "door.listening" && door === "s3")?.["address"];
  const home = join(folder.path, "home");
  mkdirSync(home);
  const made = await live.ferry(["s3-credentials"], { env: { FERRY_S3: `http://${door}` } });
  const kind = S3_CLIENTS.find(({ missing }) => missing() === null);
  assert.ok(kind !== undefined);
  const client = kind.make({ ...(made as Omit<DoorAccess, "folder">), folder: home });
  const tree = join(folder.path, "tree");
  mkdirSync(tree);
  const file = join(tree, "model.safetensors");
  const tensors = Array.from({ length: LARGE_MIB / TENSOR_MIB }, (_, at) => [`t${at}`, { sizeBytes: TENSOR_MIB * MiB, seed: `t${at}` }]);
  writeSafetensors(file, Object.fromEntries(tensors));
  const digest = await fileSha256(file);
  await client.upload(tree, "team/large");
  await client.commit("team/large", "large");
  rmSync(tree, { recursive: true });
  const pulled = join(folder.path, "pulled");
  await live.ferry(["pull", "team/large", pulled]);
  assert.equal(await fileSha256(join(pulled, "model.safetensors")), digest, "by ferry");
  rmSync(pulled, { recursive: true });
  if (typeof python === "string") t.diagnostic(`not by hf: ${python}`);
  else {
    const env = { PATH: process.env["PATH"] ?? "", HOME: home, HF_ENDPOINT: live.stack.endpoint, HF_TOKEN: live.stack.token };
    const download = ["download", "team/large", "--local-dir", pulled, "--quiet"];
    await promisify(execFile)(python.bin("hf"), download, { env: { ...env, HF_HUB_DISABLE_XET: "1" }, timeout: 1_800_000 });
    assert.equal(await fileSha256(join(pulled, "model.safetensors")), digest, "by hf");
  }
  t.diagnostic(`by ${kind.name}; the agent took at most ${Math.round(agent.peakBytes() / MiB)} MiB of memory`);
});
