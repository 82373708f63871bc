/**
 * Several processes behind one port, by node:cluster. The first of them rings the minute's bell. One that dies is started again; when one
 * keeps dying young, all are stopped, so that whoever runs the server sees it.
 */
import cluster, { type Worker } from "node:cluster";
import { performance } from "node:perf_hooks";
import process from "node:process";

/** One that lived for less has not worked. */
const YOUNG_MS = 10_000;
const YOUNG_DEATHS_MAX = 5;
const PAUSE_FIRST_MS = 200;

type Log = (line: Record<string, unknown>) => void;

/** Whether this process is to ring the bell: one alone, or the first of several. */
export function ringsBell(): boolean {
  return !cluster.isWorker || process.env["FERRY_SLOT"] === "0";
}

/** Forks `count` processes, each of which runs this program again. Ends this one when all have ended, with 1 when they had to be. */
export function runProcesses(count: number, log: Log): void {
  const processes = new Processes(log);
  for (let slot = 0; slot < count; slot++) processes.start(slot, 0);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => processes.leave(0));
  process.on("SIGHUP", () => processes.signal("SIGHUP"));
}

class Processes {
  readonly #log: Log;
  readonly #running = new Set<Worker>();
  /** What to end with, once that is decided. */
  #exitCode: number | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  start(slot: number, youngDeaths: number): void {
    if (this.#exitCode !== null) return;
    const startedAt = performance.now();
    const worker = cluster.fork({ FERRY_SLOT: String(slot) });
    this.#running.add(worker);
    worker.once("exit", (code, signal) => {
      this.#running.delete(worker);
      if (this.#exitCode !== null) return this.#endWhenAlone(this.#exitCode);
      this.#log({ event: "process.ended", slot, code, signal });
      const isYoung = performance.now() - startedAt < YOUNG_MS;
      this.#startAgain(slot, isYoung ? youngDeaths + 1 : 0);
    });
  }

  #startAgain(slot: number, youngDeaths: number): void {
    if (youngDeaths < YOUNG_DEATHS_MAX) {
      setTimeout(() => this.start(slot, youngDeaths), youngDeaths === 0 ? 0 : PAUSE_FIRST_MS * 2 ** youngDeaths);
      return;
    }
    this.#log({ event: "process.given-up", slot });
    this.leave(1);
  }

  leave(exitCode: number): void {
    this.#exitCode ??= exitCode;
    this.signal("SIGTERM");
    this.#endWhenAlone(this.#exitCode);
  }

  signal(name: NodeJS.Signals): void {
    for (const worker of this.#running) worker.process.kill(name);
  }

  #endWhenAlone(exitCode: number): void {
    if (this.#running.size === 0) process.exit(exitCode);
  }
}
