/**
 * Warm-ups of this node: brings the chunks of a revision, and says it is ready when each was seen to have its digest by this process. Live
 * pulls come first. What the heartbeat no longer names ends, and its chunks may go.
 */
import type { FerryClient } from "../../shared/client.ts";
import type { RingPeer } from "../../shared/contract/agents.ts";
import type { WarmReport, WarmTask } from "../../shared/contract/warm.ts";
import { problemOf } from "../../shared/errors.ts";
import type { Ring } from "../../shared/ring.ts";
import { pool } from "../../shared/transfer/crew.ts";
import { planPull } from "../../shared/transfer/pull-plan.ts";
import { Throttle } from "../node/throttle.ts";
import type { Bringer } from "./bring.ts";
import type { Cache } from "./cache.ts";
import type { Log } from "./log.ts";
import type { Wanted } from "./origin.ts";

const WIDTH = 8;
const CHUNK_TRIES = 3;
const EVICT_TRIES = 15;
const EVICT_PAUSE_MS = 2_000;
/** A task that failed is begun again after this. */
const RETRY_MS = 15_000;

export type WarmParts = {
  client: FerryClient;
  cache: Cache;
  bringer: Bringer;
  ring: () => { ring: Ring<RingPeer>; self: { id: string; zone: string } };
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  machine: ConstructorParameters<typeof Throttle>[1];
  /** Milliseconds since 1970. */
  clockMs: () => number;
  log: Log;
  signal: AbortSignal;
};

type Running = { task: WarmTask; report: WarmReport; startedMs: number; movedBytes: number; controller: AbortController };

export class WarmTasks {
  readonly #parts: WarmParts;
  readonly #running = new Map<string, Running>();

  constructor(parts: WarmParts) {
    this.#parts = parts;
  }

  /** All that is to be done, now. */
  take(tasks: readonly WarmTask[]): void {
    const named = new Set(tasks.map(({ warmup }) => warmup));
    for (const [warmup, { controller }] of this.#running) {
      if (named.has(warmup)) continue;
      controller.abort(new Error("the warm-up is over"));
      this.#running.delete(warmup);
      this.#parts.cache.unpin(warmup);
    }
    for (const task of tasks) if (!this.#running.has(task.warmup)) this.#begin(task);
  }

  reports(): WarmReport[] {
    const nowMs = this.#parts.clockMs();
    return [...this.#running.values()].map(({ report, startedMs, movedBytes }) => {
      const seconds = (nowMs - startedMs) / 1000;
      const bytesPerSecond = report.state === "running" && seconds > 0 ? Math.round(movedBytes / seconds) : 0;
      return { ...report, bytesPerSecond };
    });
  }

  /** Revisions of which all is here, for as long as they are held. */
  ready(): Pick<WarmTask, "repository" | "revision">[] {
    return [...this.#running.values()]
      .filter(({ report, task }) => report.state === "ready" && task.action === "warm" && isWhole(task))
      .map(({ task: { repository, revision } }) => ({ repository, revision }));
  }

  get counts(): { tasks: number; ready: number } {
    const reports = [...this.#running.values()];
    return { tasks: reports.length, ready: reports.filter(({ report }) => report.state === "ready").length };
  }

  #begin(task: WarmTask): void {
    const { warmup } = task;
    const report: WarmReport = {
      warmup,
      state: "running",
      chunks: 0,
      chunksReady: 0,
      bytes: 0,
      bytesReady: 0,
      bytesPerSecond: 0,
      problem: "",
    };
    const controller = new AbortController();
    const running = { task, report, startedMs: this.#parts.clockMs(), movedBytes: 0, controller };
    this.#running.set(warmup, running);
    void this.#run(running);
  }

  async #run(running: Running): Promise<void> {
    const { log, sleep, signal: ended } = this.#parts;
    const { task, report, controller } = running;
    const signal = AbortSignal.any([ended, controller.signal]);
    while (!signal.aborted) {
      try {
        await this.#do(running, signal);
        log({
          event: task.action === "warm" ? "warmup.ready" : `warmup.${task.action}`,
          warmup: task.warmup,
          chunks: report.chunksReady,
          bytes: report.bytesReady,
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        report.state = "failed";
        report.problem = problemOf(error).slice(0, 300);
        log({ event: "warmup.failed", warmup: task.warmup, problem: report.problem });
        await sleep(RETRY_MS, signal).catch(() => {});
        report.state = "running";
      }
    }
  }

  async #do(running: Running, signal: AbortSignal): Promise<void> {
    const { task, report } = running;
    const { client } = this.#parts;
    const { repository, revision, include, exclude } = task;
    const request = { repository, ref: revision, ...(include.length > 0 ? { include } : {}), ...(exclude.length > 0 ? { exclude } : {}) };
    const plan = await planPull(client, request, signal);
    const all = new Map(plan.files.flatMap((file) => file.chunks.map((chunk) => [chunk.sha256, chunk.size] as const)));
    const wanted = [...all]
      .map(([sha256, size]): Wanted => ({ sha256, size, repository, revision }))
      .filter((chunk) => this.#isOurs(task, chunk));
    Object.assign(report, { chunks: wanted.length, chunksReady: 0, bytes: wanted.reduce((sum, { size }) => sum + size, 0), bytesReady: 0 });
    const throttle = task.bytesPerSecond === null ? null : new Throttle(task.bytesPerSecond, this.#parts.machine);
    // Each node begins elsewhere: all of a ring then bring different chunks at first, and serve one another.
    await pool(rotated(wanted, this.#parts.ring().self.id), { width: WIDTH, signal }, async (chunk, stop) => {
      if (!(await this.#chunk(running, chunk, throttle, stop))) return;
      report.chunksReady++;
      report.bytesReady += chunk.size;
    });
    report.state = report.chunksReady < report.chunks ? "failed" : "ready";
    const lacking = `${report.chunks - report.chunksReady} chunks ${task.action === "evict" ? "are in use" : "are not here"}`;
    report.problem = report.state === "failed" ? lacking : "";
  }

  /** In a ring, who owns a chunk and the next best. */
  #isOurs({ mode, replicas }: WarmTask, { sha256 }: Wanted): boolean {
    if (mode === "each") return true;
    const { ring, self } = this.#parts.ring();
    return ring.owners(sha256, { replicas }).some(({ id }) => id === self.id);
  }

  /** Whether the chunk is ready. */
  async #chunk({ task, ...running }: Running, chunk: Wanted, throttle: Throttle | null, signal: AbortSignal): Promise<boolean> {
    const { cache, bringer } = this.#parts;
    if (task.action === "evict") return this.#evict(chunk, signal);
    if (task.action === "check") return cache.check(chunk, { again: true });
    cache.pin(chunk.sha256, task.warmup, task.untilMs);
    for (let attempt = 1; ; attempt++) {
      if (await cache.check(chunk, { again: false })) return true;
      signal.throwIfAborted();
      await throttle?.spend(chunk.size, signal);
      try {
        await bringer.bring(chunk, "warm");
        this.#moved(running.report.warmup, chunk.size);
      } catch (error) {
        if (attempt >= CHUNK_TRIES) throw error;
      }
    }
  }

  /** A reader that was told where the file is has a moment to open it; what another warm-up holds stays. */
  async #evict(chunk: Wanted, signal: AbortSignal): Promise<boolean> {
    const { cache, sleep } = this.#parts;
    for (let attempt = 0; attempt < EVICT_TRIES; attempt++) {
      if (!cache.has(chunk) || cache.evict(chunk.sha256)) return true;
      await sleep(EVICT_PAUSE_MS, signal);
    }
    return false;
  }

  #moved(warmup: string, bytes: number): void {
    const running = this.#running.get(warmup);
    if (running !== undefined) running.movedBytes += bytes;
  }
}

/** Not only some files, nor some of the chunks. */
function isWhole({ mode, include, exclude }: WarmTask): boolean {
  return mode === "each" && include.length === 0 && exclude.length === 0;
}

function rotated<T>(items: readonly T[], id: string): T[] {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  const at = items.length === 0 ? 0 : sum % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
