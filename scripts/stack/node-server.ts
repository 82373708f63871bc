/** The same app on Node: functions/server.ts as a child process. */

import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Child, logTail, startNode } from "./child.ts";
import { ensureConsole } from "./console-files.ts";
import { freePort, isPortFree } from "./ports.ts";
import { StackProblem } from "./problem.ts";

export type NodeServerOptions = {
  home: string;
  vars: Record<string, string>;
  redisUrl: string;
  /** Left out: any free port. */
  port?: number;
  /** Left out: functions/server.ts of this repository. */
  file?: string;
};

export type NodeServer = { url: string; port: number; child: Child; stop(): Promise<void> };

const READY_TIMEOUT_MS = 30_000;

/** Starts it and waits until it takes connections. Throws StackProblem. */
export async function startNodeServer(options: NodeServerOptions): Promise<NodeServer> {
  const port = options.port ?? (await freePort());
  if (!(await isPortFree(port))) throw new StackProblem(`port ${port} (the Node server) is taken`);
  await ensureConsole();
  const { child } = await startNode({
    name: "the Node server",
    args: [
      "--import",
      new URL("end-with-parent.ts", import.meta.url).href,
      options.file ?? fileURLToPath(new URL("../../functions/server.ts", import.meta.url)),
    ],
    logFile: join(options.home, "logs", "server.log"),
    env: { ...process.env, ...options.vars, PORT: String(port), HOST: "127.0.0.1", REDIS_URL: options.redisUrl },
  });
  try {
    await untilConnectable(port, child);
  } catch (error) {
    await child.kill();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, port, child, stop: () => child.stop() };
}

async function untilConnectable(port: number, child: Child): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  const ended = child.exited.then((how) => {
    throw new StackProblem(`${child.name} did not start (${how}):\n${logTail(child.logFile)}`);
  });
  try {
    while (!(await Promise.race([isConnectable(port), ended]))) {
      if (Date.now() > deadline)
        throw new StackProblem(`${child.name} was not ready in ${READY_TIMEOUT_MS / 1000} s; see ${child.logFile}`);
      await sleep(20);
    }
  } finally {
    ended.catch(() => {});
  }
}

function isConnectable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => socket.destroy());
    socket.once("error", () => resolve(false));
    socket.once("close", (failed) => resolve(!failed));
  });
}
