/** The doors of the transfer engine on this machine: wires the engine in shared/transfer/ to disks and sockets. */
import { setMaxListeners } from "node:events";
import type { PullRequest, PullResult, PushRequest, PushResult, TransferControl } from "../../shared/transfer/contract.ts";
import { Progress } from "../../shared/transfer/progress.ts";
import { pull } from "../../shared/transfer/pull.ts";
import { push } from "../../shared/transfer/push.ts";
import { RetryBudget } from "../../shared/transfer/retry.ts";
import { MiB } from "../../shared/units.ts";
import { DiskSource } from "./disk-source.ts";
import { DiskTarget } from "./disk-target.ts";
import { MACHINE } from "./machine.ts";
import { StatCache } from "./stat-cache.ts";
import { StoreTransport } from "./store-transport.ts";
import { Throttle } from "./throttle.ts";
import type { Transport } from "./transport.ts";
import { WatchedTransport } from "./watched-transport.ts";

export type EngineOptions = {
  /** Requests to the store at once. */
  connections?: number;
  /** What buffers may take in all; fewer connections are used when it is small. */
  memoryBytes?: number;
  bandwidthBytesPerSecond?: number;
  /** A connection on which no byte moves for so long is given up, and another one goes on. */
  stallSeconds?: number;
  /** `undici`: as a reference in tests; costs twice the CPU. */
  transport?: "raw" | "undici";
  /** Where the engine keeps what saves work next time; made when missing. */
  cacheDir: string;
  /** Believe that a file is what it was when device, inode, size and time of change are. */
  useStatCache: boolean;
};

const PUSH_CONNECTIONS = 8;
const PULL_CONNECTIONS = 16;
const MEMORY_BYTES = 512 * MiB;
/** What one connection takes at most: two pieces, and what sockets hold. */
const CONNECTION_BYTES = 4 * MiB;
const STALL_SECONDS = 20;
const SCANS = 2;
const ATTEMPTS_MAX = 20;
const FILES_OPEN = 64;

/** Sends local files as a new revision. Throws FerryError only, or the reason of `control.signal`. */
export function pushFiles(request: PushRequest, control: TransferControl, options: EngineOptions): Promise<PushResult> {
  const connections = connectionsOf(options, PUSH_CONNECTIONS);
  return withTransport(options, connections, (transport) => {
    const setting = {
      client: control.client,
      request,
      source: new DiskSource(request, transport, options.useStatCache ? new StatCache(options.cacheDir) : null),
      machine: MACHINE,
      progress: new Progress(control.onProgress),
      budget: new RetryBudget(),
      connections,
      scans: SCANS,
      attemptsMax: ATTEMPTS_MAX,
    };
    return push(setting, control.signal);
  });
}

/** Brings a revision's files to a local folder. Throws FerryError only, or the reason of `control.signal`. */
export function pullFiles(request: PullRequest, control: TransferControl, options: EngineOptions): Promise<PullResult> {
  const connections = connectionsOf(options, PULL_CONNECTIONS);
  return withTransport(options, connections, (transport) => {
    const setting = {
      client: control.client,
      request,
      target: new DiskTarget(request.destination, transport),
      machine: MACHINE,
      progress: new Progress(control.onProgress),
      budget: new RetryBudget(),
      connections,
      filesOpen: FILES_OPEN,
    };
    return pull(setting, control.signal);
  });
}

function connectionsOf({ connections, memoryBytes = MEMORY_BYTES }: EngineOptions, usual: number): number {
  return Math.max(1, Math.min(connections ?? usual, Math.floor(memoryBytes / CONNECTION_BYTES)));
}

async function transportOf({ transport = "raw" }: EngineOptions, connections: number): Promise<Transport> {
  if (transport === "raw") return new StoreTransport(connections, process.env);
  const { UndiciTransport } = await import("./undici-transport.ts");
  return new UndiciTransport(connections);
}

async function withTransport<T>(options: EngineOptions, connections: number, work: (transport: Transport) => Promise<T>): Promise<T> {
  // Every request listens to the signal that stops the transfer. Node 20 takes more than ten listeners for a leak, and says so on stderr.
  setMaxListeners(0);
  const throttle = new Throttle(options.bandwidthBytesPerSecond, MACHINE);
  const inner = await transportOf(options, connections);
  const { stallSeconds = STALL_SECONDS } = options;
  const transport = new WatchedTransport(inner, { stallSeconds, throttle, nowMs: MACHINE.nowMs });
  try {
    return await work(transport);
  } finally {
    await transport.close();
  }
}
