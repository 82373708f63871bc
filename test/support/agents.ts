/** A ring of real agents on this machine, each a process, with the app on memory ports behind a socket as their API and origin. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeKeyed } from "../../functions/keyed.ts";
import { FerryClient } from "../../shared/client.ts";
import { MiB } from "../../shared/units.ts";
import type { Pulled, PullOrder } from "./agent-puller.ts";
import { FERRY, passedOn } from "./ferry-process.ts";
import { type MemoryApp, memoryApp } from "./memory-app.ts";
import { type ServedApp, serveApp } from "./served-app.ts";
import { tempFolder } from "./trees.ts";

const PATIENCE_MS = 60_000;
/** Ten at once, on a machine that is busy. */
const START_MS = 180_000;

export type AgentProcess = {
  id: string;
  child: ChildProcess;
  cache: string;
  socket: string;
  /** Where it listens. */
  address: string;
  /** Lines of its log so far. */
  log: Record<string, unknown>[];
  metric(name: string): Promise<number>;
  /** Peak of its resident memory in bytes. */
  peakBytes(): number;
  end(signal: NodeJS.Signals): Promise<number | null>;
};

export type AgentOptions = { id: string; flags?: readonly string[]; cache?: string; env?: Record<string, string> };

export type AgentWorld = {
  app: MemoryApp;
  served: ServedApp;
  folder: string;
  token: string;
  client(): FerryClient;
  /** Starts an agent and waits until it listens. */
  start(options: AgentOptions): Promise<AgentProcess>;
  /** Until each of these sees so many in its ring. */
  joined(agents: readonly AgentProcess[], members: number): Promise<void>;
  /** In a process of its own, by way of the agent whose socket is given, or without one. */
  pull(
    order: Pick<PullOrder, "repository" | "destinations" | "socketPath" | "compareEach" | "expected" | "include">,
    /** A folder that the process does not see, as in another container. */
    hidden?: string,
  ): Promise<Pulled>;
  /** Kills those that run; the ring forgets them. */
  endAgents(): Promise<void>;
  stop(): Promise<void>;
};

/** @param secretByte of which the deployment's secret is made: another one is another deployment. */
export async function startAgentWorld(secretByte = 7): Promise<AgentWorld> {
  const keyed = await makeKeyed(new Uint8Array(32).fill(secretByte));
  const app = await memoryApp({ decorate: (ports) => ({ ...ports, keyed }) });
  // Tickets are of the days in which agents live.
  app.clock.advance(Date.now() - app.clock.now());
  const started = Date.now();
  let told = 0;
  const ticking = setInterval(() => {
    app.clock.advance(Date.now() - started - told);
    told = Date.now() - started;
  }, 200);
  const served = await serveApp(app);
  const folder = tempFolder();
  const { token } = await app.admin.call("createToken", {
    body: { name: "agent", scopes: [{ repositories: "*", actions: ["pull", "push", "tag"] }] },
  });
  const agents: AgentProcess[] = [];
  const endAgents = async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.end("SIGKILL")));
    app.indexes.boards.boards.clear();
  };
  const client = () => new FerryClient({ endpoint: served.endpoint, token, fetch, sleep: (ms) => wait(ms), random: Math.random });
  return {
    app,
    served,
    folder: folder.path,
    token,
    client,
    start: async (options) => {
      const env = { FERRY_ENDPOINT: served.endpoint, FERRY_TOKEN: token, FERRY_PLAIN_HTTP: "1" };
      const agent = await startAgent({
        ...options,
        cache: options.cache ?? join(folder.path, options.id),
        env: { ...env, ...options.env },
      });
      agents.push(agent);
      return agent;
    },
    joined: async (some, members) => {
      for (const agent of some)
        await until(async () => (await agent.metric("ferry_agent_ring_members")) === members, `${agent.id} to see ${members}`);
    },
    pull: (order, hidden) => {
      return pullInProcess({ ...order, endpoint: served.endpoint, token, cacheDir: join(folder.path, "engine") }, hidden);
    },
    endAgents,
    stop: async () => {
      clearInterval(ticking);
      await endAgents();
      await served.stop();
      folder.remove();
    },
  };
}

const PULLER = fileURLToPath(new URL("./agent-puller.ts", import.meta.url));

const HIDE = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"'];

async function pullInProcess(order: PullOrder, hidden: string | undefined): Promise<Pulled> {
  const puller = [process.execPath, PULLER, JSON.stringify(order)];
  const [program = "", ...args] = hidden === undefined ? puller : [...HIDE, hidden, ...puller];
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 64 * MiB });
  return JSON.parse(stdout) as Pulled;
}

export async function startAgent({ id, flags = [], cache = "", env = {} }: AgentOptions): Promise<AgentProcess> {
  const socket = join(cache, "agent.sock");
  const argv = [
    "agent",
    "--cache",
    cache,
    "--id",
    id,
    "--max-bytes",
    "10GiB",
    "--keep-free",
    "1MiB",
    "--listen",
    "127.0.0.1:0",
    "--scrub",
    "0",
    ...flags,
  ];
  const child = spawn(process.execPath, [FERRY, ...argv], { env: { ...passedOn(), HOME: cache, ...env }, stdio: "pipe" });
  const log: Record<string, unknown>[] = [];
  let [text, problem] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) log.push(JSON.parse(line) as Record<string, unknown>);
  });
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    problem += piece;
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const isStarted = async () => {
    if (child.exitCode !== null) throw new Error(`agent ${id} left with ${child.exitCode}: ${problem}`);
    return log.some(({ event }) => event === "agent.started");
  };
  await until(isStarted, `agent ${id} to start`, START_MS).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  const started = log.find(({ event }) => event === "agent.started");
  // What it tells others may be somebody else's address; it listens on its own.
  const address = String(log.find(({ event }) => event === "agent.listening")?.["address"] ?? started?.["address"]);
  return {
    id,
    child,
    cache,
    socket,
    address,
    log,
    metric: async (name) => metricIn(await (await fetch(`http://${address}/metrics`)).text(), name),
    peakBytes: () => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0),
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

/** @param name with its labels, as it is printed. */
function metricIn(text: string, name: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  if (line === undefined) throw new Error(`there is no ${name}`);
  return Number(line.slice(name.length + 1));
}

export async function until(isSo: () => Promise<boolean>, what: string, patienceMs = PATIENCE_MS): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
    await wait(10);
  }
}
