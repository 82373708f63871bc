/** How far a transfer is, on standard error: one line that is redrawn on a terminal, a plain line every few seconds elsewhere. */
import type { TransferProgress } from "../../shared/transfer/contract.ts";
import type { Host } from "./host.ts";
import { bytesText, displayWidth, durationText, painted } from "./text.ts";

const REDRAW_MS = 125;
const LINE_MS = 5000;
/** Speed is that of the last so many milliseconds, sampled so often. */
const WINDOW_MS = 10_000;
const SAMPLE_MS = 500;
const BAR_CELLS = 20;

type Sample = { atMs: number; bytesDone: number; bytesMoved: number };
export type Facts = { percent: number | null; bytesPerSecond: number; secondsLeft: number | null; savedBytes: number };

/** Speeds and estimates out of what the engine tells. */
export class ProgressMeter {
  #latest: TransferProgress = { phase: "listing", bytesDone: 0, bytesTotal: 0, bytesMoved: 0, filesDone: 0, filesTotal: 0 };
  #samples: Sample[] = [];

  get latest(): TransferProgress {
    return this.#latest;
  }

  /** Cheap: the engine calls it for every few KiB. */
  update(progress: TransferProgress): void {
    this.#latest = progress;
  }

  /** Takes a sample, when the last one is old enough, and tells the facts of now. */
  facts(nowMs: number): Facts {
    const { bytesDone, bytesTotal, bytesMoved } = this.#latest;
    const last = this.#samples.at(-1);
    if (last === undefined || nowMs - last.atMs >= SAMPLE_MS) this.#samples.push({ atMs: nowMs, bytesDone, bytesMoved });
    while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0] ?? { atMs: nowMs, bytesDone, bytesMoved };
    const seconds = Math.max(nowMs - first.atMs, 1) / 1000;
    const settledPerSecond = (bytesDone - first.bytesDone) / seconds;
    return {
      percent: bytesTotal > 0 ? Math.min(100, Math.floor((100 * bytesDone) / bytesTotal)) : null,
      bytesPerSecond: Math.max(0, bytesMoved - first.bytesMoved) / seconds,
      secondsLeft: settledPerSecond > 0 ? Math.ceil(Math.max(0, bytesTotal - bytesDone) / settledPerSecond) : null,
      savedBytes: Math.max(0, bytesDone - bytesMoved),
    };
  }
}

/** @param verb what is going on: `pushing`. @param columns the width that the line must keep to. */
export function barLine(verb: string, meter: ProgressMeter, nowMs: number, columns: number): string {
  const { phase, bytesDone, bytesTotal, filesDone, filesTotal } = meter.latest;
  const { percent, bytesPerSecond, secondsLeft, savedBytes } = meter.facts(nowMs);
  if (phase === "listing" || phase === "finishing" || percent === null) return phase === "finishing" ? "finishing …" : "listing files …";
  const parts = [
    `${verb} ${`${percent}`.padStart(3)}%`,
    barOf(percent),
    `${bytesText(bytesDone)} of ${bytesText(bytesTotal)}`,
    `${bytesText(Math.round(bytesPerSecond))}/s`,
    secondsLeft === null ? "" : `${durationText(secondsLeft)} left`,
    savedBytes === 0 ? "" : `${bytesText(savedBytes)} saved`,
    `${filesDone}/${filesTotal} files`,
  ].filter((part) => part !== "");
  // What fits: the bar goes first, then the end of the line.
  if (displayWidth(parts.join("  ")) >= columns) parts.splice(1, 1);
  while (parts.length > 1 && displayWidth(parts.join("  ")) >= columns) parts.pop();
  return parts.join("  ");
}

function barOf(percent: number): string {
  const full = Math.floor((percent * BAR_CELLS) / 100);
  return "█".repeat(full) + "░".repeat(BAR_CELLS - full);
}

export function plainLine(verb: string, meter: ProgressMeter, nowMs: number): string {
  const { phase, bytesDone, bytesTotal, filesDone, filesTotal } = meter.latest;
  const { percent, bytesPerSecond, secondsLeft, savedBytes } = meter.facts(nowMs);
  if (phase === "listing" || phase === "finishing" || percent === null) return phase === "finishing" ? "finishing" : "listing files";
  const left = secondsLeft === null ? "" : `, ${durationText(secondsLeft)} left`;
  const saved = savedBytes === 0 ? "" : `, ${bytesText(savedBytes)} saved`;
  const rate = `${bytesText(Math.round(bytesPerSecond))}/s`;
  return `${verb}: ${percent}%, ${bytesText(bytesDone)} of ${bytesText(bytesTotal)}, ${rate}${left}${saved}, ${filesDone} of ${filesTotal} files`;
}

export type ProgressView = { onProgress: (progress: TransferProgress) => void; note(text: string): void; end(): void };

/** Shows progress until `end`. Shows nothing when `quiet`. */
export function showProgress(host: Host, { verb, quiet }: { verb: string; quiet: boolean }): ProgressView {
  const meter = new ProgressMeter();
  const { stderr } = host;
  const clear = () => (stderr.isTTY && !quiet ? stderr.write("\r\u001b[K") : undefined);
  const draw = () => {
    if (stderr.isTTY) stderr.write(`\r${painted(host, stderr, "cyan", barLine(verb, meter, host.now(), stderr.columns))}\u001b[K`);
    else stderr.write(`${plainLine(verb, meter, host.now())}\n`);
  };
  meter.facts(host.now());
  const stop = quiet ? () => {} : host.every(stderr.isTTY ? REDRAW_MS : LINE_MS, draw);
  return {
    onProgress: (progress) => meter.update(progress),
    note: (text) => {
      clear();
      stderr.write(`${text}\n`);
    },
    end: () => {
      stop();
      clear();
    },
  };
}
