/** What pushes say of their files, and what settings of a repository make of it: from the command line, over sockets, on the app in memory. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { makeToken } from "../../../shared/token.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { ferry } from "../../support/memory-host.ts";
import { entriesOf, Pusher } from "../../support/pusher.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { CPYTHON } from "../content/pickles.ts";

const M = repositoryName("team/m");
const SECRET = makeToken(Uint8Array.from({ length: 32 }, (_, at) => 7 * at + 3));
const EVIL = Buffer.from(CPYTHON.find(({ name }) => name === "os.system, protocol 4")?.base64 ?? "", "base64");
const PLAIN = Buffer.from(CPYTHON.find(({ name }) => name === "plain values, protocol 4")?.base64 ?? "", "base64");

let app: MemoryApp;
let served: ServedApp;
let token: string;
let folder: string;

beforeEach(async () => {
  app = await memoryApp({ ids: ["home"] });
  served = await serveApp(app);
  token = (await app.admin.call("createToken", { body: { name: "Ada", scopes: [{ repositories: "*", actions: ["admin"] }] } })).token;
  folder = await mkdtemp(join(tmpdir(), "ferry-content-"));
});
afterEach(async () => {
  await served.stop();
  await rm(folder, { recursive: true });
});

const run = (...argv: string[]) =>
  ferry(argv, {
    env: { FERRY_ENDPOINT: served.endpoint, FERRY_TOKEN: token, FERRY_CACHE_DIR: join(folder, "cache") },
    fetch: (url, init) => fetch(url, init),
    now: () => app.clock.now(),
  });

async function plant(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  const place = join(folder, name);
  await mkdir(place, { recursive: true });
  for (const [path, content] of Object.entries(files)) await writeFile(join(place, path), content);
  return place;
}

const described = async () => (await app.admin.call("resolve", { repository: M, params: { ref: "main" } })).content;
const putCount = () => served.requests.filter((request) => request.startsWith("PUT /chunks/")).length;

test("a push tells what it found by place and kind, never the secret, and the revision says it from then on", async () => {
  const place = await plant("a", {
    "weights.dat": EVIL,
    "vocab.dat": PLAIN,
    "run.sh": `# run\nexport T=${SECRET}\n`,
    "README.md": "hello",
  });
  const pushed = await run("push", place, "team/m");
  assert.equal(pushed.exit, 0, pushed.stderr);
  assert.match(
    pushed.stderr,
    /run\.sh:2: modelferry token\nweights\.dat: a pickle; imports posix\.system: DANGEROUS\nvocab\.dat: a pickle\n/,
  );
  assert.ok(!(pushed.stdout + pushed.stderr).includes(SECRET));
  assert.deepEqual(await described(), {
    v: 1,
    files: 4,
    unsafe: 2,
    dangerous: 1,
    secrets: 1,
    listed: [
      { path: "weights.dat", kind: "pickle", imports: ["posix.system"] },
      { path: "vocab.dat", kind: "pickle", imports: [] },
    ],
  });
  assert.match((await run("show", "team/m@main")).stdout, /content +found at push: 2 run code when loaded \(1 dangerous\), secrets in 1/);
  assert.ok(!JSON.stringify(app.log).includes(SECRET));
});

test("ferry scan finds in a revision what it finds in the folder", async () => {
  const place = await plant("a", { "weights.dat": EVIL, "run.sh": `export T=${SECRET}\n`, big: Buffer.alloc(200_000, "x") });
  const local = await run("scan", place, "--json");
  assert.equal(local.exit, 1);
  assert.equal((await run("push", place, "team/m", "-q")).exit, 0);
  const remote = await run("scan", "team/m", "--json");
  const told = ({ stdout }: { stdout: string }) => ({ ...JSON.parse(stdout), what: "" });
  assert.deepEqual(told(remote), told(local));
  assert.equal((await run("scan", await plant("b", { a: "text" }))).exit, 0);
});

test("--secrets block sends nothing when there are any; a repository that blocks them takes no such push from anybody", async () => {
  const place = await plant("a", { "run.sh": `export T=${SECRET}\n` });
  const blocked = await run("push", place, "team/m", "--secrets", "block");
  assert.match(blocked.stderr, /secrets were found in 1 files/);
  assert.notEqual(blocked.exit, 0);
  assert.equal(putCount(), 0);
  assert.equal((await run("push", place, "team/m")).exit, 0);
  await run("protect", "team/m", "--secrets", "block");
  for (const how of ["warn", "off"]) assert.notEqual((await run("push", place, "team/m", "--secrets", how)).exit, 0);
  assert.equal((await run("push", await plant("b", { "run.sh": "echo" }), "team/m")).exit, 0);
});

test("a repository of safe formats refuses a pickle under any name, and names of pickles whatever is in them", async () => {
  assert.equal((await run("push", await plant("a", { "config.json": "{}" }), "team/m")).exit, 0);
  await run("protect", "team/m", "--formats", "safe");
  const before = (await app.admin.call("resolve", { repository: M, params: { ref: "main" } })).revision;
  for (const files of [{ "weights.safetensors": PLAIN }, { "model.pt": "text" }, { "pytorch_model.bin": new Uint8Array(8) }]) {
    const refused = await run("push", await plant(Object.keys(files)[0] ?? "", files), "team/m");
    assert.match(refused.stderr, /runs code when it is loaded/);
  }
  assert.equal((await app.admin.call("resolve", { repository: M, params: { ref: "main" } })).revision, before);
  assert.equal((await run("push", await plant("b", { "config.json": "{1}" }), "team/m")).exit, 0);
});

test("a client that says nothing, one that lies, and a clone: what the deployment can know of that", async () => {
  const pusher = new Pusher(app.admin, fetch);
  await pusher.create(M);
  await pusher.push(M, { "config.json": "{}" });
  await run("protect", "team/m", "--formats", "safe");
  await assert.rejects(pusher.push(M, { "config.json": "[]" }), { code: "CONTENT_UNSCANNED" });
  const clean = { v: 1 as const, files: 1, unsafe: 0, dangerous: 0, secrets: 0, listed: [] };
  const commit = async (files: Record<string, string>) => {
    const { upload, parent } = await pusher.open(M);
    const reservation = await pusher.reserve(M, upload, files);
    await pusher.send(reservation, files);
    await pusher.confirm(M, upload, reservation);
    const body = { operationId: operationId(), parent, files: entriesOf(files), content: clean } as never;
    return app.admin.call("commit", { repository: M, params: { upload }, body });
  };
  await assert.rejects(commit({ "model.pt": "x" }), { code: "FORMAT_UNSAFE" });
  // Content that is not looked at here: the report stands as the uploader's claim, and a scan by anybody finds the lie.
  await commit({ "model.safetensors": EVIL.toString("latin1") });
  assert.equal((await described())?.unsafe, 0);
  await pusher.create(repositoryName("team/free"));
  await pusher.push(repositoryName("team/free"), { "a.pt": "x" });
  const cloned = await run("clone", "team/free", "team/m@copy");
  assert.match(cloned.stderr, /runs code when it is loaded/);
});
