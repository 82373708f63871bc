import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "../../../scripts/bench/options.ts";
import { GiB } from "../../../shared/units.ts";

test("scenarios and options may stand in any order; scenarios have their own defaults for size and rounds", () => {
  const options = parseOptions([
    "--size",
    "2GiB",
    "pull-big",
    "--rounds",
    "7",
    "push-big",
    "--variant=--connections 32",
    "--variant=--verify",
  ]);
  assert.deepEqual(options.scenarios, ["pull-big", "push-big"]);
  assert.equal(options.size, 2 * GiB);
  assert.equal(options.rounds, 7);
  assert.deepEqual(options.variant, ["--connections 32", "--verify"]);
  const bare = parseOptions([]);
  assert.deepEqual([bare.scenarios, bare.size, bare.rounds, bare.foreign], [[], undefined, undefined, 12]);
});

test("a wrong option is named", () => {
  for (const [argv, named] of [
    [["--size", "big"], /--size.*big/],
    [["--rounds", "0"], /--rounds/],
    [["--endpoint", "nowhere"], /--endpoint/],
    [["--colour"], /--colour/],
  ] as const) {
    assert.throws(() => parseOptions(argv), named);
  }
});
