import { test } from "node:test";
import { assertHolds, assertKilled, assertReaches, mutant } from "./report.ts";
import { type RunRules, type RunSetup, runModel } from "./run-model.ts";

const LATE: RunSetup = { servers: 1, latePuts: 1, garbageMax: 1 };
const TWO: RunSetup = { servers: 2, latePuts: 0, garbageMax: 4 };

test("a run of collection deletes nothing that is wanted, also when a PUT of it lands late", (t) => {
  assertHolds(t, runModel(LATE));
  assertHolds(t, runModel({ ...LATE, garbageMax: 4 }));
});

const SOAK: Record<string, RunSetup> = {
  "two servers": TWO,
  "two servers, one key at most": { ...TWO, garbageMax: 1 },
  "two late PUTs": { ...LATE, latePuts: 2 },
};
for (const [name, setup] of Object.entries(SOAK)) {
  const skip = process.env["SOAK"] === "1" ? false : "minutes: SOAK=1 runs it";
  test(`a run of collection deletes nothing that is wanted, at length: ${name}`, { skip, timeout: 3_600_000 }, (t) => {
    assertHolds(t, runModel(setup), { statesMax: 100_000_000 });
  });
}

test("the model of a run is no stand-still", () => {
  assertReaches(runModel(LATE), "the run is done, and the writer committed what it meant to delete", ({ objects, writer, late }) => {
    return objects.progress.phase === "done" && objects.garbage === 1 << 3 && writer.at === "committed" && late.length === 0;
  });
  assertReaches(runModel(TWO), "one server deletes while another scans once more", ({ servers }) => {
    return servers.some(({ at }) => at === "delete") && servers.some((server) => server.at === "write" && server.put.to === "live");
  });
});

test("F37: each rule of a run is needed", (t) => {
  const problem = /lost its chunk/;
  const unsafe = (name: string, setup: RunSetup, change: Partial<RunRules>) => mutant(name, runModel(setup, change), { problem });
  assertKilled(t, [
    unsafe("a part that is done again takes the place of the first, a PUT lands late", LATE, { parts: "in place" }),
    unsafe("a part that is done again takes the place of the first, two servers", TWO, { parts: "in place" }),
    unsafe("what the list says is deleted, a PUT lands late", LATE, { deletes: "what the list says" }),
    unsafe("what the list says is deleted, two servers", TWO, { deletes: "what the list says" }),
  ]);
});
