/**
 * Format stability: the same files are cut in the same way for ever, or dedup against everything stored is lost. A difference here
 * means another chunker, which needs another name. GOLDEN_WRITE=1 writes the vectors anew; that is for new ones only.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { planChunks } from "../../../shared/chunking/plan.ts";
import { recipeOf } from "../../../shared/chunking/recipe-of.ts";
import { encodeRecipe, parseRecipe, type Recipe, recipeDigest } from "../../../shared/recipe.ts";
import { KiB, MiB } from "../../../shared/units.ts";
import { cut, digestOf, GuardedSource, scaled } from "./cuts.ts";
import { concat, Random } from "./files/bytes.ts";
import { gguf } from "./files/gguf.ts";
import { model, WRITERS } from "./files/model.ts";
import { npy } from "./files/npy.ts";
import { safetensors, type Tensor } from "./files/safetensors.ts";
import { distcp, torchZip } from "./files/zip.ts";

type Vector = { format: string; sha256: string; sizes: number[]; recipe: string };
type Made = Omit<Vector, "recipe"> & { recipe: Recipe };

function tensors(seed: number, lengths: readonly number[]): Tensor[] {
  const random = new Random(seed);
  return lengths.map((length, index) => ({ name: `model.layers.${index}.weight`, bytes: random.bytes(length) }));
}

const times = (count: number, length: number) => Array.from({ length: count }, (_, index) => length + 1024 * index);

/** Files of real sizes under the real numbers. */
const REAL: Record<string, () => Uint8Array> = {
  "empty.bin": () => new Uint8Array(0),
  "config.json": () => new TextEncoder().encode('{"architectures": ["LlamaForCausalLM"]}\n'),
  "opaque.bin": () => new Random(1).bytes(100 * MiB + 17),
  "model.safetensors": () =>
    safetensors(tensors(2, [69 * MiB, 4 * MiB, 4 * MiB - 1, 5 * MiB, ...times(60, 200 * KiB), 64]), { format: "pt" }),
  "pytorch_model.bin": () => torchZip(tensors(3, [6 * MiB, ...times(40, 300 * KiB), 4 * MiB])),
  "__0_0.distcp": () => distcp(tensors(4, [5 * MiB, ...times(20, 100 * KiB), 4 * MiB])),
  "model.gguf": () => gguf(tensors(5, [9 * MiB, ...times(40, 150 * KiB), 4 * MiB])),
  "array.npy": () => npy(new Random(6).bytes(6 * MiB)),
  "zeros.bin": () => new Uint8Array(66 * MiB),
};

/** A file of each writer under numbers scaled by 2^7. What deflate makes depends on the machine, so nothing is compressed here. */
const SCALED: Record<string, () => Uint8Array> = {
  ...Object.fromEntries(WRITERS.filter(({ name }) => !name.includes("compressed")).map(({ name, write }) => [name, () => write(model())])),
  "opaque bytes": () => concat([new Random(7).bytes(1_500_000), new Uint8Array(600_000)]),
};

check("ta1", REAL, async (file) => {
  const plan = await planChunks(new GuardedSource(file));
  const contents = plan.chunks.map(({ ranges }) => concat(ranges.map(([offset, length]) => file.subarray(offset, offset + length))));
  const recipe = recipeOf(plan, contents.map(digestOf), digestOf(file));
  assert.deepEqual(parseRecipe(encodeRecipe(recipe)), recipe, "every recipe of ta1 is a valid one");
  return { format: plan.format, sha256: digestOf(file), sizes: plan.chunks.map(({ sizeBytes }) => sizeBytes), recipe };
});

check("ta1-scaled", SCALED, async (file) => ({ ...(await cut(file, scaled(7))), sha256: digestOf(file) }));

function check(name: string, files: Record<string, () => Uint8Array>, make: (file: Uint8Array) => Promise<Made>): void {
  const path = new URL(`../../golden/chunking/${name}.json`, import.meta.url);
  const expected: Record<string, Vector> = process.env["GOLDEN_WRITE"] ? {} : JSON.parse(readFileSync(path, "utf8"));
  const made: Record<string, Vector> = {};
  describe(`${name} cuts as ever`, () => {
    for (const [file, content] of Object.entries(files)) {
      test(file, async () => {
        const { format, sha256, sizes, recipe } = await make(content());
        made[file] = { format, sha256, sizes, recipe: await recipeDigest(encodeRecipe(recipe)) };
        if (process.env["GOLDEN_WRITE"]) writeFileSync(path, `${JSON.stringify(made, null, 2)}\n`);
        else assert.deepEqual(made[file], expected[file]);
      });
    }
  });
}
