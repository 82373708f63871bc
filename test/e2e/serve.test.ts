import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { type Certificate, makeCertificate } from "../../scripts/bench/certificate.ts";
import { findProgram } from "../../scripts/stack/child.ts";
import { operationId } from "../support/memory-app.ts";
import { startTestStack, type TestStack, whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const SERVER = fileURLToPath(new URL("../../functions/server.ts", import.meta.url));
const skip = whyNoRedis() || (findProgram("openssl") === null ? "openssl is not installed, so there is no certificate" : false);

type Line = Record<string, unknown>;

describe("the Node server with several processes and TLS", { skip }, () => {
  const folder = tempFolder();
  const other = tempFolder();
  let stack: TestStack;
  let certificate: Certificate;
  let server: Served;
  before(async () => {
    stack = await startTestStack({ runtime: "node" });
    certificate = makeCertificate(folder.path);
    server = await Served.start({ ...environment(), PROCESSES: "3" }, 3);
  });
  after(async () => {
    await server?.end("SIGKILL");
    await stack?.stop();
    folder.remove();
    other.remove();
  });

  function environment(): Record<string, string> {
    return {
      ...stack.vars,
      REDIS_URL: stack.redis.url,
      PORT: "0",
      TLS_CERT_FILE: certificate.file,
      TLS_KEY_FILE: join(folder.path, "key.pem"),
    };
  }

  test("answers while one of them is killed, and another takes its place", { timeout: 30_000 }, async () => {
    const first = await server.lineWith("listening", 1);
    assert.equal(first["tls"], true);
    assert.match(await ask(server.port, head("GET", "/healthz")), /^HTTP\/1\.1 200 /);
    const [victim = 0] = await server.workerPids();
    process.kill(victim, "SIGKILL");
    const ended = await server.lineWith("process.ended", 1);
    assert.equal(ended["signal"], "SIGKILL");
    assert.match(await ask(server.port, head("GET", "/healthz")), /^HTTP\/1\.1 200 /);
    await server.lineWith("listening", 4);
    const now = await server.workerPids();
    assert.equal(now.length, 3);
    assert.ok(!now.includes(victim));
  });

  test("SIGHUP: the certificate is read anew, without a pause", { timeout: 30_000 }, async () => {
    const before = await fingerprint(server.port);
    makeCertificate(other.path);
    for (const name of ["key.pem", "certificate.pem"]) copyFileSync(join(other.path, name), join(folder.path, name));
    server.process.kill("SIGHUP");
    await server.lineWith("certificate.read", 3);
    assert.notEqual(await fingerprint(server.port), before);
  });

  test("SIGTERM: what is under way is answered, nobody else is let in, and it leaves with 0", { timeout: 60_000 }, async () => {
    const body = JSON.stringify({ repository: "serve/drained", operationId: operationId() });
    const socket = await open(server.port);
    const answer = text(socket);
    socket.write(head("POST", "/api/v1/repositories", { authorization: `Bearer ${stack.token}`, length: body.length }) + body.slice(0, 9));
    // Taken in by a process, which now waits for the rest.
    assert.match(await ask(server.port, head("GET", "/healthz")), /^HTTP\/1\.1 200 /);
    server.process.kill("SIGTERM");
    await server.lineWith("draining", 3);
    socket.write(body.slice(9));
    assert.match(await answer, /^HTTP\/1\.1 201 /);
    assert.equal(await server.exited, 0);
    await assert.rejects(open(server.port));
  });

  for (const [name, vars, problem] of [
    ["a certificate without its key", { TLS_KEY_FILE: "" }, /TLS_KEY_FILE/],
    ["a certificate that is not there", { TLS_CERT_FILE: "/nonexistent/cert.pem" }, /TLS_CERT_FILE: \/nonexistent\/cert\.pem: ENOENT/],
    ["too many processes", { PROCESSES: "1000" }, /PROCESSES/],
    ["a port that is none", { PORT: "seven" }, /PORT/],
    ["a secret that is too short", { FERRY_SECRET: "short" }, /FERRY_SECRET/],
  ] as const) {
    test(`does not start with ${name}, and says so`, async () => {
      const { exit, stderr } = await failedStart({ ...environment(), ...vars });
      assert.equal(exit, 1);
      assert.match(stderr, problem);
      assert.doesNotMatch(stderr, /\n\s+at /);
    });
  }
});

/** functions/server.ts as a process, and the lines that it logs. */
class Served {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #lines: Line[] = [];
  #wake: () => void = () => {};
  port = 0;

  private constructor(env: Record<string, string>) {
    this.process = spawn(process.execPath, [SERVER], {
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.exited = new Promise((resolve) => this.process.once("exit", (code) => resolve(code)));
    if (this.process.stdout === null) throw new Error("no output");
    createInterface(this.process.stdout).on("line", (line) => {
      this.#lines.push(JSON.parse(line) as Line);
      this.#wake();
    });
  }

  static async start(env: Record<string, string>, processes: number): Promise<Served> {
    const served = new Served(env);
    const line = await served.lineWith("listening", processes);
    served.port = Number(line["port"]);
    return served;
  }

  /** The `count`th line of an event, once it is there. */
  async lineWith(event: string, count: number): Promise<Line> {
    for (;;) {
      const found = this.#lines.filter((line) => line["event"] === event)[count - 1];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async workerPids(): Promise<number[]> {
    const { stdout } = spawn("pgrep", ["-P", String(this.process.pid)], { stdio: ["ignore", "pipe", "inherit"] });
    let pids = "";
    for await (const bytes of stdout) pids += String(bytes);
    return pids.split("\n").filter(Boolean).map(Number);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.process.kill(signal);
    await this.exited;
  }
}

function head(method: string, path: string, { authorization = "", length = 0 } = {}): string {
  const headers = ["host: localhost", "connection: close", "content-type: application/json", `content-length: ${length}`];
  if (authorization !== "") headers.push(`authorization: ${authorization}`);
  return `${method} ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`;
}

function open(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => resolve(socket));
    socket.once("error", reject);
  });
}

async function text(socket: TLSSocket): Promise<string> {
  let all = "";
  for await (const bytes of socket) all += String(bytes);
  return all;
}

async function ask(port: number, request: string): Promise<string> {
  const socket = await open(port);
  socket.write(request);
  return text(socket);
}

async function fingerprint(port: number): Promise<string> {
  const socket = await open(port);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

async function failedStart(env: Record<string, string>): Promise<{ exit: number | null; stderr: string }> {
  const child = spawn(process.execPath, [SERVER], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (bytes) => {
    stderr += String(bytes);
  });
  const exit = await new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  return { exit, stderr };
}
