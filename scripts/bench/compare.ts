/** What rounds gave, as a table with ratios, and what they say about targets. */
import { GiB, MiB } from "../../shared/units.ts";
import type { Outcome, Runs } from "./measure/rounds.ts";
import type { Measured } from "./measure/run-command.ts";
import { type Spread, spreadOf } from "./measure/stats.ts";
import type { Cell, Judged, Table } from "./report.ts";

export type Comparison = { title: string; bytes: number; ours: string; outcome: Outcome };

const MB = 1e6;

/** One row a case: speed, CPU, memory, and how many times as fast as it ours is (and as much CPU it takes), by rounds. */
export function comparisonTable({ title, bytes, ours, outcome: { runs } }: Comparison): Table {
  const gib = bytes / GiB;
  const rows = [...runs].map(([name, list]) => {
    const done = list.filter((run) => run !== null);
    const of = (figure: (run: Measured) => number | null): Cell => spreadOf(done.flatMap((run) => figure(run) ?? []));
    const failed = list.length - done.length;
    return {
      name,
      cells: [
        of(({ wallS }) => bytes / MB / wallS),
        median(of(({ cpuS }) => (cpuS === null ? null : cpuS / gib))),
        median(of(({ serverCpuS }) => (serverCpuS === null ? null : serverCpuS / gib))),
        median(of(({ peakBytes }) => (peakBytes === null ? null : Math.round(peakBytes / MiB)))),
        median(of(({ foreignShare }) => (foreignShare === null ? null : Math.round(foreignShare * 100)))),
        failed === 0 ? done.length : `${done.length}, ${failed} failed`,
        name === ours ? null : ratios(runs, ours, name, SPEED),
        name === ours ? null : median(ratios(runs, ours, name, CPU)),
      ],
    };
  });
  const columns = ["MB/s", "CPU s/GiB", "server s/GiB", "RSS MiB", "others %", "runs", "ours ÷ it, speed", "ours ÷ it, CPU"];
  return { title, columns, rows };
}

/** For what takes a time whatever it moves: milliseconds instead of MB/s. */
export function timeTable({ title, ours, outcome: { runs } }: Omit<Comparison, "bytes">): Table {
  const rows = [...runs].map(([name, list]) => {
    const done = list.filter((run) => run !== null);
    const of = (figure: (run: Measured) => number | null): Cell => spreadOf(done.flatMap((run) => figure(run) ?? []));
    const failed = list.length - done.length;
    return {
      name,
      cells: [
        of(({ wallS }) => wallS * 1000),
        median(of(({ cpuS }) => cpuS)),
        median(of(({ serverCpuS }) => serverCpuS)),
        median(of(({ peakBytes }) => (peakBytes === null ? null : Math.round(peakBytes / MiB)))),
        failed === 0 ? done.length : `${done.length}, ${failed} failed`,
        name === ours ? null : ratios(runs, ours, name, TIME),
      ],
    };
  });
  return { title, columns: ["ms", "CPU s", "server CPU s", "RSS MiB", "runs", "ours ÷ it, time"], rows };
}

export type RatioOf = "speed" | "time" | "cpu";

export type Target = {
  target: string;
  ours: string;
  /** The best of those that ran: the fastest, or for CPU the one that takes least. */
  peers: readonly string[];
  of: RatioOf;
  atLeast?: number;
  atMost?: number;
};

const SPEED = ({ wallS }: Measured): number => 1 / wallS;
const TIME = ({ wallS }: Measured): number => wallS;
const CPU = ({ cpuS }: Measured): number | null => cpuS;
const FIGURES: Record<RatioOf, (run: Measured) => number | null> = { speed: SPEED, time: TIME, cpu: CPU };

/** Whether the median of the rounds' ratios is what the target wants. */
export function judge({ target, ours, peers, of, atLeast, atMost }: Target, { runs }: Outcome): Judged {
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  const against = bestOf(runs, peers, of);
  const ratio = against === null ? null : ratios(runs, ours, against, FIGURES[of]);
  if (against === null || ratio === null) return { target, wanted, figure: null, ok: null };
  const figure = ratio.median;
  const ok = figure >= (atLeast ?? 0) && figure <= (atMost ?? Number.POSITIVE_INFINITY);
  return { target, wanted, figure, ok, ...(peers.length > 1 ? { against } : {}) };
}

/** Ratios of ours to a peer, of each round in which both got through. */
function ratios(runs: Runs, ours: string, peer: string, figure: (run: Measured) => number | null): Spread | null {
  const theirs = runs.get(peer) ?? [];
  const values = (runs.get(ours) ?? []).flatMap((run, round) => {
    const other = theirs[round] ?? null;
    const [a, b] = [run === null ? null : figure(run), other === null ? null : figure(other)];
    return a === null || b === null || b === 0 ? [] : [a / b];
  });
  return spreadOf(values);
}

function bestOf(runs: Runs, peers: readonly string[], of: RatioOf): string | null {
  const better = of === "cpu" ? CPU : TIME;
  let best: { name: string; median: number } | null = null;
  for (const name of peers) {
    const spread = spreadOf((runs.get(name) ?? []).flatMap((run) => (run === null ? [] : (better(run) ?? []))));
    if (spread !== null && (best === null || spread.median < best.median)) best = { name, median: spread.median };
  }
  return best?.name ?? null;
}

function median(cell: Cell): Cell {
  return cell !== null && typeof cell === "object" ? cell.median : cell;
}
