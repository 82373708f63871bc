import assert from "node:assert/strict";
import { test } from "node:test";
import { type PartFlags, partOf } from "../../../scripts/cli/session-rank.ts";
import { FerryError } from "../../../shared/errors.ts";

const TORCH = { RANK: "3", WORLD_SIZE: "8" };
const SLURM = { SLURM_PROCID: "5", SLURM_NTASKS: "16" };
const MPI = { OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "2" };

const GOOD: [string, Record<string, string>, PartFlags, [number, number]][] = [
  ["torchrun", TORCH, {}, [3, 8]],
  ["auto is the default", TORCH, { part: "auto" }, [3, 8]],
  ["Slurm", SLURM, {}, [5, 16]],
  ["Open MPI", MPI, {}, [1, 2]],
  ["torchrun below Slurm: the inner launcher counts", { ...SLURM, ...TORCH }, {}, [3, 8]],
  ["Open MPI below Slurm: Slurm comes first", { ...SLURM, ...MPI }, {}, [5, 16]],
  ["an Indexed Job says its index only", { JOB_COMPLETION_INDEX: "2" }, { parts: 4 }, [2, 4]],
  ["Volcano too", { VC_TASK_INDEX: "0" }, { parts: 3 }, [0, 3]],
  ["an Indexed Job that knows its world", { JOB_COMPLETION_INDEX: "2", WORLD_SIZE: "4" }, {}, [2, 4]],
  ["flags win over the environment", TORCH, { part: 0, parts: 2 }, [0, 2]],
  ["a part by hand, the number from the environment", TORCH, { part: 7 }, [7, 8]],
  ["no launcher at all", {}, { part: 1, parts: 2 }, [1, 2]],
  ["empty variables are as good as none", { RANK: "", SLURM_PROCID: "1", SLURM_NTASKS: "2" }, {}, [1, 2]],
];

for (const [name, env, flags, [part, parts]] of GOOD) test(name, () => assert.deepEqual(partOf(env, flags), { part, parts }));

const BAD: [string, Record<string, string>, PartFlags, RegExp][] = [
  [
    "no rank",
    {},
    { parts: 2 },
    /None of RANK, SLURM_PROCID, OMPI_COMM_WORLD_RANK, JOB_COMPLETION_INDEX, VC_TASK_INDEX is set; say --part K/,
  ],
  ["no number", { JOB_COMPLETION_INDEX: "2" }, {}, /say --parts N/],
  ["a part beyond the last", TORCH, { parts: 3 }, /part 3 of 3: parts are counted from 0/],
  ["a rank that is no number", { RANK: "node-3", WORLD_SIZE: "8" }, {}, /RANK is 'node-3', which is no number/],
  ["a negative rank", { RANK: "-1", WORLD_SIZE: "8" }, {}, /RANK is '-1'/],
  ["too many ranks", { RANK: "0", WORLD_SIZE: "5000" }, {}, /WORLD_SIZE is '5000', which is no number up to 1024/],
  ["no ranks", { RANK: "0", WORLD_SIZE: "0" }, {}, /part 0 of 0/],
];

for (const [name, env, flags, problem] of BAD) {
  test(`refused: ${name}`, () =>
    assert.throws(
      () => partOf(env, flags),
      (error) => error instanceof FerryError && error.code === "USAGE_INVALID" && problem.test(error.message),
    ));
}
