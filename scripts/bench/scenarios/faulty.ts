/**
 * Stores as they are far away: so many bytes a second on each connection, a wait before the first byte; and on top of that late, stalled
 * and refused requests. What counts is how much longer a client takes with them than without.
 */
import type * as z from "zod";
import { GiB, MiB } from "../../../shared/units.ts";
import type { Comparison } from "../compare.ts";
import type { Lab } from "../lab.ts";
import { type Outcome, runRounds } from "../measure/rounds.ts";
import { spreadOf } from "../measure/stats.ts";
import { aria2 } from "../peers/aria2.ts";
import { aws, s5cmd } from "../peers/aws.ts";
import { curlParallel } from "../peers/curl.ts";
import type { Peer } from "../peers/peer.ts";
import { rclone } from "../peers/rclone.ts";
import type { Judged } from "../report.ts";
import { Faults } from "../s3/faults.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import { type Cases, type Ground, pullCases, type Stored, storeForPulls } from "../transfers.ts";
import { comparisonOf, cut, dataText, makeGround, reportOf, roundsText } from "./ground.ts";

const SIZE_BYTES = 2 * GiB;
const FILE_BYTES = 16 * MiB;
const CONNECTIONS = 16;
const OURS = "ferry pull";
/** What object stores give one connection, and how soon they answer. */
const FAR = { rate: 90e6, ttfbMs: 30 };
const PEERS: readonly Peer[] = [rclone, aws, s5cmd, curlParallel, aria2];

type Setting = { name: string; faults: z.input<typeof Faults> };

const SETTINGS: readonly Setting[] = [
  { name: "none", faults: FAR },
  { name: "tail: 3 % begin 2 s late", faults: { ...FAR, tail: { share: 0.03, ms: 2000 } } },
  { name: "stall: 2 % stop for 5 s", faults: { ...FAR, stall: { share: 0.02, ms: 5000 } } },
  { name: "3 % are answered with 503", faults: { ...FAR, p503: 0.03 } },
  { name: "40 requests a second, the rest 503", faults: { ...FAR, rps: 40 } },
];
/** Of ours with stalls, against ours without. */
const STALLED_MAX = 2;

export const connectionRate: Scenario = {
  name: "connection-rate",
  summary: "pull from a store that gives each connection 90 MB/s",
  async run(lab) {
    const { ground, stored } = await prepare(lab);
    const { comparison, cases } = await measure(ground, stored, { name: "pull", faults: FAR });
    return reportOf("connection-rate", conditionsOf(ground), [{ comparison, cases }]);
  },
};

export const faults: Scenario = {
  name: "faults",
  summary: "pull from a store that is late, stalls, and answers 503",
  async run(lab) {
    const { ground, stored } = await prepare(lab);
    const measured: { setting: Setting; comparison: Comparison; cases: Cases }[] = [];
    for (const setting of SETTINGS) measured.push({ setting, ...(await measure(ground, stored, setting)) });
    const report = reportOf("faults", conditionsOf(ground), measured);
    const [plain] = measured;
    if (plain === undefined) return report;
    const rows = [...plain.comparison.outcome.runs.keys()].map((name) => ({
      name,
      cells: measured.map(({ comparison }) => growth(name, comparison.outcome, plain.comparison.outcome)),
    }));
    const table = { title: "time against the time without faults", columns: measured.map(({ setting }) => setting.name), rows };
    return { ...report, tables: [...report.tables, table], targets: [judgeStalls(measured.at(2)?.comparison, plain.comparison)] };
  },
};

async function prepare(lab: Lab): Promise<{ ground: Ground; stored: Stored }> {
  if (lab.options.endpoint !== undefined) throw new NotHere("only the bench's own store takes orders about faults");
  const data = cut(lab.options.size ?? SIZE_BYTES, FILE_BYTES, CONNECTIONS);
  const ground = await makeGround(lab, { scheme: "http", data, connections: CONNECTIONS });
  return { ground, stored: await storeForPulls(ground) };
}

/** The n-th run of each case meets the same draws. */
async function measure(ground: Ground, stored: Stored, setting: Setting): Promise<{ comparison: Comparison; cases: Cases }> {
  const { own } = ground.ferry.store.options;
  const counts = new Map<string, number>();
  const before = async (name: string) => {
    const seed = (counts.get(name) ?? 0) + 1;
    counts.set(name, seed);
    await own?.faults(Faults.parse({ ...setting.faults, seed }));
  };
  ground.lab.note(setting.name);
  const cases = pullCases(ground, stored, PEERS, { before });
  return { comparison: comparisonOf(setting.name, ground, cases, await runRounds(cases.cases, ground.lab.rounds)), cases };
}

function conditionsOf({ lab, data }: Ground): string[] {
  return [
    dataText(data),
    "HTTP",
    "90 MB/s a connection, 30 ms to the first byte",
    `${CONNECTIONS} transfers where a peer lets one say it`,
    roundsText(lab),
  ];
}

function growth(name: string, outcome: Outcome, plain: Outcome): number | string | null {
  const runs = outcome.runs.get(name);
  if (runs === undefined) return "failed";
  const [a, b] = [medianS(runs), medianS(plain.runs.get(name) ?? [])];
  return a === null || b === null ? null : a / b;
}

function medianS(runs: readonly ({ wallS: number } | null)[]): number | null {
  return spreadOf(runs.flatMap((run) => run?.wallS ?? []))?.median ?? null;
}

function judgeStalls(stalled: Comparison | undefined, plain: Comparison): Judged {
  const figure = stalled === undefined ? null : growth(OURS, stalled.outcome, plain.outcome);
  const known = typeof figure === "number" ? figure : null;
  return {
    target: "time with stalls against time without",
    wanted: `at most ${STALLED_MAX}`,
    figure: known,
    ok: known === null ? null : known <= STALLED_MAX,
  };
}
