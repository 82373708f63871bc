/** What the chunker is for: how little is new of a file that resembles one that is stored already. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Cut, cut as cutWith, digestOf, newChunks, scaled } from "./cuts.ts";
import { Random } from "./files/bytes.ts";
import { gguf } from "./files/gguf.ts";
import { model, WRITERS } from "./files/model.ts";
import { safetensors, type Tensor } from "./files/safetensors.ts";
import { torchZip } from "./files/zip.ts";

/** Scaled less than elsewhere, so that headers are shorter than MIN, as they are in reality. */
const NUMBERS = scaled(7);
const cut = (file: Uint8Array): Promise<Cut> => cutWith(file, NUMBERS);

const random = new Random(21);
const isBig = ({ bytes }: Tensor) => bytes.length >= NUMBERS.bigBytes;
const total = (chunks: readonly Uint8Array[]) => chunks.reduce((sum, { length }) => sum + length, 0);

function changed(tensors: readonly Tensor[], name: string): Tensor[] {
  return tensors.map((tensor) => (tensor.name === name ? { name, bytes: random.bytes(tensor.bytes.length) } : tensor));
}

/** The digests of a big tensor's chunks, by the rule: pieces of PIECE, the last one less than PIECE + BIG. */
function piecesOf({ bytes }: Tensor): string[] {
  const { pieceBytes, bigBytes } = NUMBERS;
  const digests: string[] = [];
  let at = 0;
  for (; bytes.length - at >= pieceBytes + bigBytes; at += pieceBytes) digests.push(digestOf(bytes.subarray(at, at + pieceBytes)));
  return [...digests, digestOf(bytes.subarray(at))];
}

describe("new values in one tensor make new chunks of that tensor, and at most of the residue", () => {
  const plain = WRITERS.filter(({ name }) => !name.includes("compressed"));
  for (const { name: format, write } of plain) {
    for (const name of ["model.embed_tokens.weight", "model.layers.3.mlp.down_proj.weight"]) {
      test(`${format}: ${name}`, async () => {
        const before = await cut(write(model()));
        const edited = changed(model(), name);
        const fresh = newChunks([before], await cut(write(edited))).map(digestOf);
        const tensor = edited.find((candidate) => candidate.name === name);
        assert.ok(tensor);
        const pieces = new Set(piecesOf(tensor));
        const others = fresh.filter((digest) => !pieces.has(digest));
        assert.ok(fresh.length - others.length === pieces.size && others.length <= 1, `${others.length} others`);
      });
    }

    test(`${format}: a small tensor`, async () => {
      const before = await cut(write(model()));
      const after = await cut(write(changed(model(), "model.layers.3.self_attn.k_proj.weight")));
      const fresh = newChunks([before], after);
      assert.ok(fresh.length <= 2 && total(fresh) < 5 * NUMBERS.targetBytes, `${fresh.length} new chunks of ${total(fresh)} bytes`);
    });
  }
});

describe("an edit of the header makes a new residue and nothing else", () => {
  const cases: { name: string; before: Uint8Array; after: Uint8Array }[] = [
    {
      name: "safetensors metadata",
      before: safetensors(model()),
      after: safetensors(model(), { note: "for you" }),
    },
    { name: "a GGUF chat template", before: gguf(model()), after: gguf(model(), { template: "x".repeat(200) }) },
    { name: "torch.save to another file name", before: torchZip(model()), after: torchZip(model(), { folder: "checkpoint-1000" }) },
  ];
  for (const { name, before, after } of cases) {
    test(name, async () => {
      const stored = await cut(before);
      const plan = await cut(after);
      const fresh = newChunks([stored], plan);
      assert.equal(fresh.length, 1);
      const [first] = plan.recipe.chunks;
      assert.equal(digestOf(fresh[0] ?? before), first?.[0], "the residue, which begins with the header");
    });
  }
});

describe("the same tensors in other files share every chunk of the big ones", () => {
  const tensors = model();
  const half = tensors.length / 2;
  const layouts: { name: string; files: Uint8Array[] }[] = [
    { name: "in two shards", files: [safetensors(tensors.slice(0, half)), safetensors(tensors.slice(half))] },
    { name: "in another order", files: [safetensors(tensors.toReversed())] },
    ...WRITERS.filter(({ name }) => !name.includes("compressed")).map(({ name, write }) => ({
      name: `as ${name}`,
      files: [write(tensors)],
    })),
  ];
  for (const { name, files } of layouts) {
    test(name, async () => {
      const before = await cut(safetensors(tensors));
      for (const file of files) {
        const after = await cut(file);
        assert.notEqual(after.format, "opaque");
        const known = new Set<string>(before.chunks.keys());
        for (const tensor of tensors.filter(isBig)) for (const digest of piecesOf(tensor)) assert.ok(known.has(digest));
        const smallBytes = total(tensors.filter((tensor) => !isBig(tensor)).map(({ bytes }) => bytes));
        const headerBytes = file.length - total(tensors.map(({ bytes }) => bytes));
        assert.ok(total(newChunks([before], after)) <= smallBytes + Math.max(0, headerBytes));
      }
    });
  }
});

test("a tensor put among many small ones makes new chunks of its group and of the header only", async () => {
  const tensors = Array.from({ length: 600 }, (_, index) => ({ name: `expert.${index}`, bytes: random.bytes(3_000 + index) }));
  const stored = await cut(safetensors(tensors));
  const inserted = { name: "expert.new", bytes: random.bytes(1_500) };
  const fresh = newChunks([stored], await cut(safetensors(tensors.toSpliced(300, 0, inserted))));
  // Two groups when the new tensor closes its own; the header, which is that long that it is chunks of its own here.
  assert.ok(stored.sizes.length > 10 && fresh.length <= 3, `${fresh.length} of ${stored.sizes.length} chunks are new`);
});
