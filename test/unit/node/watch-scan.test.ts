import assert from "node:assert/strict";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Checkpoint, findCheckpoints } from "../../../scripts/node/watch-scan.ts";
import { trainerMetrics } from "../../../scripts/node/watch-trainer.ts";
import { FerryError } from "../../../shared/errors.ts";
import { plant, tempFolder } from "../../support/trees.ts";

type Row = { name: string; files: Record<string, string>; marker?: string; found: [string, Checkpoint["framework"], number | null][] };

const ROWS: Row[] = [
  {
    name: "DCP: a folder with .metadata, wherever it stands; one without is not complete, whatever else is in it",
    files: {
      "step-100/.metadata": "",
      "step-100/__0_0.distcp": "",
      "step-200/__0_0.distcp": "",
      "step-200/.metadata.tmp": "",
      "run/a/step-50/.metadata": "",
    },
    found: [
      ["run/a/step-50", "dcp", 50],
      ["step-100", "dcp", 100],
    ],
  },
  {
    name: "DCP: the watched folder itself",
    files: { ".metadata": "", "__0_0.distcp": "", "deeper/.metadata": "" },
    found: [["", "dcp", null]],
  },
  {
    name: "order is that of the steps, not of the names",
    files: { "step-9/.metadata": "", "step-10/.metadata": "", "step-1000/.metadata": "", "step-200/.metadata": "" },
    found: [
      ["step-9", "dcp", 9],
      ["step-10", "dcp", 10],
      ["step-200", "dcp", 200],
      ["step-1000", "dcp", 1000],
    ],
  },
  {
    name: "transformers: trainer_state.json; what DCP writes inside is not a checkpoint of its own",
    files: {
      "checkpoint-500/trainer_state.json": "{}",
      "checkpoint-500/pytorch_model_fsdp_0/.metadata": "",
      "checkpoint-1000/pytorch_model_fsdp_0/.metadata": "",
      "checkpoint-1000/model.safetensors": "",
      "tmp-checkpoint-1500/trainer_state.json": "{}",
      "runs/events.out": "",
    },
    found: [["checkpoint-500", "transformers", 500]],
  },
  {
    name: "Megatron: the one that the tracker names, also without a marker of its own; a newer one is being written",
    files: {
      "latest_checkpointed_iteration.txt": "200\n",
      "iter_0000200/mp_rank_00/model_optim_rng.pt": "",
      "iter_0000300/mp_rank_00/model_optim_rng.pt": "",
      "iter_0000300/.metadata": "",
    },
    found: [["iter_0000200", "megatron", 200]],
  },
  {
    name: "Megatron: an older one vouches for itself by metadata.json, or it is one that a crash left",
    files: {
      "latest_checkpointed_iteration.txt": "300",
      "iter_0000100/metadata.json": "{}",
      "iter_0000200/.metadata": "",
      "iter_0000300/metadata.json": "{}",
      "iter_0000400/metadata.json": "{}",
    },
    found: [
      ["iter_0000100", "megatron", 100],
      ["iter_0000300", "megatron", 300],
    ],
  },
  {
    name: "Megatron: before the first one is complete there is no tracker",
    files: { "iter_0000100/.metadata": "", "iter_0000100/metadata.json": "{}" },
    found: [],
  },
  {
    name: "Megatron: a release, and iterations of more digits",
    files: {
      "a/latest_checkpointed_iteration.txt": "release",
      "a/release/mp_rank_00/x": "",
      "b/latest_checkpointed_iteration.txt": "12345678",
      "b/iter_12345678/x": "",
    },
    found: [
      ["b/iter_12345678", "megatron", 12345678],
      ["a/release", "megatron", null],
    ],
  },
  {
    name: "Megatron: a tracker that says nothing, or leads elsewhere",
    files: {
      "a/latest_checkpointed_iteration.txt": "",
      "a/iter_0000001/x": "",
      "b/latest_checkpointed_iteration.txt": "../../etc",
      "b/iter_0000002/x": "",
    },
    found: [],
  },
  {
    name: "a marker of one's own, by name: then the frameworks' markers say nothing",
    files: { "a-1/DONE": "", "a-2/.metadata": "", "checkpoint-3/DONE": "", "iter_0000004/DONE": "", "a-5/DONE/not-a-file": "" },
    marker: "DONE",
    found: [
      ["a-1", "other", 1],
      ["checkpoint-3", "other", 3],
      ["iter_0000004", "other", 4],
    ],
  },
  {
    name: "a marker by path",
    files: { "out/step-7/_SUCCESS": "", "step-8/_SUCCESS": "", "out/step-9/success": "" },
    marker: "out/*/_SUCCESS",
    found: [["out/step-7", "other", 7]],
  },
  {
    name: "a checkpoint whose removal has begun is none any more",
    files: { ".ferry-0123456789abcdef.removed/.metadata": "", "step-1/.metadata": "" },
    found: [["step-1", "dcp", 1]],
  },
  { name: "an empty folder", files: { keep: "" }, found: [] },
];

for (const { name, files, marker, found } of ROWS) {
  test(name, async () => {
    const folder = tempFolder();
    plant(folder.path, files);
    const { checkpoints } = await findCheckpoints(folder.path, marker ?? null);
    assert.deepEqual(
      checkpoints.map(({ path, framework, step }) => [path, framework, step]),
      found,
    );
    folder.remove();
  });
}

test("a checkpoint that was written again has another stamp; looking at it changes nothing", async () => {
  const folder = tempFolder();
  plant(folder.path, { "step-1/.metadata": "a" });
  const stamp = async () => (await findCheckpoints(folder.path, null)).checkpoints[0]?.stamp;
  const first = await stamp();
  assert.equal(await stamp(), first);
  writeFileSync(join(folder.path, "step-1/.metadata"), "b");
  utimesSync(join(folder.path, "step-1/.metadata"), 1, 1);
  assert.notEqual(await stamp(), first);
  folder.remove();
});

test("a folder that is not there is refused", async () => {
  await assert.rejects(
    findCheckpoints("/nonexistent/checkpoints", null),
    (error) => error instanceof FerryError && error.code === "FILE_UNREADABLE",
  );
});

test("metrics are the last of each figure in the trainer's history, as decimals", async () => {
  const folder = tempFolder();
  const state = `{"epoch": 1.5, "global_step": 20, "best_metric": null, "log_history": [
    {"epoch": 0.5, "step": 10, "loss": 2.5, "grad_norm": NaN, "learning_rate": 5e-05},
    {"epoch": 1.0, "step": 20, "loss": 1.25, "grad_norm": Infinity, "note": "NaN, 3", "learning_rate": 1e-07},
    {"epoch": 1.0, "step": 20, "eval_loss": 1.5, "${"x".repeat(64)}": 1}]}`;
  plant(folder.path, { "trainer_state.json": state });
  assert.deepEqual(await trainerMetrics(folder.path), { epoch: "1", loss: "1.25", learning_rate: "1e-7", eval_loss: "1.5" });
  for (const broken of ["", "[]", '{"log_history": 3}', "{"]) {
    writeFileSync(join(folder.path, "trainer_state.json"), broken);
    assert.deepEqual(await trainerMetrics(folder.path), {});
  }
  folder.remove();
  assert.deepEqual(await trainerMetrics(folder.path), {});
});
