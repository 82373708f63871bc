/** The doors of the transfer engine on this machine: wires the engine in shared/transfer/ to disks and sockets. */
import { availableParallelism } from "node:os";
import type { PullRequest, PullResult, PushRequest, PushResult, TransferControl } from "../../shared/transfer/contract.ts";
import { Progress } from "../../shared/transfer/progress.ts";
import { pull } from "../../shared/transfer/pull.ts";
import { push } from "../../shared/transfer/push.ts";
import { RetryBudget } from "../../shared/transfer/retry.ts";
import { MiB } from "../../shared/units.ts";
import { DiskSource } from "./disk-source.ts";
import { DiskTarget } from "./disk-target.ts";
import { MACHINE } from "./machine.ts";
import { Movers } from "./movers.ts";
import { StatCache } from "./stat-cache.ts";

export type EngineOptions = {
  /** Requests to the store at once. */
  connections?: number;
  /** What buffers may take in all; fewer connections are used when it is small. */
  memoryBytes?: number;
  bandwidthBytesPerSecond?: number;
  /** Whether large files are written past the page cache; `auto`: when they would take more than half of the memory that is free. */
  direct?: "auto" | "always" | "never";
  /** Threads that move bytes, beside the main one, when there is enough to do; 0: it does all. */
  threads?: number;
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
/** Of the memory that may be taken, for writing past the page cache. */
const DIRECT_SHARE = 0.5;
const STALL_SECONDS = 20;
const THREADS_MAX = 4;
const ATTEMPTS_MAX = 20;
const FILES_OPEN = 64;

/** Sends local files as a new revision. Throws FerryError only, or the reason of `control.signal`. */
export function pushFiles(request: PushRequest, control: TransferControl, options: EngineOptions): Promise<PushResult> {
  const connections = connectionsOf(options, PUSH_CONNECTIONS);
  return withMovers(options, connections, (movers) => {
    const setting = {
      client: control.client,
      request,
      source: new DiskSource(request, movers, options.useStatCache ? new StatCache(options.cacheDir) : null),
      machine: MACHINE,
      progress: new Progress(control.onProgress),
      budget: new RetryBudget(),
      connections,
      scans: movers.width,
      attemptsMax: ATTEMPTS_MAX,
    };
    return push(setting, control.signal);
  });
}

/** Brings a revision's files to a local folder. Throws FerryError only, or the reason of `control.signal`. */
export function pullFiles(request: PullRequest, control: TransferControl, options: EngineOptions): Promise<PullResult> {
  const connections = connectionsOf(options, PULL_CONNECTIONS);
  return withMovers(options, connections, (movers) => {
    const setting = {
      client: control.client,
      request,
      target: new DiskTarget(request.destination, { movers, direct: options.direct ?? "auto" }),
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

async function withMovers<T>(options: EngineOptions, connections: number, work: (movers: Movers) => Promise<T>): Promise<T> {
  const { transport: kind = "raw", stallSeconds = STALL_SECONDS, bandwidthBytesPerSecond, threads = usualThreads() } = options;
  const transport = { kind, connections, stallSeconds, bandwidthBytesPerSecond };
  const directBytes = Math.floor((options.memoryBytes ?? MEMORY_BYTES) * DIRECT_SHARE);
  const movers = await Movers.make({ transport, directBytes }, threads);
  try {
    return await work(movers);
  } finally {
    await movers.close();
  }
}

/** Beside one core, a thread would only take turns with this one. */
function usualThreads(): number {
  const cores = availableParallelism();
  return cores === 1 ? 0 : Math.min(THREADS_MAX, cores);
}
