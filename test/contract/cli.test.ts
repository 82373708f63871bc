/** The program as a process: real engine, real sockets and files, against the app in memory. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KiB, MiB } from "../../shared/units.ts";
import { FERRY, ferryProcess, type ProcessOptions } from "../support/ferry-process.ts";
import { type MemoryApp, memoryApp, repositoryName } from "../support/memory-app.ts";
import { type ServedApp, serveApp } from "../support/served-app.ts";

let root: string;
let app: MemoryApp;
let served: ServedApp;
let token: string;
/** While it is set, the store keeps each PUT of a chunk waiting until `release`. */
let gate: { reached: () => void; open: Promise<void> } | null = null;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "ferry-cli-"));
  app = await memoryApp();
  served = await serveApp(app, async (request) => {
    if (gate === null || request.method !== "PUT" || !request.url.includes("/chunks/")) return null;
    gate.reached();
    await gate.open;
    return 503;
  });
  const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const, "tag" as const, "delete" as const] }];
  token = (await app.admin.call("createToken", { body: { name: "Ada", scopes } })).token;
  assert.equal((await run(["push", await makeTree("base"), "team/base"])).exit, 0);
});
after(async () => {
  await served.stop();
  await rm(root, { recursive: true, force: true });
});

function run(argv: string[], options: ProcessOptions = {}) {
  return ferryProcess(argv, { ...options, env: { FERRY_ENDPOINT: served.endpoint, FERRY_TOKEN: token, HOME: root, ...options.env } });
}

/** A tree with an executable, a link, an empty file and files of one and of several chunks. */
async function makeTree(name: string, largeBytes = MiB): Promise<string> {
  const tree = join(root, name);
  await mkdir(join(tree, "sub"), { recursive: true });
  await writeFile(join(tree, "run.sh"), "#!/bin/sh\n");
  await chmod(join(tree, "run.sh"), 0o755);
  await writeFile(join(tree, "empty"), "");
  await writeFile(join(tree, "sub", "small.bin"), randomBytes(10 * KiB));
  await writeFile(join(tree, "sub", "large.bin"), Buffer.alloc(largeBytes, randomBytes(MiB)));
  await symlink("sub/small.bin", join(tree, "link"));
  return tree;
}

/** Path, kind and content of everything in a tree. */
async function described(tree: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(tree.length + 1);
    if (name.startsWith(".ferry")) continue;
    if (entry.isSymbolicLink()) lines.push(`${name} -> ${await readlink(path)}`);
    else if (entry.isFile())
      lines.push(
        `${name} ${(await stat(path)).mode & 0o100} ${createHash("sha256")
          .update(await readFile(path))
          .digest("hex")}`,
      );
  }
  return lines.sort();
}

test("push, push again and pull end with the promised object, and the pulled tree is the pushed one", async () => {
  const tree = await makeTree("tree", 70 * MiB);
  const first = await run(["push", tree, "team/model", "--json", "-m", "base", "--label", "step=1"]);
  assert.equal(first.exit, 0, first.stderr);
  const pushed = JSON.parse(first.stdout);
  const keys = ["repository", "ref", "revision", "files", "bytesTotal", "bytesSent", "chunksTotal", "chunksSent", "seconds"];
  assert.deepEqual(Object.keys(pushed), keys);
  assert.deepEqual([pushed.repository, pushed.ref, pushed.files], ["team/model", "main", 5]);
  assert.match(pushed.revision, /^[0-9a-f]{40}$/);
  assert.ok(pushed.bytesSent > 10 * KiB && pushed.chunksSent > 2);

  const second = JSON.parse((await run(["push", tree, "team/model@main", "--json", "--parent", pushed.revision])).stdout);
  assert.deepEqual([second.bytesSent, second.chunksSent], [0, 0]);

  const destination = join(root, "pulled");
  const third = await run(["pull", `team/model@${pushed.revision}`, destination, "--json"]);
  assert.equal(third.exit, 0, third.stderr);
  const pulled = JSON.parse(third.stdout);
  assert.deepEqual(
    Object.keys(pulled),
    keys.map((key) => key.replace("Sent", "Received")),
  );
  assert.equal(pulled.revision, pushed.revision);
  assert.deepEqual(await described(destination), await described(tree));
  assert.equal(JSON.parse((await run(["pull", "team/model", destination, "--json"])).stdout).bytesReceived, 0);
});

test("without --json, a push ends with name@revision and a pull with its directory; --quiet leaves standard error empty", async () => {
  const tree = await makeTree("plain");
  const pushed = await run(["push", join(tree, "run.sh"), join(tree, "sub", "small.bin"), "team/two-files", "-q"]);
  assert.match(pushed.stdout, /^team\/two-files@[0-9a-f]{40}\n$/);
  const destination = join(root, "two");
  const pulled = await run(["pull", "team/two-files", destination]);
  assert.equal(pulled.stdout, `${destination}\n`);
  assert.match(pulled.stderr, /^pulled 2 files, /);
  assert.equal(pushed.stderr, "");
  assert.deepEqual((await readdir(destination)).filter((name) => !name.startsWith(".")).sort(), ["run.sh", "small.bin"]);
});

test("--include and --exclude choose files on both ways", async () => {
  const tree = await makeTree("chosen");
  assert.equal((await run(["push", tree, "team/chosen", "--exclude", "large.bin", "--exclude", "link"])).exit, 0);
  assert.equal((await run(["ls", "team/chosen"])).stdout, "empty\nrun.sh\nsub/small.bin\n");
  const destination = join(root, "chosen-pulled");
  assert.equal((await run(["pull", "team/chosen", destination, "--include", "sub"])).exit, 0);
  assert.deepEqual(
    (await described(destination)).map((line) => line.split(" ")[0]),
    ["sub/small.bin"],
  );
});

/** [what is wrong, command line, exit code, words] */
const FAILURES: [string, string[], number, RegExp][] = [
  ["a missing source", ["push", "/nonexistent/model", "team/base"], 7, /ferry: .*\/nonexistent\/model.*\nnext: /],
  [
    "a repository that must exist",
    ["push", ".", "team/nowhere", "--no-create", "--include", "package.json"],
    3,
    /no repository team\/nowhere/,
  ],
  ["a branch that moved", ["push", ".", "team/base", "--parent", "none", "--include", "package.json"], 5, /branch main moved/],
  ["an unknown ref", ["pull", "team/base@v9", "/nonexistent/dir"], 3, /no branch, tag or revision v9/],
  ["a destination that can't be made", ["pull", "team/base", `${import.meta.filename}/dir`], 7, /can't be written/],
  ["a bad pattern", ["push", ".", "team/base", "--include", ""], 2, /pattern/],
];

for (const [wrong, argv, exit, words] of FAILURES) {
  test(`${wrong} ends with ${exit} and two lines on standard error`, async () => {
    const ran = await run([...argv, "--quiet"]);
    assert.match(ran.stderr, words);
    assert.match(ran.stderr, /^ferry: .+\nnext: .+\n$/);
    assert.equal(ran.exit, exit);
    assert.equal(ran.stdout, "");
  });
}

test("an endpoint where nobody listens ends with 6", async () => {
  const ran = await run(["ls"], { env: { FERRY_ENDPOINT: "http://127.0.0.1:9" } });
  assert.equal(ran.exit, 6);
  assert.match(ran.stderr, /^ferry: http:\/\/127\.0\.0\.1:9 can't be reached: .+\nnext: .+\n$/);
});

for (const [signal, exit] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`${signal} stops a push cleanly with ${exit}; the same command goes on, and nothing was visible before`, async () => {
    const tree = await makeTree(`stopped-${signal}`);
    const repository = repositoryName(`team/stopped-${signal.toLowerCase()}`);
    const reached = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    gate = { reached: reached.resolve, open: open.promise };
    const running = run(["push", tree, repository], {
      onStart: async (child) => {
        await reached.promise;
        child.kill(signal);
      },
    });
    const ran = await running;
    open.resolve();
    gate = null;
    assert.equal(ran.exit, exit, ran.stderr);
    assert.match(ran.stderr, /^stopping .*\nferry: stopped\nnext: Run the same command again; it goes on where it stopped\.\n$/);
    assert.equal((await app.admin.call("describeRepository", { repository })).revisionCount, 0);
    assert.equal((await run(["push", tree, repository])).exit, 0);
    assert.equal((await app.admin.call("describeRepository", { repository })).revisionCount, 1);
  });
}

test("a reader that has seen enough ends the program without a word; a full disk does not", async () => {
  const piped = await run(["completion", "bash"], {
    command: ["bash", "-c", `"$0" "$@" | :; echo "\${PIPESTATUS[0]}"`, process.execPath, FERRY],
  });
  assert.deepEqual(piped, { exit: 0, stdout: "0\n", stderr: "" });
  const full = await run(["completion", "bash"], { command: ["bash", "-c", `"$0" "$@" >/dev/full`, process.execPath, FERRY] });
  assert.deepEqual(full, {
    exit: 7,
    stdout: "",
    stderr: "ferry: standard output can't be written: ENOSPC\nnext: Free space, or write it elsewhere.\n",
  });
});

test("no token and no signature is ever printed, and none stands in a URL of the API, whatever is asked and with FERRY_DEBUG=1", async () => {
  const tree = await makeTree("secret");
  const commands = [
    ["push", tree, "team/secret"],
    ["pull", "team/secret", join(root, "secret-pulled")],
    ["pull", "team/secret", `${import.meta.filename}/dir`],
    ["whoami"],
    ["show", "team/secret"],
    ["doctor", "team/secret", "--write"],
    ["tag", "team/secret", "v1"],
    ["diff", "team/secret", "v1", "main"],
    ["rm", "team/none", "--yes"],
    ["login", served.endpoint],
    ["logout"],
  ];
  for (const argv of commands) {
    const ran = await run(argv, { env: { FERRY_DEBUG: "1" } });
    const told = ran.stdout + ran.stderr;
    assert.match(told, /\S/, argv.join(" "));
    assert.ok(!told.includes(token.slice(3)), argv.join(" "));
    assert.doesNotMatch(told, /Signature=(?!\[)[0-9a-f]/, argv.join(" "));
  }
  assert.ok(served.requests.every((request) => !request.includes(token.slice(3))));
});

test("a token typed at a terminal is not echoed", { skip: (await hasScript()) ? false : "no `script` to make a terminal" }, async () => {
  const home = await mkdtemp(join(root, "typed-"));
  const shell = `'${process.execPath}' '${FERRY}' login ${served.endpoint}`;
  const typed: ProcessOptions = {
    command: ["script", "-qec", shell, "/dev/null"],
    env: { FERRY_TOKEN: "", HOME: home },
    // Typed when the question stands there: what comes earlier, the terminal itself would echo.
    onOutput: (child, output) => void (/Token for/.test(output) && child.stdin?.writable && child.stdin.end(`${token}\r`)),
  };
  const ran = await run([], typed);
  assert.match(ran.stdout, /Token for .*: \r?\n[\s\S]*Logged in to .* as Ada\./);
  assert.ok(!ran.stdout.includes(token));
  assert.equal(ran.exit, 0);
});

async function hasScript(): Promise<boolean> {
  const ran = await ferryProcess([], { command: ["bash", "-c", "script --version"] });
  return /util-linux/.test(ran.stdout);
}
