/** A real redis-server as a child process: loopback only, with a password, every write in its append-only file. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, logTail, startProgram } from "./child.ts";
import { freePort } from "./ports.ts";
import { StackProblem } from "./problem.ts";
import { RedisConnection } from "./redis-connection.ts";
import { findRedisServer } from "./redis-install.ts";
import { Status } from "./resp.ts";

export type RedisOptions = {
  /** Its data and settings live in `home`/redis. */
  home: string;
  /** Left out: any free port. */
  port?: number;
  /** Left out: a random one. */
  password?: string;
};

export type Redis = { url: string; port: number; password: string; child: Child; stop(): Promise<void> };

const LOADING_TIMEOUT_MS = 60_000;
const PORT_ATTEMPTS = 3;

/** Starts it and waits until it answers, its data loaded. Throws StackProblem. */
export async function startRedis(options: RedisOptions): Promise<Redis> {
  const password = options.password ?? randomBytes(24).toString("base64url");
  if (options.port !== undefined) return startOn(options.port, password, options.home);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), password, options.home);
    } catch (error) {
      if (attempt >= PORT_ATTEMPTS) throw error;
    }
  }
}

async function startOn(port: number, password: string, home: string): Promise<Redis> {
  const folder = join(home, "redis");
  mkdirSync(folder, { recursive: true });
  const settings = join(folder, "redis.conf");
  // In a file, not among the arguments: the password would stand in the list of processes.
  writeFileSync(settings, settingsOf(port, password, folder), { mode: 0o600 });
  const child = await startProgram({
    name: "redis-server",
    command: findRedisServer(),
    args: [settings],
    logFile: join(home, "logs", "redis.log"),
  });
  const url = `redis://:${password}@127.0.0.1:${port}`;
  try {
    await untilReady(url, child);
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { url, port, password, child, stop: () => child.stop() };
}

function settingsOf(port: number, password: string, folder: string): string {
  const settings = {
    bind: "127.0.0.1",
    port,
    requirepass: password,
    dir: JSON.stringify(folder),
    appendonly: "yes",
    appendfsync: "everysec",
    // The append-only file is all there is to load; snapshots beside it would only cost.
    save: '""',
    "maxmemory-policy": "noeviction",
    daemonize: "no",
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join("\n")}\n`;
}

/** Our password works, so it is our server that answers; the reply is no error, so its data is loaded. */
async function untilReady(url: string, child: Child): Promise<void> {
  const redis = new RedisConnection({ url });
  const deadline = Date.now() + LOADING_TIMEOUT_MS;
  const ended = child.exited.then((how) => {
    throw new StackProblem(`redis-server did not start (${how}):\n${logTail(child.logFile)}`);
  });
  try {
    while (!(await Promise.race([isReady(redis), ended]))) {
      if (Date.now() > deadline)
        throw new StackProblem(`redis-server was not ready in ${LOADING_TIMEOUT_MS / 1000} s; see ${child.logFile}`);
      await sleep(15);
    }
  } finally {
    ended.catch(() => {});
    redis.close();
  }
}

async function isReady(redis: RedisConnection): Promise<boolean> {
  const [reply] = await redis.send([["PING"]]).catch(() => []);
  return reply instanceof Status;
}
