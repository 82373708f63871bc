/** `npm start` and `npm stop` as people and scripts use them, each in a temporary home on free ports. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { freePort } from "../../scripts/stack/ports.ts";
import { beganAt } from "../../scripts/stack/running.ts";
import { whyNoRedis } from "../support/stack.ts";

const BOOTSTRAP = fileURLToPath(new URL("../../scripts/bootstrap.mjs", import.meta.url));
const Note = z.object({ supervisor: z.object({ pid: z.number() }), children: z.array(z.object({ name: z.string(), pid: z.number() })) });
const GONE_TIMEOUT_MS = 15_000;

describe("the local stack", { skip: whyNoRedis() }, () => {
  const homes: string[] = [];
  after(async () => {
    for (const home of homes) await npm("stop", home);
    for (const home of homes) rmSync(home, { recursive: true, force: true });
  });

  test("two run side by side; one stops without a process left while the other goes on; started again it has its data", async () => {
    const [first, second] = [newHome(), newHome()];
    const started = await Promise.all([npm("start", first, "--detach"), npm("start", second, "--detach")]);
    for (const { code, stdout } of started) {
      assert.equal(code, 0);
      assert.match(stdout, /URL +http:\/\/127\.0\.0\.1:\d+\n +Token +hf_[0-9A-Za-z]{36}/);
      assert.equal(stdout.match(/^ {2}(?:set -a|npx ferry).*$/gm)?.length, 3);
    }
    const env = envOf(first);
    assert.notEqual(env.FERRY_ENDPOINT, envOf(second).FERRY_ENDPOINT);
    assert.equal(statSync(join(first, "dev.env")).mode & 0o777, 0o600);
    assert.equal((await call(env, "POST", "/api/v1/repositories", { repository: "team/kept", operationId: randomUUID() })).status, 201);

    const pids = processesOf(first);
    assert.equal((await npm("stop", first)).code, 0);
    assert.deepEqual(pids.filter(isRunning), []);
    assert.equal((await call(envOf(second), "GET", "/api/v1/whoami")).status, 200);

    assert.equal((await npm("start", first, "--detach")).code, 0);
    assert.equal(envOf(first).FERRY_TOKEN, env.FERRY_TOKEN);
    assert.equal((await call(envOf(first), "GET", "/api/v1/repositories/team/kept")).status, 200);
    assert.match((await npm("start", first)).stdout, /It was running already/);
  });

  test("a stack whose supervisor was killed leaves no process and can be started again; a part that dies ends it, and the log names it", async () => {
    const home = newHome();
    assert.equal((await npm("start", home, "--detach")).code, 0);
    const killed = processesOf(home);
    process.kill(noteOf(home).supervisor.pid, "SIGKILL");
    await gone(killed);
    assert.equal((await npm("stop", home)).stdout, "Nothing was running.\n");

    assert.equal((await npm("start", home, "--detach")).code, 0);
    const pids = processesOf(home);
    const redis = noteOf(home).children.find((child) => child.name === "redis-server");
    assert.ok(redis !== undefined);
    process.kill(redis.pid, "SIGKILL");
    await gone(pids);
    assert.match(readFileSync(join(home, "logs", "stack.log"), "utf8"), /redis-server ended by itself \(signal SIGKILL\)/);
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    test(`in the foreground, ${signal} to the command ends every process`, async () => {
      const home = newHome();
      const command = launch("start", home);
      await untilPrinted(command, "modelferry is ready");
      const pids = processesOf(home);
      command.kill(signal);
      const [code] = await once(command, "exit");
      assert.equal(code, signal === "SIGINT" ? 0 : null);
      await gone(pids);
    });
  }

  test("a port that is taken is named, with what to do, and nothing is left running", async () => {
    const port = await freePort();
    const squatter = createServer().listen(port, "127.0.0.1");
    await once(squatter, "listening");
    const home = newHome();
    for (const args of [[], ["--detach"]]) {
      const { code, stderr } = await npm("start", home, ...args, { FERRY_DEV_PORT: String(port) });
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^Ports? ${port} \\(the app\\).* taken by another program\\. .*FERRY_DEV_PORT`));
    }
    assert.equal((await npm("stop", home)).stdout, "Nothing was running.\n");
    squatter.close();
  });

  function newHome(): string {
    const home = mkdtempSync(join(tmpdir(), "ferry-home-"));
    homes.push(home);
    return home;
  }
});

function launch(command: "start" | "stop", home: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [BOOTSTRAP, command, ...args], {
    env: { ...process.env, FERRY_DEV_PORT: "0", FERRY_DEV_HOME: home, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
}

/** @param rest flags, and at last more environment. */
async function npm(command: "start" | "stop", home: string, ...rest: (string | NodeJS.ProcessEnv)[]) {
  const args = rest.filter((word) => typeof word === "string");
  const child = launch(command, home, args, Object.assign({}, ...rest.filter((word) => typeof word === "object")));
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, ...output };
}

async function untilPrinted(child: ChildProcess, words: string): Promise<void> {
  let printed = "";
  for await (const text of child.stdout?.setEncoding("utf8").iterator({ destroyOnReturn: false }) ?? []) {
    printed += text;
    if (printed.includes(words)) return;
  }
  assert.fail(`it ended after printing: ${printed}`);
}

function envOf(home: string): { FERRY_ENDPOINT: string; FERRY_TOKEN: string } {
  const lines = readFileSync(join(home, "dev.env"), "utf8").trim().split("\n");
  return z
    .strictObject({ FERRY_ENDPOINT: z.url(), FERRY_TOKEN: z.string() })
    .parse(Object.fromEntries(lines.map((line) => line.split("=", 2))));
}

function noteOf(home: string): z.infer<typeof Note> {
  return Note.parse(JSON.parse(readFileSync(join(home, "stack.json"), "utf8")));
}

/** The supervisor's first, then its children's. */
function processesOf(home: string): number[] {
  const note = noteOf(home);
  return [note.supervisor.pid, ...note.children.map((child) => child.pid)];
}

function isRunning(pid: number): boolean {
  return beganAt(pid) !== null;
}

async function gone(pids: readonly number[]): Promise<void> {
  const deadline = Date.now() + GONE_TIMEOUT_MS;
  while (pids.some(isRunning) && Date.now() < deadline) await sleep(50);
  assert.deepEqual(pids.filter(isRunning), []);
}

function call(env: { FERRY_ENDPOINT: string; FERRY_TOKEN: string }, method: string, path: string, body?: object): Promise<Response> {
  return fetch(env.FERRY_ENDPOINT + path, {
    method,
    headers: { authorization: `Bearer ${env.FERRY_TOKEN}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
