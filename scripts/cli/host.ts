/** The process as the commands see it: streams, environment, network, time. Tests give another one. */
import { isIP } from "node:net";
import { homedir } from "node:os";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Answered, Call } from "../../shared/client.ts";
import { Caller } from "../node/caller.ts";
import { Interrupted } from "./exit.ts";

export type OutStream = { write(text: string): void; readonly isTTY: boolean; readonly columns: number };

export type Certificate = { protocol: string; validUntilMs: number };

export type Host = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  /** Where Kubernetes puts an identity token for modelferry, when a pod asks for one (docs/security.md). */
  readonly projectedTokenPath: string;
  readonly stdout: OutStream;
  readonly stderr: OutStream;
  /** Whether a person sits there and can be asked. */
  readonly interactive: boolean;
  /** Asks on standard error and reads one line; `secret` does not echo it. Throws Interrupted on Ctrl-C. */
  ask(question: string, how?: { secret: boolean }): Promise<string>;
  /** All of standard input. */
  readInput(): Promise<string>;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** One call of the API: as fetch, with what of it such calls need. */
  call(url: string, call: Call): Promise<Answered>;
  /** What a TLS server shows, when this machine trusts it. */
  certificate(hostname: string, port: number, timeoutMs: number): Promise<Certificate>;
  /** Milliseconds since 1970. */
  now(): number;
  /** 0 to 1. */
  random(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `tick` every `ms`, until the returned function is called. Keeps no process alive. */
  every(ms: number, tick: () => void): () => void;
  /** Fires with Interrupted as its reason when the person or the system wants an end. */
  readonly signal: AbortSignal;
};

/** The host that is this process. */
export function processHost(signal: AbortSignal): Host {
  return {
    env: process.env,
    homeDirectory: homedir(),
    projectedTokenPath: "/var/run/secrets/modelferry/token",
    stdout: outStream(process.stdout),
    stderr: outStream(process.stderr),
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    ask,
    readInput,
    fetch: (url, init) => fetch(url, init),
    call: new Caller(process.env).call,
    certificate,
    now: () => Date.now(),
    random: () => Math.random(),
    sleep: async (ms, stop) => void (await delay(ms, undefined, stop === undefined ? {} : { signal: stop })),
    every: (ms, tick) => {
      const timer = setInterval(tick, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
    signal,
  };
}

function outStream(stream: NodeJS.WriteStream): OutStream {
  return {
    write: (text) => void stream.write(text),
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

function ask(question: string, how = { secret: false }): Promise<string> {
  // readline echoes what is typed to its output, so a secret is typed to an output that drops everything.
  const output = how.secret ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr;
  const lines = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY === true });
  // Asked only now that the terminal itself echoes nothing any more.
  if (how.secret) process.stderr.write(question);
  else lines.setPrompt(question);
  lines.prompt();
  return new Promise((resolve, reject) => {
    let answer = "";
    lines.on("SIGINT", () => {
      if (!how.secret) process.stderr.write("\n");
      reject(new Interrupted("SIGINT"));
      lines.close();
    });
    lines.once("line", (line) => {
      answer = line;
      lines.close();
    });
    lines.once("close", () => {
      if (how.secret) process.stderr.write("\n");
      resolve(answer);
    });
  });
}

async function readInput(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const piece of process.stdin) text += String(piece);
  return text;
}

/** @param hostname as URL has it; IPv6 in brackets. */
async function certificate(hostname: string, port: number, timeoutMs: number): Promise<Certificate> {
  // Loaded here alone: half of the commands never speak TLS in this thread, and it is a sixth of an empty program.
  const { connect } = await import("node:tls");
  const host = hostname.replace(/^\[|\]$/g, "");
  // The name of a server must not be an address.
  const servername = isIP(host) === 0 ? host : "";
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername, timeout: timeoutMs }, () => {
      resolve({ protocol: socket.getProtocol() ?? "TLS", validUntilMs: Date.parse(socket.getPeerCertificate().valid_to) });
      socket.destroy();
    });
    socket.once("timeout", () => socket.destroy(new Error("the TLS handshake takes too long")));
    socket.once("error", reject);
  });
}
