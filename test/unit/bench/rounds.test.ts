import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, runRounds } from "../../../scripts/bench/measure/rounds.ts";
import { findProgram } from "../../../scripts/stack/child.ts";

const env = { PATH: process.env["PATH"] ?? "" };
const skip = findProgram("true") === null && "there is no program `true`";

/** A case that writes down what happens to it. */
function told(name: string, log: string[], { program = "true", wrong = "" } = {}): Case {
  return {
    name,
    prepare: async () => {
      log.push(`${name} prepare`);
      const look = (what: string) => async () => {
        log.push(`${name} ${what}`);
        if (wrong === what) throw new Error("other bytes");
      };
      return {
        command: { program, args: [], env },
        servers: [],
        verify: look("verify"),
        check: look("check"),
        clear: async () => void log.push(`${name} clear`),
      };
    },
  };
}

function options(rounds: number, log: string[] = []) {
  return {
    rounds,
    foreignMax: Number.POSITIVE_INFINITY,
    without: [] as string[],
    random: () => 0.5,
    note: () => {},
    beforeRounds: async () => void log.push("rounds"),
  };
}

test("contents are verified once before the rounds, looked at after each run, and everything is cleared", { skip }, async () => {
  const log: string[] = [];
  const { runs, skipped } = await runRounds([told("a", log)], options(2, log));
  const run = ["a prepare", "a check", "a clear"];
  assert.deepEqual(log, ["a prepare", "a verify", "a clear", "rounds", ...run, ...run]);
  assert.equal(runs.get("a")?.length, 2);
  assert.ok(runs.get("a")?.every((measured) => measured !== null && measured.wallS > 0));
  assert.deepEqual(skipped, []);
});

test("a case that can't be done, or does it wrong, is skipped with its words, and the others go on", { skip }, async () => {
  const log: string[] = [];
  const cases = [told("fails", log, { program: "false" }), told("lies", log, { wrong: "verify" }), told("works", log)];
  const { runs, skipped } = await runRounds(cases, options(1));
  assert.deepEqual([...runs.keys()], ["works"]);
  assert.deepEqual(
    skipped.map((each) => each.case),
    ["fails", "lies"],
  );
  assert.match(skipped[0]?.reason ?? "", /exit code 1/);
  assert.match(skipped[1]?.reason ?? "", /other bytes/);
  assert.ok(log.includes("fails clear") && log.includes("lies clear"));
});

test("a case that is not wanted never runs, and the report says so", { skip }, async () => {
  const log: string[] = [];
  const { runs, skipped } = await runRounds([told("aws s3", log), told("ours", [])], { ...options(1), without: ["aws"] });
  assert.deepEqual([[...runs.keys()], log], [["ours"], []]);
  assert.deepEqual(skipped, [{ case: "aws s3", reason: "it was left out" }]);
});

test("a run that goes wrong in a round is no figure of that round", { skip }, async () => {
  const { runs } = await runRounds([told("a", [], { wrong: "check" })], options(2));
  assert.deepEqual(runs.get("a"), [null, null]);
});
