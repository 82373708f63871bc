import assert from "node:assert/strict";
import { test } from "node:test";
import { comparisonTable, judge, timeTable } from "../../../scripts/bench/compare.ts";
import type { Outcome } from "../../../scripts/bench/measure/rounds.ts";
import type { Measured } from "../../../scripts/bench/measure/run-command.ts";
import { GiB, MiB } from "../../../shared/units.ts";

function run(wallS: number, cpuS = wallS): Measured {
  return { startedAtMs: 0, wallS, cpuS, serverCpuS: 0.5, peakBytes: 100 * MiB, foreignShare: 0.05 };
}

function outcome(runs: Record<string, (Measured | null)[]>): Outcome {
  return { runs: new Map(Object.entries(runs)), skipped: [] };
}

const slowing = outcome({ ours: [run(1), run(2), run(4)], rclone: [run(2), run(4), run(8)], curl: [run(1), run(8), null] });

test("ratios are made within rounds: what slows both sides down leaves them as they are", () => {
  const table = comparisonTable({ title: "pull", bytes: GiB, ours: "ours", outcome: slowing });
  const speedOf = (name: string) => table.rows.find((row) => row.name === name)?.cells[table.columns.indexOf("ours ÷ it, speed")];
  assert.deepEqual(speedOf("rclone"), { median: 2, min: 2, max: 2 });
  assert.equal(speedOf("ours"), null);
});

test("a failed run counts in no ratio, and is told", () => {
  const table = comparisonTable({ title: "pull", bytes: GiB, ours: "ours", outcome: slowing });
  const curl = table.rows.find(({ name }) => name === "curl");
  assert.equal(curl?.cells[table.columns.indexOf("runs")], "2, 1 failed");
  assert.deepEqual(curl?.cells[table.columns.indexOf("ours ÷ it, speed")], { median: 2.5, min: 1, max: 4 });
});

test("a table of times has milliseconds, and the ratio of times", () => {
  const { columns, rows } = timeTable({ title: "pull", ours: "ours", outcome: slowing });
  assert.deepEqual(rows[0]?.cells[columns.indexOf("ms")], { median: 2000, min: 1000, max: 4000 });
  assert.deepEqual(rows[1]?.cells[columns.indexOf("ours ÷ it, time")], { median: 0.5, min: 0.5, max: 0.5 });
});

const common = { target: "speed", ours: "ours", of: "speed" as const };

test("a target is held to the median of ratios, against the best of the peers that ran", () => {
  const judged = judge({ ...common, peers: ["curl", "rclone", "absent"], atLeast: 1.9 }, slowing);
  assert.deepEqual(judged, { target: "speed", wanted: "at least 1.9", figure: 2, ok: true, against: "rclone" });
  assert.equal(judge({ ...common, peers: ["rclone"], atLeast: 2.1 }, slowing).ok, false);
  assert.equal(judge({ ...common, of: "time", peers: ["rclone"], atMost: 0.5 }, slowing).ok, true);
  assert.equal(judge({ ...common, of: "cpu", peers: ["rclone"], atMost: 0.4 }, slowing).ok, false);
});

test("without the peer a target is neither met nor missed", () => {
  assert.deepEqual(judge({ ...common, peers: ["absent"], atLeast: 1 }, slowing), {
    target: "speed",
    wanted: "at least 1",
    figure: null,
    ok: null,
  });
  const failing = outcome({ ours: [run(1)], rclone: [null] });
  assert.equal(judge({ ...common, peers: ["rclone"], atLeast: 1 }, failing).ok, null);
});
