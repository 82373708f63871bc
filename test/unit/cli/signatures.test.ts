/** Signing from the command line, on the app in memory: what is refused before a byte is written, and by whom a key is believed. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { type MemoryApp, memoryApp, repositoryName } from "../../support/memory-app.ts";
import { ferry, onApp } from "../../support/memory-host.ts";
import { Pusher } from "../../support/pusher.ts";

const LLAMA = repositoryName("team/llama");
let app: MemoryApp;
let admin: string;
let folder: string;
let first: string;

beforeEach(async () => {
  app = await memoryApp({ ids: ["home"] });
  admin = (await app.admin.call("createToken", { body: { name: "Ada", scopes: [{ repositories: "*", actions: ["admin"] }] } })).token;
  folder = await mkdtemp(join(tmpdir(), "ferry-sign-"));
  const pusher = new Pusher(app.clientFor(admin), app.stores.fetch);
  await pusher.create(LLAMA);
  first = (await pusher.push(LLAMA, { "config.json": "{}" })).revision.revision;
  await pusher.push(LLAMA, { "config.json": "{}", more: "x" });
});
afterEach(() => rm(folder, { recursive: true }));

const run = (...argv: string[]) => ferry(argv, onApp(app, admin));
const file = (name: string) => join(folder, name);

async function makeKey(name: string, add = true): Promise<string> {
  const made = await run("key", "create", file(name));
  assert.equal(made.exit, 0, made.stderr);
  if (add) assert.equal((await run("key", "add", file(`${name}.pub`), "--name", name)).exit, 0);
  return made.stdout.trim();
}

test("a key pair is made in new files alone, and its private one is its owner's alone", async () => {
  await makeKey("k", false);
  assert.equal((await stat(file("k"))).mode & 0o777, 0o600);
  assert.match(await readFile(file("k.pub"), "utf8"), /^-----BEGIN PUBLIC KEY-----/);
  const before = await readFile(file("k"), "utf8");
  assert.equal((await run("key", "create", file("k"))).exit, 7);
  assert.equal(await readFile(file("k"), "utf8"), before);
});

test("what a key signed is shown, listed and can be verified by its id, its file, or any key of the deployment", async () => {
  const id = await makeKey("k");
  assert.equal((await run("sign", `team/llama@${first}`, "--key", file("k"))).exit, 0);
  assert.match((await run("show", `team/llama@${first}`)).stdout, new RegExp(`signed by +${id} \\(k\\)`));
  for (const key of [[], ["--key", id], ["--key", file("k.pub")]]) {
    const pulled = await run("pull", `team/llama@${first}`, file("out"), "--verify-signature", "--verify", "chunks", ...key);
    assert.notEqual(pulled.exit, 2, pulled.stderr);
    assert.doesNotMatch(pulled.stderr, /is not signed/);
  }
});

test("a pull that wants a signature refuses an unsigned revision, another key's and a revoked key's, and makes no folder", async () => {
  const id = await makeKey("k");
  const other = await makeKey("other");
  const refused = async (ref: string, ...key: string[]) => {
    const pulled = await run("pull", `team/llama@${ref}`, file("out"), "--verify-signature", ...key);
    assert.equal(pulled.exit, 8, pulled.stderr);
    assert.match(pulled.stderr, /is not signed by/);
    assert.ok(!(await readdir(folder)).includes("out"));
  };
  await refused(first);
  assert.equal((await run("sign", `team/llama@${first}`, "--key", file("k"))).exit, 0);
  await refused("main", "--key", id);
  await refused(first, "--key", other);
  assert.equal((await run("key", "revoke", id)).exit, 0);
  await refused(first);
  await refused(first, "--key", id);
  assert.equal((await run("sign", "team/llama", "--key", file("k"))).exit, 5);
});

test("a key that the deployment passes off as the pinned one is not believed", async () => {
  const id = await makeKey("k");
  await makeKey("evil");
  assert.equal((await run("sign", `team/llama@${first}`, "--key", file("evil"))).exit, 0);
  const honest = onApp(app, admin);
  const lying = {
    ...honest,
    fetch: async (url: string, init: RequestInit) => {
      const response = await (honest.fetch ?? fetch)(url, init);
      if (!url.endsWith("/signatures")) return response;
      return new Response((await response.text()).replaceAll(/"id":"[0-9a-f]{32}"/g, `"id":"${id}"`), response);
    },
  };
  const pulled = await ferry(["pull", `team/llama@${first}`, file("out"), "--verify-signature", "--key", id], lying);
  assert.equal(pulled.exit, 8, pulled.stderr);
});

test("a clone has the signatures of what it copies", async () => {
  const id = await makeKey("k");
  await run("sign", `team/llama@${first}`, "--key", file("k"));
  assert.equal((await run("clone", `team/llama@${first}`, "team/copy")).exit, 0);
  assert.match((await run("show", "team/copy@main")).stdout, new RegExp(`signed by +${id}`));
});

test("protected tags take signed revisions alone, by hand and by rollback", async () => {
  const id = await makeKey("k");
  const protecting = await run("protect", "team/llama", "--signed-tags", `release-*=${id}`);
  assert.equal(protecting.stdout, `signed tags  release-* by ${id}\nformats      any\nsecrets      warn\n`);
  assert.equal((await run("tag", `team/llama@${first}`, "release-1")).exit, 8);
  assert.equal((await run("tag", `team/llama@${first}`, "test-1")).exit, 0);
  await run("sign", `team/llama@${first}`, "--key", file("k"));
  assert.equal((await run("tag", `team/llama@${first}`, "release-1")).exit, 0);
  assert.equal((await run("protect", "team/llama", "--no-signed-tags")).exit, 0);
  assert.equal((await run("tag", "team/llama@main", "release-1", "--force")).exit, 0);
  await run("protect", "team/llama", "--signed-tags", "release-*");
  assert.equal((await run("tag", "team/llama", "release-1", "--rollback")).exit, 0);
  await run("key", "revoke", id);
  assert.equal((await run("tag", `team/llama@${first}`, "release-2")).exit, 8);
});

test("what is no key is refused before anything is asked for", async () => {
  await writeFile(file("text"), "hello");
  assert.equal((await run("sign", "team/llama", "--key", file("text"))).exit, 7);
  assert.equal((await run("sign", "team/llama", "--key", file("missing"))).exit, 7);
  assert.equal((await run("pull", "team/llama", file("out"), "--verify-signature", "--key", "abc")).exit, 2);
  assert.equal((await run("pull", "team/llama", file("out"), "--key", "abc")).exit, 2);
  assert.equal((await run("push", folder, "team/llama", "--sign", file("text"))).exit, 7);
});
