/** The node agent: its parts, put together, from the first beat to the drain. */
import { chmodSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import type { FerryClient } from "../shared/client.ts";
import type { AgentDescription } from "../shared/contract/agents.ts";
import type { ImportRule } from "../shared/contract/imports.ts";
import type { StoreId } from "../shared/names.ts";
import { ApiCatalog, CatalogMemory } from "./agent/api-catalog.ts";
import { Bringer } from "./agent/bring.ts";
import { Cache } from "./agent/cache.ts";
import { ChunkAccess } from "./agent/chunk-access.ts";
import { Door } from "./agent/door.ts";
import { type AgentDoor, type DoorContext, Doors, listening } from "./agent/doors.ts";
import { keepExecuting } from "./agent/executing.ts";
import { keepImporting } from "./agent/importing.ts";
import type { Log } from "./agent/log.ts";
import { Membership } from "./agent/membership.ts";
import { metricsText } from "./agent/metrics.ts";
import { type Cluster, NodeLabels } from "./agent/node-labels.ts";
import { Origin } from "./agent/origin.ts";
import { Peers } from "./agent/peers.ts";
import { Scrub } from "./agent/scrub.ts";
import { Uncached } from "./agent/uncached.ts";
import { WarmTasks } from "./agent/warm.ts";
import { MACHINE } from "./node/machine.ts";
import { makeTransport } from "./node/transports.ts";

export type AgentSettings = {
  client: FerryClient;
  version: string;
  group: string;
  id: string;
  zone: string;
  weight: number;
  labels: Record<string, string>;
  cache: string;
  maxBytes: number;
  maxAgeSeconds: number;
  keepFreeBytes: number;
  anySystem: boolean;
  /** For peers and pods without the socket; null: this agent only takes. */
  listen: { host: string; port: number } | null;
  /** Where peers reach it, when that is not the address it listens on. */
  advertise: string | null;
  socket: string | null;
  originWidth: number;
  scrubPercentPerDay: number;
  /** Stores that it copies into, as replication's tasks say; chunks at once. */
  execute?: { stores: readonly StoreId[]; parallel: number };
  /** What it imports when the deployment is asked for that, and where the keys for it stand. */
  imports?: { rules: readonly ImportRule[]; env: Readonly<Record<string, string | undefined>> };
  /** Whose Node is told what is ready here; null: nobody. */
  cluster: Cluster | null;
  /** Beside the agent's own. */
  doors: readonly AgentDoor[];
  /** Speaks with the registry as somebody whose token came through a door. */
  clientOf: (token: string) => FerryClient;
};

const TIDY_MS = 60_000;
const DRAIN_MS = 20_000;
const STALL_SECONDS = 20;

/** Runs until `signal` fires, then drains. Throws AGENT_CACHE_UNFIT, AGENT_CACHE_BUSY, USAGE_INVALID. @param onListening told once of the address. */
export async function runAgent(
  settings: AgentSettings,
  { log, signal, onListening }: { log: Log; signal: AbortSignal; onListening?: (address: string) => void },
): Promise<void> {
  const { maxBytes, keepFreeBytes, anySystem } = settings;
  const limits = { maxBytes, keepFreeBytes, anySystem, maxAgeMs: settings.maxAgeSeconds * 1000 };
  const cache = await Cache.open(settings.cache, { ...limits, nowMs: Date.now });
  const work = new AbortController();
  try {
    const agent = await Agent.make(settings, { cache, log, signal: work.signal });
    await agent.run(signal, onListening ?? (() => {}));
  } finally {
    work.abort(new Error("the agent ends"));
    cache.close();
  }
}

class Agent {
  readonly #settings: AgentSettings;
  readonly #cache: Cache;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #peers = new Peers(Date.now);
  readonly #membership: Membership;
  readonly #bringer: Bringer;
  readonly #warm: WarmTasks;
  readonly #scrub: Scrub;
  readonly #transport: Awaited<ReturnType<typeof makeTransport>>;
  readonly #origin: Origin;
  readonly #doors = new Doors();
  readonly #memory = new CatalogMemory(Date.now);
  #address = "";
  #isDraining = false;

  private constructor(
    settings: AgentSettings,
    { cache, log, signal }: { cache: Cache; log: Log; signal: AbortSignal },
    transport: Awaited<ReturnType<typeof makeTransport>>,
  ) {
    this.#settings = settings;
    this.#cache = cache;
    this.#log = log;
    this.#signal = signal;
    this.#transport = transport;
    const { client, group, id, zone, originWidth } = settings;
    const { sleep, random } = MACHINE;
    const ring = () => ({ ring: this.#membership.ring, self: { id, zone } });
    const common = { client, sleep, random, clockMs: Date.now, log, signal };
    this.#membership = new Membership({
      ...common,
      group,
      describe: () => this.#describe(),
      reports: () => this.#warm.reports(),
      onTasks: (tasks) => this.#warm.take(tasks),
    });
    const ticket = (wanted: Parameters<Membership["ticket"]>[0]) => this.#membership.ticket(wanted);
    const origin = new Origin(client, signal);
    this.#origin = origin;
    this.#bringer = new Bringer({
      ...common,
      cache,
      peers: this.#peers,
      origin,
      transport,
      ring,
      ticket,
      progress: askProgress,
      originWidth,
      nowMs: Date.now,
    });
    this.#warm = new WarmTasks({ ...common, cache, bringer: this.#bringer, ring, machine: MACHINE });
    this.#scrub = new Scrub(cache, log);
  }

  static async make(settings: AgentSettings, parts: { cache: Cache; log: Log; signal: AbortSignal }): Promise<Agent> {
    const connections = 4 * settings.originWidth;
    const transport = await makeTransport({ kind: "raw", connections, stallSeconds: STALL_SECONDS, bandwidthBytesPerSecond: undefined });
    return new Agent(settings, parts, transport);
  }

  async run(stop: AbortSignal, onListening: (address: string) => void): Promise<void> {
    const door = this.#door();
    const servers = await this.#listen(door);
    await this.#doors.open(this.#settings.doors, this.#context(door));
    const { chunks, bytes } = this.#cache.counts;
    this.#log({ event: "agent.started", id: this.#settings.id, address: this.#address, cache: this.#cache.folder.path, chunks, bytes });
    const tidying = setInterval(() => this.#cache.tidy(), TIDY_MS);
    tidying.unref();
    const beating = new AbortController();
    const members = this.#membership.run();
    const ending = AbortSignal.any([this.#signal, beating.signal]);
    const scrubbing = this.#scrub.run(this.#settings.scrubPercentPerDay, MACHINE.sleep, ending);
    const executing = Promise.all([this.#execute(ending), this.#import(ending)]);
    const labelling = this.#label(AbortSignal.any([this.#signal, beating.signal]));
    onListening(this.#address);
    await new Promise<void>((resolve) => (stop.aborted ? resolve() : stop.addEventListener("abort", () => resolve(), { once: true })));
    clearInterval(tidying);
    beating.abort();
    await this.#drain(door, servers);
    void members;
    await Promise.all([scrubbing, labelling]);
    await executing;
    await this.#transport.close();
  }

  /** What is on its way when it ends is given to another executor. */
  #execute(signal: AbortSignal): Promise<void> {
    const { client, id, execute = { stores: [], parallel: 1 } } = this.#settings;
    return keepExecuting({ client, executor: id.slice(0, 64), log: this.#log, signal, ...execute });
  }

  #import(signal: AbortSignal): Promise<void> {
    const { client, id, imports = { rules: [], env: {} } } = this.#settings;
    const folder = join(this.#cache.folder.path, "import");
    return keepImporting({ client, executor: id.slice(0, 64), folder, log: this.#log, signal, ...imports });
  }

  async #label(signal: AbortSignal): Promise<void> {
    const { cluster } = this.#settings;
    if (cluster !== null) await new NodeLabels(cluster, () => this.#warm.ready(), this.#log).run(MACHINE.sleep, signal);
  }

  /** Says that it goes, so that others ask elsewhere; ends what is under way; then closes. */
  async #drain(door: Door, servers: readonly Server[]): Promise<void> {
    this.#isDraining = true;
    this.#log({ event: "agent.draining", sending: door.sending + this.#doors.active });
    await this.#membership.leave();
    for (const server of servers) {
      server.close();
      server.closeIdleConnections();
    }
    const endMs = Date.now() + DRAIN_MS;
    await this.#doors.drain(endMs);
    while (door.sending > 0 && Date.now() < endMs) await delay(50);
    for (const server of servers) server.closeAllConnections();
    if (this.#settings.socket !== null) rmSync(this.#settings.socket, { force: true });
    this.#log({ event: "agent.stopped", sending: door.sending });
  }

  #door(): Door {
    const { advertise, id } = this.#settings;
    const hosts = [id, ...(advertise === null ? [] : [advertise.replace(/:\d+$/, "")])];
    const door: Door = new Door({
      cache: this.#cache,
      bringer: this.#bringer,
      ticketProblem: (question) => this.#membership.ticketProblem(question.ticket, question),
      about: () => ({ ...this.#describe(), group: this.#settings.group, folder: this.#cache.folder.path }),
      metrics: () => this.#metrics(door),
      isReady: () => this.#membership.isJoined && !this.#isDraining,
      hosts,
      nowMs: Date.now,
      log: this.#log,
    });
    return door;
  }

  /** What the other doors are given. */
  #context(door: Door): DoorContext {
    const { client, clientOf } = this.#settings;
    const uncached = new Uncached({ origin: this.#origin, transport: this.#transport });
    const [chunks, memory, signal] = [new ChunkAccess(this.#cache, this.#bringer, uncached), this.#memory, this.#signal];
    return {
      client,
      clientOf,
      catalogOf: (token) => new ApiCatalog({ client: clientOf(token), token, memory, chunks, signal }),
      chunks,
      folder: (name) => join(this.#cache.folder.path, name),
      isOurs: (request) => door.isOurs(request),
      log: this.#log,
      signal,
    };
  }

  #metrics(door: Door): string {
    const own = metricsText({
      cache: { ...this.#cache.counts, maxBytes: this.#cache.maxBytes },
      bring: { ...this.#bringer.counts, flying: this.#bringer.flying, originActive: this.#bringer.gate.active },
      door: { ...door.counts, sending: door.sending },
      peers: { ring: this.#membership.ring.members.length, left: this.#peers.left, faults: this.#peers.counts },
      scrub: this.#scrub.counts,
      warm: this.#warm.counts,
      artifacts: this.#warm.ready(),
      joined: this.#membership.isJoined,
    });
    return own + this.#doors.metrics();
  }

  #describe(): AgentDescription {
    const { id, zone, weight, labels, version } = this.#settings;
    const { chunks, bytes } = this.#cache.counts;
    return { id, zone, weight, labels, version, address: this.#address, chunks, bytes, maxBytes: this.#cache.maxBytes };
  }

  async #listen(door: Door): Promise<Server[]> {
    const { listen, socket, advertise } = this.#settings;
    const servers: Server[] = [];
    if (socket !== null) {
      // The cache is ours, so whoever had this socket is gone.
      rmSync(socket, { force: true });
      servers.push(await listening(door.server(), socket));
      // Whoever may open the folder may ask; what is given needs a ticket.
      chmodSync(socket, 0o666);
    }
    if (listen !== null) {
      const server = await listening(door.server(), listen);
      servers.push(server);
      const { port } = server.address() as AddressInfo;
      this.#log({ event: "agent.listening", address: `${reachable(listen.host)}:${port}` });
      this.#address = advertise ?? `${reachable(listen.host)}:${port}`;
    }
    return servers;
  }
}

const PROGRESS_MS = 2_000;
const Progress = z.object({ bytes: z.int().nonnegative(), readers: z.array(z.string()).max(64) });

async function askProgress(url: string): Promise<z.infer<typeof Progress> | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PROGRESS_MS) });
    return answer.ok ? Progress.parse(await answer.json()) : null;
  } catch {
    return null;
  }
}

/** The first address that others reach, for one that listens on all. */
function reachable(host: string): string {
  if (host !== "0.0.0.0" && host !== "::" && host !== "") return host.includes(":") ? `[${host}]` : host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
