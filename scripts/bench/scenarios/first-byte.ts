/** How long one small file takes: what a start costs, and when the store is first asked for it. */
import { KiB } from "../../../shared/units.ts";
import { timeTable } from "../compare.ts";
import { runRounds } from "../measure/rounds.ts";
import type { Measured } from "../measure/run-command.ts";
import { spreadOf } from "../measure/stats.ts";
import { aria2 } from "../peers/aria2.ts";
import { aws, s5cmd } from "../peers/aws.ts";
import { curlParallel } from "../peers/curl.ts";
import { rclone } from "../peers/rclone.ts";
import { nodeFetch } from "../peers/references.ts";
import type { Table } from "../report.ts";
import type { Count } from "../s3/counts.ts";
import { NO_FAULTS } from "../s3/faults.ts";
import type { Scenario } from "../scenario.ts";
import { type Ground, pullCases, type Stored, storeForPulls } from "../transfers.ts";
import { comparisonOf, dataText, makeGround, reportOf, roundsText } from "./ground.ts";

const FILE_BYTES = KiB;
const FAR_MS = 100;
/** Kinds of keys that hold files: ours in chunks, the others as they are. */
const DATA_READS = ["ferry/chunks", "peers/source"];
const PEERS = [rclone, aws, s5cmd, curlParallel, aria2, nodeFetch];

export const firstByte: Scenario = {
  name: "first-byte",
  summary: "pull of one file of 1 KiB: from the start of the program to its end, and to the first request for data",
  async run(lab) {
    const ground = await makeGround(lab, { scheme: "http", data: { count: 1, sizeBytes: FILE_BYTES }, connections: 8 });
    const stored = await storeForPulls(ground);
    const near = await measure(ground, stored, "pull");
    const compared = [near];
    const { own } = ground.ferry.store.options;
    if (own !== null) {
      // The registry's own reads of the store are late as well.
      await own.faults({ ...NO_FAULTS, ttfbMs: FAR_MS, minBytes: 0 });
      compared.push(await measure(ground, stored, `pull, each answer of the store ${FAR_MS} ms late`));
    }
    return reportOf("first-byte", [dataText(ground.data), "HTTP", roundsText(lab)], compared);
  },
};

async function measure(ground: Ground, stored: Stored, title: string) {
  const { own } = ground.ferry.store.options;
  const askedMs = new Map<string, number[]>();
  const cases = pullCases(ground, stored, PEERS, {
    before: async () => void (await own?.counts()),
    after: async (name, measured) => {
      const ms = msToFirstRead(measured, (await own?.counts()) ?? []);
      if (ms !== null) askedMs.set(name, [...(askedMs.get(name) ?? []), ms]);
    },
  });
  const comparison = comparisonOf(title, ground, cases, await runRounds(cases.cases, ground.lab.rounds));
  return { comparison, cases, table: withAsked(timeTable(comparison), askedMs) };
}

/** Null when no data was asked for, or nobody counted. */
function msToFirstRead({ startedAtMs }: Measured, counts: readonly Count[]): number | null {
  const reads = counts.filter(({ operation }) => DATA_READS.some((kind) => operation === `GET ${kind}`));
  return reads.length === 0 ? null : Math.min(...reads.map(({ firstAtMs }) => firstAtMs)) - startedAtMs;
}

function withAsked(table: Table, askedMs: ReadonlyMap<string, number[]>): Table {
  // Without the warm-up.
  const cellOf = (name: string) => spreadOf((askedMs.get(name) ?? []).slice(1));
  return {
    ...table,
    columns: [...table.columns, "ms to the first request for data"],
    rows: table.rows.map(({ name, cells }) => ({ name, cells: [...cells, cellOf(name)] })),
  };
}
