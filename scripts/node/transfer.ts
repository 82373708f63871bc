/** The doors of the transfer engine on this machine: wires the engine in shared/transfer/ to disks and sockets. */
import { availableParallelism } from "node:os";
import type { RepositoryName } from "../../shared/names.ts";
import type {
  PullRequest,
  PullResult,
  PushRequest,
  PushResult,
  TransferControl,
  VerifyRequest,
  VerifyResult,
} from "../../shared/transfer/contract.ts";
import type { Source } from "../../shared/transfer/ports.ts";
import { Progress } from "../../shared/transfer/progress.ts";
import { pull } from "../../shared/transfer/pull.ts";
import type { PullPlan } from "../../shared/transfer/pull-plan.ts";
import { push } from "../../shared/transfer/push.ts";
import { RetryBudget } from "../../shared/transfer/retry.ts";
import { verify } from "../../shared/transfer/verify.ts";
import { Width, type WidthOptions } from "../../shared/transfer/width.ts";
import { GiB, MiB } from "../../shared/units.ts";
import { ChunkCache, type ChunkShelf } from "./chunk-cache.ts";
import { checkCurrent, switchCurrent } from "./current-link.ts";
import { DiskSource } from "./disk-source.ts";
import { DiskTarget } from "./disk-target.ts";
import { DiskTree } from "./disk-tree.ts";
import { type Direction, LearnedWidths } from "./learned.ts";
import { MACHINE } from "./machine.ts";
import { availableMemoryBytes } from "./memory.ts";
import { Movers } from "./movers.ts";
import { StatCache } from "./stat-cache.ts";

export type EngineOptions = {
  /** Requests to the store at once; left out: as many as it pays. */
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
  /** A store that gives nothing for so long is given up, when no other one has what is wanted. */
  patienceSeconds?: number;
  /** `undici`: as a reference in tests; costs twice the CPU. */
  transport?: "raw" | "undici";
  /** Where the engine keeps what saves work next time; made when missing. */
  cacheDir: string;
  /** Believe that a file is what it was when device, inode, size and time of change are. */
  useStatCache: boolean;
  /** Instead of a chunk cache's folder: where a pull finds chunks before it asks the store. */
  shelf?: ChunkShelf;
  /** Told what a pull will bring. */
  onPlan?: (plan: PullPlan, repository: RepositoryName) => void;
};

/** More is found out (shared/transfer/width.ts). */
const STARTS: Record<Direction, number> = { down: 8, up: 4 };
const CONNECTIONS_MIN = 4;
const CONNECTIONS_MAX = 64;
const MEMORY_BYTES = 512 * MiB;
/** What one connection takes at most: its buffers, and its share of what is written past the page cache. */
const CONNECTION_BYTES = 4 * MiB;
/** Of the memory that may be taken, for writing past the page cache; connections beyond what that serves go through the cache. */
const DIRECT_SHARE = 0.125;
const DIRECT_BYTES_MAX = 24 * MiB;
const LOOK_AHEAD_BYTES_MAX = GiB;
const STALL_SECONDS = 20;
const PATIENCE_SECONDS = 30;
const RETRIES = 100;
const THREADS_MAX = 4;
const ATTEMPTS_MAX = 20;
const FILES_OPEN = 64;
/** A shorter transfer teaches nothing. */
const LEARN_SECONDS_MIN = 2;

/** Sends local files as a new revision. Throws FerryError only, or the reason of `control.signal`. */
export function pushFiles(request: PushRequest, control: TransferControl, options: EngineOptions): Promise<PushResult> {
  return pushFrom((disk) => disk, request, control, options);
}

/** The same with another source, which has the local one to read copies with. */
export function pushFrom(
  make: (disk: Source) => Source,
  request: PushRequest,
  control: TransferControl,
  options: EngineOptions,
): Promise<PushResult> {
  return withEngine(options, { control, direction: "up" }, ({ movers, width }) => {
    const setting = {
      client: control.client,
      request,
      source: make(new DiskSource(request, movers, options.useStatCache ? new StatCache(options.cacheDir) : null)),
      machine: MACHINE,
      progress: new Progress(control.onProgress),
      budget: budgetOf(options),
      width,
      scans: movers.width,
      lookAheadBytes: Math.min(LOOK_AHEAD_BYTES_MAX, availableMemoryBytes() / 4),
      attemptsMax: ATTEMPTS_MAX,
    };
    return push(setting, control.signal);
  });
}

/** Brings a revision's files to a local folder. Throws FerryError only, or the reason of `control.signal`. */
export async function pullFiles(request: PullRequest, control: TransferControl, options: EngineOptions): Promise<PullResult> {
  const { destination, chunkCache, current } = request;
  const shelf = options.shelf ?? (chunkCache === undefined ? null : new ChunkCache(chunkCache));
  if (current !== undefined) checkCurrent(current);
  return withEngine(options, { control, direction: "down" }, async ({ movers, width }) => {
    const setting = {
      client: control.client,
      request,
      target: new DiskTarget(destination, { movers, direct: options.direct ?? "auto", shelf }),
      machine: MACHINE,
      progress: new Progress(control.onProgress),
      budget: budgetOf(options),
      width,
      filesOpen: FILES_OPEN,
      ...(options.onPlan === undefined ? {} : { onPlan: options.onPlan }),
    };
    const result = await pull(setting, control.signal);
    if (current !== undefined) switchCurrent(current, destination);
    return result;
  });
}

/** Compares a local folder with a revision and changes nothing. Throws FerryError only, or the reason of `control.signal`. */
export function verifyFiles(request: VerifyRequest, control: TransferControl, options: EngineOptions): Promise<VerifyResult> {
  return withEngine(options, { control, direction: "down" }, ({ movers }) => {
    const setting = {
      client: control.client,
      request,
      tree: DiskTree.open(request.destination, movers),
      machine: MACHINE,
      progress: new Progress(control.onProgress),
      width: FILES_OPEN,
    };
    return verify(setting, control.signal);
  });
}

function budgetOf({ patienceSeconds = PATIENCE_SECONDS }: EngineOptions): RetryBudget {
  return new RetryBudget(RETRIES, patienceSeconds * 1000);
}

type Engine = { movers: Movers; width: Width };

async function withEngine<R extends { seconds: number }>(
  options: EngineOptions,
  { control, direction }: { control: TransferControl; direction: Direction },
  work: (engine: Engine) => Promise<R>,
): Promise<R> {
  const { transport: kind = "raw", stallSeconds = STALL_SECONDS, bandwidthBytesPerSecond, threads = usualThreads() } = options;
  const { endpoint } = control.client;
  const learned = new LearnedWidths(options.cacheDir);
  const known = learned.find(endpoint, direction);
  const range = widthRange(options, known ?? STARTS[direction]);
  const transport = { kind, connections: range.max, stallSeconds, bandwidthBytesPerSecond };
  const directBytes = Math.min(DIRECT_BYTES_MAX, (options.memoryBytes ?? MEMORY_BYTES) * DIRECT_SHARE);
  const movers = await Movers.make({ transport, directBytes }, threads);
  try {
    const width = new Width(range, known !== null);
    const result = await work({ movers, width });
    if (range.min < range.max && result.seconds >= LEARN_SECONDS_MIN && width.learned !== null) {
      learned.keep(endpoint, direction, width.learned);
    }
    return result;
  } finally {
    await movers.close();
  }
}

function widthRange({ connections, memoryBytes = MEMORY_BYTES }: EngineOptions, start: number): WidthOptions {
  const fitting = Math.max(1, Math.floor(memoryBytes / CONNECTION_BYTES));
  if (connections !== undefined) {
    const fixed = Math.min(connections, fitting);
    return { start: fixed, min: fixed, max: fixed };
  }
  const max = Math.min(CONNECTIONS_MAX, fitting);
  return { start, min: Math.min(CONNECTIONS_MIN, max), max };
}

/** Beside one core, a thread would only take turns with this one. */
function usualThreads(): number {
  const cores = availableParallelism();
  return cores === 1 ? 0 : Math.min(THREADS_MAX, cores);
}
