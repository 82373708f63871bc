import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal } from "../../../scripts/soak/journal.ts";
import { chanceOf, parseOptions, pick } from "../../../scripts/soak/options.ts";
import { report } from "../../../scripts/soak/report.ts";

test("one seed gives each part of a soak the same chance again, and each part another", () => {
  const some = (seed: number, part: string) => Array.from({ length: 5 }, chanceOf(seed, part));
  assert.deepEqual(some(7, "faults"), some(7, "faults"));
  assert.notDeepEqual(some(7, "faults"), some(7, "reader"));
  assert.notDeepEqual(some(7, "faults"), some(8, "faults"));
  assert.ok(some(7, "faults").every((value) => value >= 0 && value < 1));
  assert.equal(
    pick(() => 0.99, ["a", "b"]),
    "b",
  );
});

test("options are numbers where they must be, and what is left out has its default", () => {
  const options = parseOptions(["--hours", "0.5", "--seed", "0", "--runtime", "workerd"]);
  assert.deepEqual([options?.hours, options?.seed, options?.runtime, options?.clients], [0.5, 0, "workerd", 8]);
  assert.equal(parseOptions(["--help"]), null);
  for (const argv of [["--hours", "0"], ["--hours", "long"], ["--clients", "-1"], ["--runtime", "deno"], ["--unknown"]])
    assert.throws(() => parseOptions(argv), argv.join(" "));
});

test("the report names the seed, every count, and every violation", () => {
  const options = parseOptions(["--seed", "42"]);
  assert.ok(options !== null);
  const journal = new Journal();
  journal.count("pushes", 3);
  journal.fault("Redis wiped");
  journal.violations.push("team/model lost a revision");
  const text = report(options, journal, { seconds: 60, orphans: 0, missing: 0, indexDifferences: [] });
  assert.match(text, /seed 42/);
  assert.match(text, /pushes +3\n/);
  assert.match(text, /Redis wiped +1\n/);
  assert.match(text, /violations +1\n/);
  assert.match(text, /team\/model lost a revision/);
});
