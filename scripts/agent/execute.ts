/**
 * The executor: leases tasks of replication and copies their chunks from store to store through this machine, over HTTPS only. Nothing is
 * kept here: who is killed loses what was in flight, and the tasks are given out again when their leases end. The target refuses what is not
 * what it is called: the ticket binds the content.
 */
import type { FerryClient } from "../../shared/client.ts";
import type { LeasedTask } from "../../shared/contract/replication.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { StoreId } from "../../shared/names.ts";
import { downloadUrl, ticketRequest } from "../../shared/tickets.ts";
import { Semaphore } from "../../shared/transfer/semaphore.ts";
import { MACHINE } from "../node/machine.ts";
import { StoreTransport } from "../node/store-transport.ts";
import { Throttle } from "../node/throttle.ts";
import type { Transport } from "../node/transport.ts";
import { PIPE_BYTES, Pipe } from "./execute-pipe.ts";

export type Execution = {
  client: FerryClient;
  /** The targets. */
  stores: readonly StoreId[];
  executor: string;
  /** Chunks at once; each holds some megabytes. */
  parallel: number;
  /** Leave when there is nothing to do. */
  once: boolean;
  signal: AbortSignal;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  note(text: string): void;
};
export type Executed = { tasks: number; chunks: number; bytes: number; ready: number };

/** Tasks of one store at once: while one is checked and the next is leased, another one's chunks are on their way. */
const LANES = 2;
const TRIES = 2;
/** Of one chunk: some time, and a second for every megabyte. */
const CHUNK_MS_MIN = 30_000;
const BYTES_PER_MS_MIN = 1_000;

type Item = LeasedTask["tickets"]["items"][number];
type Work = {
  execution: Execution;
  transport: Transport;
  done: Executed;
  slots: Semaphore;
  /** Buffers that no pipe uses now. */
  rings: Buffer[];
  throttles: Map<StoreId, { bytesPerSecond: number; throttle: Throttle }>;
};

export async function executeTasks(execution: Execution): Promise<Executed> {
  const transport = new StoreTransport(execution.parallel * 2, process.env);
  const slots = new Semaphore(execution.parallel);
  const work: Work = { execution, transport, done: { tasks: 0, chunks: 0, bytes: 0, ready: 0 }, slots, rings: [], throttles: new Map() };
  const ended = new AbortController();
  const lanes = execution.stores.flatMap((store) => Array.from({ length: LANES }, () => lane(work, store, ended.signal)));
  try {
    await Promise.all(lanes);
    return work.done;
  } finally {
    // The first that failed tells why; the others are not left behind.
    ended.abort(new Error("another one failed"));
    await Promise.allSettled(lanes);
    await transport.close();
  }
}

/** One task after another of one store. */
async function lane(work: Work, store: StoreId, ended: AbortSignal): Promise<void> {
  const { client, executor, once, note, sleep } = work.execution;
  const signal = AbortSignal.any([work.execution.signal, ended]);
  for (;;) {
    signal.throwIfAborted();
    const answer = await client.call("leaseTask", { params: { store }, body: { executor } }, signal);
    if (answer.task === null && once) return;
    if (answer.task === null) {
      await sleep(answer.waitSeconds * 1000, signal);
      continue;
    }
    await perform(work, store, answer.task, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      note(`${store}: ${problemOf(error)}`);
    });
  }
}

async function perform(work: Work, store: StoreId, task: LeasedTask, signal: AbortSignal): Promise<void> {
  const { client, note } = work.execution;
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const held = { task: task.task, fence: task.fence };
  const beating = keepLease(work, store, task, ended, stop);
  const outcome = await copyAll(work, task, store, stop).finally(() => ended.abort());
  await beating;
  const answer = await client.call("finishTask", { params: { store }, body: { ...held, ...outcome } }, signal);
  if (outcome.problem !== undefined || outcome.bad.length > 0) return;
  work.done.tasks++;
  work.done.chunks += task.tickets.items.length;
  work.done.bytes += task.tickets.items.reduce((sum, { size }) => sum + size, 0);
  if (answer.ready) {
    work.done.ready++;
    note(`${task.repository ?? "a repository"}@${task.revision.slice(0, 12)} is whole in ${store}`);
  }
}

/** Says that it is still at it, until it is not, or the task is lost. */
async function keepLease({ execution }: Work, store: StoreId, task: LeasedTask, ended: AbortController, stop: AbortSignal): Promise<void> {
  const { client, sleep } = execution;
  const body = { task: task.task, fence: task.fence };
  for (;;) {
    try {
      await sleep((task.leaseSeconds * 1000) / 3, stop);
      await client.call("extendTask", { params: { store }, body }, stop);
    } catch (error) {
      if (error instanceof FerryError && error.code === "TASK_LOST") ended.abort(error);
      if (stop.aborted) return;
    }
  }
}

async function copyAll(work: Work, task: LeasedTask, store: StoreId, stop: AbortSignal): Promise<{ problem?: string; bad: Digest[] }> {
  const throttle = throttleOf(work, store, task);
  const bad: Digest[] = [];
  let problem: string | undefined;
  const run = async (item: Item) => {
    if (problem !== undefined) return;
    const said = await copyItem(work, { task, item, throttle }, stop).catch((error: unknown) => problemOf(error));
    if (said === "refused") bad.push(item.sha256);
    else if (said !== null) problem = said.slice(0, 300);
  };
  await Promise.all(
    task.tickets.items.map((item) =>
      work.slots
        .use(stop, () => run(item))
        .catch((error: unknown) => {
          problem ??= problemOf(error);
        }),
    ),
  );
  return problem === undefined ? { bad } : { problem, bad };
}

/** All tasks of a store share one; null: nothing limits them. */
function throttleOf({ throttles }: Work, store: StoreId, { bytesPerSecond }: LeasedTask): Throttle | null {
  if (bytesPerSecond === null) return null;
  const known = throttles.get(store);
  if (known?.bytesPerSecond === bytesPerSecond) return known.throttle;
  const throttle = new Throttle(bytesPerSecond, MACHINE);
  throttles.set(store, { bytesPerSecond, throttle });
  return throttle;
}

type Copying = { task: LeasedTask; item: Item; throttle: Throttle | null };

/** Null: it is there. */
async function copyItem(work: Work, copying: Copying, stop: AbortSignal): Promise<string | null> {
  const ring = work.rings.pop() ?? Buffer.allocUnsafeSlow(PIPE_BYTES);
  let said: string | null = null;
  for (let count = 0; count < TRIES; count++) {
    said = await copyOnce(work, copying, ring, stop);
    if (said === null || said === "refused") break;
  }
  work.rings.push(ring);
  return said;
}

async function copyOnce(
  { transport, execution }: Work,
  { task, item, throttle }: Copying,
  ring: Buffer,
  stop: AbortSignal,
): Promise<string | null> {
  const source = task.sources.items.find(({ sha256 }) => sha256 === item.sha256);
  if (source === undefined) return "a chunk has no source";
  const { size } = item;
  const over = new AbortController();
  const slowestMs = size / BYTES_PER_MS_MIN + (2 * execution.parallel * size * 1000) / (task.bytesPerSecond ?? Number.POSITIVE_INFINITY);
  const signal = AbortSignal.any([stop, over.signal, AbortSignal.timeout(CHUNK_MS_MIN + Math.ceil(slowestMs))]);
  const pipe = new Pipe(ring, (bytes) => throttle?.spend(bytes, signal) ?? null);
  signal.addEventListener("abort", () => pipe.fail(new Error("it took too long, or was stopped")), { once: true });
  const options = { signal, onBytes: () => {} };
  const url = downloadUrl(task.sources, source);
  let reading: string | null = null;
  const read = transport.get({ url, offset: 0, end: size, sizeBytes: size }, pipe, options).then(
    (answer) => {
      if (answer.kind !== "complete") reading = `the source answered ${answer.kind === "answered" ? answer.status : answer.problem}`;
    },
    (error: unknown) => {
      reading = problemOf(error);
    },
  );
  const settled = read.then(() => reading !== null && pipe.fail(new Error(reading)));
  const written = await transport
    .put({ ...ticketRequest(task.tickets, item), sizeBytes: size, body: () => pipe.read }, options)
    .catch((error: unknown) => ({ kind: "broken" as const, problem: problemOf(error) }));
  over.abort();
  await settled;
  if (written.kind === "broken") return reading ?? written.problem;
  const { status } = written;
  if ((status >= 200 && status < 300) || status === 412 || status === 409) return null;
  return status === 400 ? "refused" : `the target answered ${status}`;
}
