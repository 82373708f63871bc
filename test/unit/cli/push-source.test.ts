/** What a push notes of where it comes from: read from the environment and from git's own files. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sourceOf } from "../../../scripts/cli/push-source.ts";
import { plant, tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
after(folder.remove);
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const OTHER = "89abcdef0123456789abcdef0123456789abcdef";
const at = (path: string) => join(folder.path, path);

const TREES: [string, Record<string, string>, string | undefined][] = [
  ["a branch", { ".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": `${COMMIT}\n` }, COMMIT],
  ["a detached head", { ".git/HEAD": `${COMMIT}\n` }, COMMIT],
  [
    "a packed branch",
    {
      ".git/HEAD": "ref: refs/heads/main\n",
      ".git/packed-refs": `# pack-refs\n${OTHER} refs/heads/other-main\n${COMMIT} refs/heads/main\n^${OTHER}\n`,
    },
    COMMIT,
  ],
  [
    "a linked work tree",
    {
      ".git": "gitdir: ../linked-repository/worktrees/one\n",
      "../linked-repository/worktrees/one/HEAD": "ref: refs/heads/one\n",
      "../linked-repository/worktrees/one/commondir": "../..\n",
      "../linked-repository/refs/heads/one": `${COMMIT}\n`,
    },
    COMMIT,
  ],
  ["a repository without a commit", { ".git/HEAD": "ref: refs/heads/main\n" }, undefined],
  ["a damaged repository", { ".git/HEAD": "nonsense" }, undefined],
  ["no repository", { "a.txt": "a" }, undefined],
];
for (const [what, files, commit] of TREES) {
  test(`git: ${what}`, () => {
    const tree = at(what.replaceAll(" ", "-"));
    plant(tree, files);
    const deep = join(tree, "checkpoints/step-1");
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "model.bin"), "x");
    for (const pushed of [deep, join(deep, "model.bin")]) assert.equal(sourceOf({}, [pushed]).git, commit);
  });
}

const JOBS: [Record<string, string>, string | undefined][] = [
  [{ SLURM_JOB_ID: "42", JOB_NAME: "train" }, "slurm/42"],
  [{ KFP_RUN_ID: "run-1" }, "kubeflow/run-1"],
  [{ KUBEFLOW_JOB_ID: "job-1" }, "kubeflow/job-1"],
  [{ SLURM_JOB_ID: "", JOB_NAME: "train" }, "train"],
  [{ JOB_NAME: "x".repeat(300) }, "x".repeat(255)],
  [{}, undefined],
];
for (const [env, job] of JOBS) {
  test(`the job of ${JSON.stringify(env).slice(0, 60)}`, () => {
    const source = sourceOf(env, ["/"]);
    assert.deepEqual([source.job, source.host], [job, hostname()]);
  });
}
