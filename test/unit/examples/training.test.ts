/** The examples for training: Python that runs, against stand-ins of the frameworks; commands of `ferry` that are there; documents that parse. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import * as z from "zod";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { findProgram } from "../../../scripts/stack/child.ts";
import { commandProblem, shellWords } from "../../support/command-words.ts";
import { ROOT } from "../../support/markdown.ts";
import { memoryHost } from "../../support/memory-host.ts";
import { tempFolder } from "../../support/trees.ts";

const FOLDER = join(ROOT, "examples/training");
const read = (file: string) => readFileSync(join(FOLDER, file), "utf8");
const PYTHON = ["python3", "python"].find((name) => findProgram(name) !== null);

/** The parts of frameworks that the examples touch. */
const STAND_INS: Record<string, string> = {
  "transformers.py": "class TrainerCallback:\n    pass\n",
  "torch/__init__.py": "",
  "torch/distributed/__init__.py": "def get_rank():\n    return 0\n",
  "torch/distributed/checkpoint.py": "def save(state, checkpoint_id):\n    print('saved', checkpoint_id)\n",
};

const TRAINER = `
from types import SimpleNamespace as Is
from hf_trainer import FerryCallback
callback = FerryCallback("team/llama")
state = Is(is_world_process_zero=True, global_step=1000, log_history=[{"loss": 0.5, "step": 1}, {"loss": 0.25, "epoch": 2}, {"eval_loss": 0.3}])
callback.on_save(Is(output_dir="out"), state, None)
callback.on_save(Is(output_dir="out"), Is(is_world_process_zero=False, global_step=1000, log_history=[]), None)
callback.on_train_end(None, state, None)
`;
const DCP = `
from ferry_push import FerryPushes
import torch_dcp
pushes = FerryPushes("team/llama")
torch_dcp.save(pushes, {}, "ckpt/step-7", 7)
pushes.finish()
`;
const MEGATRON = `
from ferry_push import FerryPushes
from megatron_finalize import push_when_saved
pushes = FerryPushes("team/llama")
push_when_saved(pushes, "ckpt/iter_0001000/", 1000)()
pushes.finish()
`;
const FAILING = `
from ferry_push import FerryPushes
pushes = FerryPushes("team/llama", ferry="false")
pushes.start("ckpt/1")
try:
    pushes.start("ckpt/2")
except RuntimeError as error:
    print(error)
pushes.start("ckpt/2")
try:
    pushes.finish()
except RuntimeError as error:
    print(error)
`;

describe("Python for training", { skip: PYTHON === undefined && "there is no Python" }, () => {
  const folder = tempFolder();
  after(() => folder.remove());
  for (const [file, text] of Object.entries(STAND_INS)) {
    mkdirSync(join(folder.path, file, ".."), { recursive: true });
    writeFileSync(join(folder.path, file), text);
  }
  const bin = join(folder.path, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "ferry"), `#!/bin/sh\nprintf '%s\\n' "$*" >> "$CALLS"\n`);
  chmodSync(join(bin, "ferry"), 0o755);

  const program = makeProgram(memoryHost().host);

  /** Runs it; every call that it makes is a command of ferry. */
  function ran(script: string): { calls: string[]; stdout: string } {
    const calls = join(folder.path, "calls");
    writeFileSync(calls, "");
    const env = {
      PATH: `${bin}:${process.env["PATH"] ?? ""}`,
      PYTHONPATH: `${FOLDER}:${folder.path}`,
      CALLS: calls,
      SLURM_JOB_ID: "42",
      PYTHONDONTWRITEBYTECODE: "1",
    };
    const stdout = execFileSync(PYTHON ?? "", ["-c", script], { env, cwd: folder.path, encoding: "utf8" });
    const made = readFileSync(calls, "utf8").trim().split("\n").filter(Boolean);
    for (const call of made) assert.equal(commandProblem(program, call.split(" ")), null, call);
    return { calls: made, stdout };
  }

  test("the Trainer's callback pushes each checkpoint once, from one process, with the last figures", () => {
    const { calls } = ran(TRAINER);
    assert.deepEqual(calls, [
      "push out/checkpoint-1000 team/llama --quiet --message step 1000 --label step=1000 --metric loss=0.25 --metric eval_loss=0.3",
    ]);
  });

  test("with DCP each rank pushes in one session, named by job and step, after the checkpoint is there", () => {
    const { calls, stdout } = ran(DCP);
    assert.equal(stdout, "saved ckpt/step-7\n");
    assert.deepEqual(calls, ["push ckpt/step-7 team/llama --quiet --message step 7 --label step=7 --session 42-7"]);
  });

  test("Megatron's finalize function pushes the whole folder", () => {
    assert.deepEqual(ran(MEGATRON).calls, [
      "push ckpt/iter_0001000/ team/llama --quiet --message iter_0001000 --label step=1000 --label checkpoint=iter_0001000",
    ]);
  });

  test("a push that failed is told by the next, and by the end", () => {
    const lines = ran(FAILING).stdout.trim().split("\n");
    assert.deepEqual(
      lines,
      [1, 2].map((at) => `ferry push of ckpt/${at} left with 1; what it said is on standard error`),
    );
  });
});

test("the Slurm script is shell, and its commands of ferry are there", () => {
  assert.equal(spawnSync("bash", ["-n", join(FOLDER, "slurm.sbatch")]).status, 0);
  const calls = [...read("slurm.sbatch").matchAll(/(?:^|[ ;])ferry (.*)$/gm)].map(([, rest = ""]) => shellWords(rest));
  assert.equal(calls.length, 3);
  for (const words of calls) assert.equal(commandProblem(makeProgram(memoryHost().host), words), null, words.join(" "));
});

const Container = z.looseObject({ image: z.string(), args: z.array(z.string()).optional(), command: z.array(z.string()).optional() });

/** Containers wherever they stand in a document. */
function containersIn(node: unknown): z.infer<typeof Container>[] {
  if (typeof node !== "object" || node === null) return [];
  const found = Container.safeParse(node);
  return [...(found.success ? [found.data] : []), ...Object.values(node).flatMap(containersIn)];
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"))) {
  test(`${file}: documents with kinds, and commands of ferry that are there`, () => {
    const program = makeProgram(memoryHost().host);
    const documents = parseAllDocuments(read(file), { uniqueKeys: true, strict: true });
    for (const document of documents) {
      assert.deepEqual(document.errors, []);
      z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata: z.looseObject({}), spec: z.looseObject({}) }).parse(
        document.toJS(),
      );
    }
    const ours = documents.flatMap((document) => containersIn(document.toJS())).filter(({ image }) => image.includes("/modelferry:"));
    assert.ok(ours.length > 0);
    for (const { args = [] } of ours)
      if (!/^(ferry|hf):\/\//.test(args[0] ?? "")) assert.equal(commandProblem(program, args), null, args.join(" "));
  });
}
