/** An agent on this machine, and nginx beside it, as the bench starts them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Child, findProgram, logTail, startProgram } from "../stack/child.ts";
import { type Ferry, ferryCommand } from "./ours.ts";

export type RunningAgent = { child: Child; cache: string; socket: string; address: string };

const START_MS = 20_000;

/** @param folder on the disk where its cache is to be. @param more flags of its own */
export async function startAgent(ferry: Ferry, folder: string, more: readonly string[] = []): Promise<RunningAgent> {
  const cache = join(folder, "cache");
  const port = await freePort();
  const flags = [
    "agent",
    "--cache",
    cache,
    "--max-bytes",
    "1TB",
    "--keep-free",
    "1MiB",
    "--scrub",
    "0",
    "--listen",
    `127.0.0.1:${port}`,
    ...more,
  ];
  const { program, args, env } = ferryCommand(ferry, flags, { token: ferry.registry.token, home: folder });
  const child = await startProgram({
    name: "ferry agent",
    command: program,
    args: args.filter((arg) => arg !== "--quiet"),
    env: { ...env },
    logFile: join(folder, "agent.log"),
  });
  await ready(child, `http://127.0.0.1:${port}/readyz`);
  return { child, cache, socket: join(cache, "agent.sock"), address: `127.0.0.1:${port}` };
}

/** Serves the files of a folder as it does best: two workers, sendfile. Null when it is not installed. */
export async function startNginx(folder: string, root: string): Promise<{ child: Child; url: string } | null> {
  const nginx = findProgram("nginx", ["/usr/sbin"]);
  if (nginx === null) return null;
  const port = await freePort();
  mkdirSync(join(folder, "logs"), { recursive: true });
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; worker_processes 2; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 256; }
http {
  access_log off; sendfile on; sendfile_max_chunk 2m; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${port}; root ${root}; location = /ready { return 200; } }
}
`,
  );
  const child = await startProgram({
    name: "nginx",
    command: nginx,
    args: ["-p", folder, "-c", config],
    env: { PATH: process.env["PATH"] ?? "" },
    logFile: join(folder, "nginx.log"),
  });
  await ready(child, `http://127.0.0.1:${port}/ready`);
  return { child, url: `http://127.0.0.1:${port}` };
}

async function ready(child: Child, url: string): Promise<void> {
  const endMs = performance.now() + START_MS;
  while (!(await answers(url))) {
    if (performance.now() > endMs) throw new Error(`${child.name} does not start:\n${logTail(child.logFile)}`);
    await wait(50);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
