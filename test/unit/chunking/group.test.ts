import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import { cut, SMALL } from "./cuts.ts";
import { Random } from "./files/bytes.ts";
import { safetensors, withHeader } from "./files/safetensors.ts";

const { pieceBytes: PIECE, bigBytes: BIG, targetBytes: TARGET, minBytes: MIN } = SMALL;

/** A tensor after which its group closes, or stays open. */
type Wanted = { bytes: number; closes: boolean };
const open = (bytes: number): Wanted => ({ bytes, closes: false });
const closing = (bytes: number): Wanted => ({ bytes, closes: true });

const CASES: { rule: string; tensors: Wanted[]; chunks: number[] }[] = [
  { rule: "a tensor of BIG is a chunk of its own", tensors: [open(BIG), open(BIG + 1)], chunks: [BIG, BIG + 1] },
  { rule: "a tensor one byte short of PIECE + BIG is not cut", tensors: [open(PIECE + BIG - 1)], chunks: [PIECE + BIG - 1] },
  { rule: "one of PIECE + BIG is cut at PIECE", tensors: [open(PIECE + BIG)], chunks: [PIECE, BIG] },
  { rule: "a long one is cut every PIECE", tensors: [open(3 * PIECE + 5)], chunks: [PIECE, PIECE, PIECE + 5] },
  { rule: "small tensors share a group", tensors: [open(MIN), open(MIN), open(MIN)], chunks: [3 * MIN] },
  { rule: "a group closes after a tensor whose name says so", tensors: [open(MIN), closing(MIN), open(MIN)], chunks: [2 * MIN, MIN] },
  { rule: "a group closes before a big tensor", tensors: [open(MIN), open(BIG), open(MIN)], chunks: [MIN, BIG, MIN] },
  { rule: "a group shorter than MIN goes to the residue", tensors: [open(MIN - 1), open(BIG), closing(9), open(MIN)], chunks: [BIG, MIN] },
  {
    rule: "a group closes before it exceeds PIECE",
    tensors: Array.from({ length: 17 }, () => open(BIG - 1)),
    chunks: [16 * (BIG - 1), BIG - 1],
  },
];

describe("rules for tensors, and the residue holds the rest", () => {
  for (const { rule, tensors, chunks } of CASES) {
    test(rule, async () => {
      const random = new Random(5);
      const file = safetensors(tensors.map((wanted, index) => ({ name: nameOf(index, wanted), bytes: random.bytes(wanted.bytes) })));
      const { format, sizes } = await cut(file);
      assert.equal(format, "safetensors");
      const residue = file.length - chunks.reduce((sum, size) => sum + size, 0);
      assert.deepEqual(sizes, [residue, ...chunks]);
    });
  }
});

test("meta of MIN and more is treated as a tensor, and always closes its group", async () => {
  const gap = 2 * MIN;
  const [first, second] = [nameOf(0, open(MIN)), nameOf(1, open(MIN))];
  const entry = (name: string, begin: number) => `"${name}":{"dtype":"U8","shape":[${MIN}],"data_offsets":[${begin},${begin + MIN}]}`;
  const header = `{${entry(first, 0)},${entry(second, MIN + gap)}}`;
  const { format, sizes } = await cut(withHeader(header, new Random(6).bytes(2 * MIN + gap)));
  assert.equal(format, "safetensors");
  assert.deepEqual(sizes, [8 + header.length, MIN + gap, MIN]);
});

test("short meta between two small tensors does not part them", async () => {
  const [first, second] = [nameOf(0, open(MIN)), nameOf(1, open(MIN))];
  const entry = (name: string, begin: number) => `"${name}":{"dtype":"U8","shape":[${MIN}],"data_offsets":[${begin},${begin + MIN}]}`;
  const header = `{${entry(first, 0)},${entry(second, MIN + 7)}}`;
  const { sizes, recipe } = await cut(withHeader(header, new Random(6).bytes(2 * MIN + 7)));
  assert.deepEqual(sizes, [8 + header.length + 7, 2 * MIN]);
  assert.deepEqual(recipe.extents, [
    [0, 0, 8 + header.length],
    [1, 0, MIN],
    [0, 8 + header.length, 7],
    [1, MIN, MIN],
  ]);
});

test("a long residue is cut every PIECE", async () => {
  const random = new Random(8);
  const tensors = Array.from({ length: 150 }, (_, index) => ({ name: nameOf(index, closing(512)), bytes: random.bytes(512) }));
  const file = safetensors(tensors);
  const { format, sizes } = await cut(file);
  assert.equal(format, "safetensors");
  assert.deepEqual(sizes, [file.length - 150 * 512, PIECE, 150 * 512 - PIECE]);
});

test("a tensor container of any size is cut, a file of other content up to PIECE is one chunk", async () => {
  const tensors = [{ name: "a", bytes: new Random(9).bytes(BIG) }];
  assert.equal((await cut(safetensors(tensors))).sizes.length, 2);
  assert.deepEqual((await cut(new Random(9).bytes(PIECE))).sizes, [PIECE]);
});

/** A name with this index whose CRC-32 makes a group close after so many bytes, or not: written here anew from the rule. */
function nameOf(index: number, { bytes, closes }: Wanted): string {
  for (let attempt = 0; ; attempt++) {
    const name = `t.${index}.${attempt}`;
    if (crc32(name) < (2 ** 32 * bytes) / TARGET === closes || bytes >= BIG) return name;
  }
}
