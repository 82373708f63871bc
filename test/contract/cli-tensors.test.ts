/** `ferry diff` on a model that was really pushed: which tensors are others, and how little is read to know it. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KiB, MiB } from "../../shared/units.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { memoryApp } from "../support/memory-app.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";
import { Random } from "../unit/chunking/files/bytes.ts";
import { safetensors } from "../unit/chunking/files/safetensors.ts";

let root: string;
let served: ServedApp;
let token: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "ferry-tensors-"));
  const app = await memoryApp();
  served = await serveApp(app);
  const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const] }];
  token = (await app.admin.call("createToken", { body: { name: "Ada", scopes } })).token;
});
after(async () => {
  await served.stop();
  await rm(root, { recursive: true, force: true });
});

const tensor = (name: string, seed: number, length: number) => ({ name, bytes: new Random(seed).bytes(length) });
const layers = (edited: number) =>
  [...Array(24).keys()].map((at) => tensor(`layers.${at}.norm`, at === edited ? 999 : 100 + at, 128 * KiB));

async function ferry(...argv: string[]): Promise<string> {
  const env = { FERRY_ENDPOINT: served.endpoint, FERRY_TOKEN: token, HOME: root };
  const ran = await ferryProcess(argv, { env });
  assert.equal(ran.exit, 0, ran.stderr);
  return ran.stdout;
}

async function push(branch: string, tensors: ReturnType<typeof tensor>[]): Promise<void> {
  const tree = join(root, branch);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "model.safetensors"), safetensors(tensors));
  await ferry("push", tree, `team/model@${branch}`, "-q");
}

/** Bodies of chunks that were asked of the store. */
const reads = () => served.requests.filter((request) => request.startsWith("GET /chunks/")).length;

test("large tensors are told apart by their chunks, small ones with --contents; only headers are read without it", async () => {
  const kept = tensor("embed", 1, 5 * MiB);
  await push("main", [kept, tensor("head", 2, 6 * MiB), ...layers(-1), tensor("old", 3, 4 * MiB)]);
  await push("next", [kept, tensor("head", 7, 6 * MiB), ...layers(5), tensor("lora", 4, 4 * MiB)]);
  served.requests.length = 0;
  const plain = JSON.parse(await ferry("diff", "team/model", "main", "next", "--json")).tensors["model.safetensors"];
  const changes = ({ changes }: { changes: { change: string; name: string }[] }) => changes.map(({ change, name }) => `${change} ${name}`);
  assert.deepEqual(changes(plain), ["changed head", "added lora", "removed old"]);
  assert.equal(plain.unchanged, 1);
  assert.equal(plain.uncompared.length, 24);
  assert.equal(reads(), 2);
  const all = JSON.parse(await ferry("diff", "team/model", "main", "next", "--json", "--contents")).tensors["model.safetensors"];
  assert.deepEqual(changes(all), ["changed head", "changed layers.5.norm", "added lora", "removed old"]);
  assert.deepEqual([all.unchanged, all.uncompared], [24, []]);
});
