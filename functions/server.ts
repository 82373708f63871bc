/**
 * The deployment unit for Node: the same app, with Redis by TCP (REDIS_URL) or REST. Settings come from the environment.
 * PORT (default 8787), HOST (default 127.0.0.1). SIGTERM and SIGINT: stops listening, lets requests end, then leaves.
 */
import process from "node:process";
import { type ServerType, serve } from "@hono/node-server";
import { FerryError, problemOf } from "../shared/errors.ts";
import { createApp } from "./app.ts";
import { type Config, parseConfig } from "./config.ts";
import { connect, realWorld } from "./connect.ts";
import type { Services } from "./http/edge.ts";
import { onMinute } from "./jobs/cron.ts";
import type { RedisCommands } from "./metadata/commands.ts";
import { upstashCommands } from "./metadata/upstash.ts";
import { clientAddress } from "./node/client-address.ts";
import { nodeHasher } from "./node/hasher.ts";
import { tcpCommands } from "./node/redis-tcp.ts";

const REDIS_TIMEOUT_MS = 10_000;
const DRAIN_MS = 25_000;
const MINUTE_MS = 60_000;

function log(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const redis = redisOf(config);
  const services = await connect(config, redis.commands, realWorld(log, nodeHasher));
  const app = createApp(() => services, clientAddress(config.proxies));
  const port = Number(process.env["PORT"] ?? 8787);
  const hostname = process.env["HOST"] ?? "127.0.0.1";
  const server = serve({ fetch: app.fetch, port, hostname }, (info) => log({ event: "listening", host: hostname, port: info.port }));
  const minute = setInterval(
    () => void onMinute(services).catch((error: unknown) => log({ event: "cron.failed", problem: problemOf(error) })),
    MINUTE_MS,
  );
  minute.unref();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void leave(server, services, redis.close));
}

function redisOf({ redis }: Config): { commands: RedisCommands; close: () => void } {
  if (redis.kind === "tcp") {
    const commands = tcpCommands({ url: redis.url, timeoutMs: REDIS_TIMEOUT_MS });
    return { commands, close: () => commands.close() };
  }
  return { commands: upstashCommands({ url: redis.url, token: redis.token, timeoutMs: REDIS_TIMEOUT_MS }), close: () => {} };
}

async function leave(server: ServerType, services: Services, closeRedis: () => void): Promise<void> {
  log({ event: "draining" });
  setTimeout(() => process.exit(1), DRAIN_MS).unref();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    if ("closeIdleConnections" in server) server.closeIdleConnections();
  });
  await services.audit.flush().catch(() => log({ event: "audit.failed" }));
  closeRedis();
  process.exit(0);
}

main().catch((error: unknown) => {
  const problem = error instanceof FerryError ? error.message : "it can't start";
  process.stderr.write(`modelferry: ${problem}\n`);
  process.exit(1);
});
