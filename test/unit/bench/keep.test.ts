import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { keepResults } from "../../../scripts/bench/keep.ts";
import { type Machine, machineWords } from "../../../scripts/bench/machine.ts";
import { numberText, reportText, tableText } from "../../../scripts/bench/print.ts";
import { BenchFile, type ScenarioReport } from "../../../scripts/bench/report.ts";
import { tempFolder } from "../../support/trees.ts";

const MACHINE: Machine = {
  system: "linux",
  kernel: "6.1",
  architecture: "x64",
  cpu: "Fast(R) CPU 9 @ 3.0GHz",
  cores: 2,
  cpuFlags: ["sha_ni"],
  memoryGib: 24,
  node: "v24",
  openssl: "3.5",
  congestionControl: "cubic",
  ownNetwork: true,
  loadAtStart: 0,
};

function report(name: string, figure: number): ScenarioReport {
  const tables = [{ title: "pull", columns: ["MB/s"], rows: [{ name: "ours", cells: [figure] }] }];
  return { name, conditions: ["1 GiB"], tables, targets: [], skipped: [], notes: [] };
}

test("results of other scenarios on the same machine stay, those of the same scenario are replaced", (t) => {
  const folder = tempFolder();
  t.after(() => folder.remove());
  const keep = (scenarios: ScenarioReport[], machine = MACHINE) =>
    keepResults(folder.path, { at: new Date("2026-11-24T01:02:03Z"), machine, scenarios });
  const file = keep([report("pull", 1), report("push", 2)]);
  assert.equal(basename(file), "2026-11-24-2-core-fast-9-linux.json");
  keep([report("push", 3)]);
  const kept = BenchFile.parse(JSON.parse(readFileSync(file, "utf8")));
  assert.deepEqual(
    kept.scenarios.map(({ name, tables }) => [name, tables[0]?.rows[0]?.cells]),
    [
      ["pull", [1]],
      ["push", [3]],
    ],
  );
  const other = keepResults(join(folder.path, basename(file)), {
    at: new Date(),
    machine: { ...MACHINE, cores: 64 },
    scenarios: [report("pull", 9)],
  });
  assert.equal(BenchFile.parse(JSON.parse(readFileSync(other, "utf8"))).scenarios.length, 1);
});

test("what is kept tells no places of this machine, and no digits that mean nothing", (t) => {
  const folder = tempFolder();
  t.after(() => folder.remove());
  const skipped = [
    { case: "curl", reason: "curl failed: /tmp/x-1/file, http://127.0.0.1:80/bench?X=1 and file:///home/me/a.ts:3, 12 / 3" },
  ];
  const scenario = { ...report("pull", 1234.5678), skipped, notes: ["1.5 / 2 of /dev/shm/there"] };
  const file = keepResults(folder.path, { at: new Date(), machine: MACHINE, scenarios: [scenario] });
  const [kept] = BenchFile.parse(JSON.parse(readFileSync(file, "utf8"))).scenarios;
  assert.deepEqual(kept?.skipped, [{ case: "curl", reason: "curl failed: <path>, <url> and <url> 12 / 3" }]);
  assert.deepEqual(kept?.notes, ["1.5 / 2 of <path>"]);
  assert.deepEqual(kept?.tables[0]?.rows[0]?.cells, [1235]);
});

test("a machine's words tell its kind, and no name", () => {
  assert.equal(machineWords({ ...MACHINE, cpu: "AMD EPYC 9R14 96-Core Processor", cores: 8 }), "8-core-amd-epyc-9r14-96-core-linux");
});

test("tables are aligned, figures have the digits that mean something", () => {
  const table = {
    title: "pull",
    columns: ["MB/s", "runs"],
    rows: [{ name: "ours", cells: [{ median: 1234.5, min: 1, max: 2000 }, "4, 1 failed"] }],
  };
  assert.equal(tableText(table), ["pull           MB/s         runs", "ours  1235 (1…2000)  4, 1 failed"].join("\n"));
  assert.deepEqual([0.123, 1.5, 12.34, 123.4, 7].map(numberText), ["0.12", "1.50", "12.3", "123", "7"]);
});

test("a report tells what was missed, what was not measured, and what was skipped", () => {
  const targets = [
    { target: "speed", wanted: "at least 2", figure: 1.5, ok: false, against: "rclone" },
    { target: "CPU", wanted: "at most 1", figure: null, ok: null },
  ];
  const text = reportText({ ...report("pull", 1), targets, skipped: [{ case: "s5cmd", reason: "not installed" }] });
  assert.match(text, /\[SHORT\] speed: 1\.50 \(against rclone\), wanted at least 2/);
  assert.match(text, /\[ {2}\? {2}\] CPU: not measured, wanted at most 1/);
  assert.match(text, /skipped s5cmd: not installed/);
});
