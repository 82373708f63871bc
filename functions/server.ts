/**
 * The deployment unit for Node: the same app, with Redis by TCP (REDIS_URL) or REST. Settings come from the environment: those of
 * config.ts, PORT (default 8787), HOST (default 127.0.0.1), PROCESSES (default 1), TLS_CERT_FILE with TLS_KEY_FILE.
 * SIGTERM and SIGINT: stops listening, lets requests end, then leaves. SIGHUP: reads the certificate anew.
 */
import cluster from "node:cluster";
import { createServer } from "node:https";
import process from "node:process";
import { type ServerType, serve } from "@hono/node-server";
import { FerryError, problemOf } from "../shared/errors.ts";
import { createApp } from "./app.ts";
import { type Config, parseConfig } from "./config.ts";
import { connect, realWorld } from "./connect.ts";
import { directly } from "./doors/directly.ts";
import { withReading } from "./doors/registry-reading.ts";
import type { Services } from "./http/edge.ts";
import { onMinute } from "./jobs/cron.ts";
import type { RedisCommands } from "./metadata/commands.ts";
import { upstashCommands } from "./metadata/upstash.ts";
import { clientAddress } from "./node/client-address.ts";
import { withConsole } from "./node/console.ts";
import { nodeDigests } from "./node/digests.ts";
import { nodeHasher } from "./node/hasher.ts";
import { type Listening, parseListening, readTls } from "./node/listening.ts";
import { nodeOutbound } from "./node/outbound.ts";
import { ringsBell, runProcesses } from "./node/processes.ts";
import { parseReading } from "./node/reading.ts";
import { tcpCommands } from "./node/redis-tcp.ts";
import { storeFetch } from "./node/store-fetch.ts";

const REDIS_TIMEOUT_MS = 10_000;
const DRAIN_MS = 25_000;
const MINUTE_MS = 60_000;

function log(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const listening = parseListening(process.env);
  if (listening.tls !== null) readTls(listening.tls);
  if (listening.processes > 1 && cluster.isPrimary) return runProcesses(listening.processes, log);
  const redis = redisOf(config);
  const services = await connect(
    config,
    redis.commands,
    realWorld(log, nodeHasher, nodeOutbound, { digests: nodeDigests, fetch: storeFetch() }),
  );
  const app = createApp(() => services, clientAddress(config.proxies));
  const server = listen(directly(withReading(app, withConsole(app.fetch), parseReading(process.env))), listening);
  if (ringsBell()) ringBell(services);
  let leaving = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (!leaving) void leave(server, services, redis.close);
      leaving = true;
    });
  }
}

function listen(fetch: Parameters<typeof serve>[0]["fetch"], { host, port, tls }: Listening): ServerType {
  const onListening = (info: { port: number }) => log({ event: "listening", host, port: info.port, tls: tls !== null });
  if (tls === null) return serve({ fetch, port, hostname: host }, onListening);
  const server = serve({ fetch, port, hostname: host, createServer, serverOptions: readTls(tls) }, onListening);
  process.on("SIGHUP", () => {
    try {
      if ("setSecureContext" in server) server.setSecureContext(readTls(tls));
      log({ event: "certificate.read" });
    } catch (error) {
      log({ event: "certificate.failed", problem: problemOf(error) });
    }
  });
  return server;
}

function ringBell(services: Services): void {
  const ring = () => void onMinute(services).catch((error: unknown) => log({ event: "cron.failed", problem: problemOf(error) }));
  setInterval(ring, MINUTE_MS).unref();
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
  await services.tally.flush().catch(() => log({ event: "counters.failed" }));
  closeRedis();
  process.exit(0);
}

main().catch((error: unknown) => {
  const problem = error instanceof FerryError ? error.message : "it can't start";
  process.stderr.write(`modelferry: ${problem}\n`);
  process.exit(1);
});
