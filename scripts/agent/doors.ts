/** Further doors of the agent, each on a port of its own: started when the agent joins, closed when it drains. */
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FerryClient } from "../../shared/client.ts";
import { FerryError } from "../../shared/errors.ts";
import { fsProblem } from "../node/fs-errors.ts";
import type { ApiCatalog } from "./api-catalog.ts";
import type { ChunkAccess } from "./chunk-access.ts";
import type { Log } from "./log.ts";

/** What the agent gives to a door. */
export type DoorContext = {
  /** Speaks with the registry as the agent itself, which may pull everything: never on behalf of a caller. */
  client: FerryClient;
  /** Speaks with the registry as the caller whose token it is. */
  clientOf: (token: string) => FerryClient;
  /** What a caller may read, by his own token; bytes come by way of the cache. */
  catalogOf: (token: string) => ApiCatalog;
  chunks: ChunkAccess;
  /** Where the door may keep what is its own, on the cache's disk; made by whoever uses it. */
  folder: (name: string) => string;
  /** False: the Host header has a name that is not this machine's; a web page must not reach a door by a name that it controls. */
  isOurs: (request: IncomingMessage) => boolean;
  log: Log;
  /** Fires when the agent has drained. */
  signal: AbortSignal;
};

/** `active`: requests under way; the agent waits for them when it ends. `close`: what is to be done after the last one. */
export type OpenedDoor = { server: Server; active: () => number; metrics?: () => string; close?: () => Promise<void> };

/** `name`: in the log, such as `s3`. */
export type AgentDoor = {
  name: string;
  listen: { host: string; port: number } | string;
  open: (context: DoorContext) => Promise<OpenedDoor>;
};

const DRAIN_TICK_MS = 50;

export class Doors {
  readonly #opened: OpenedDoor[] = [];

  /** Throws USAGE_INVALID when it can't listen. */
  async open(doors: readonly AgentDoor[], context: DoorContext): Promise<void> {
    for (const { name, listen, open } of doors) {
      const door = await open(context);
      await listening(door.server, listen);
      this.#opened.push(door);
      context.log({ event: "door.listening", door: name, address: addressOf(door.server) });
    }
  }

  get active(): number {
    return this.#opened.reduce((sum, { active }) => sum + active(), 0);
  }

  metrics(): string {
    return this.#opened.map(({ metrics }) => metrics?.() ?? "").join("");
  }

  /** Takes no more; ends when what is under way has ended, or time is up. */
  async drain(endMs: number): Promise<void> {
    for (const { server } of this.#opened) {
      server.close();
      if ("closeIdleConnections" in server) (server as HttpServer).closeIdleConnections();
    }
    while (this.active > 0 && Date.now() < endMs) await delay(DRAIN_TICK_MS);
    for (const { server, close } of this.#opened) {
      if ("closeAllConnections" in server) (server as HttpServer).closeAllConnections();
      await close?.();
    }
  }
}

type HttpServer = Server & { closeIdleConnections(): void; closeAllConnections(): void };

/** Throws USAGE_INVALID. */
export function listening<S extends Server>(server: S, where: string | { host: string; port: number }): Promise<S> {
  return new Promise((resolve, reject) => {
    const named = typeof where === "string" ? where : `${where.host}:${where.port}`;
    server.once("error", (cause) => {
      reject(new FerryError("USAGE_INVALID", { problem: `the agent can't listen on ${named}: ${fsProblem(cause)}` }, { cause }));
    });
    server.listen(where, () => resolve(server));
  });
}

function addressOf(server: Server): string {
  const address = server.address();
  if (typeof address === "string" || address === null) return address ?? "";
  const { address: host, port, family }: AddressInfo = address;
  return family === "IPv6" ? `[${host}]:${port}` : `${host}:${port}`;
}
