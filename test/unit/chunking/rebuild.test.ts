import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cut } from "./cuts.ts";
import { concat, Random } from "./files/bytes.ts";
import { WRITERS } from "./files/model.ts";
import { npy } from "./files/npy.ts";

/** Lengths around every number of `SMALL`: nothing, tiny, a group's, a big tensor's, several pieces'. */
const length = fc.oneof(
  { weight: 4, arbitrary: fc.nat(300) },
  { weight: 4, arbitrary: fc.integer({ min: 300, max: 4_095 }) },
  { weight: 3, arbitrary: fc.integer({ min: 4_096, max: 30_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 140_000 }) },
);
const seed = fc.integer({ min: 1 });

describe("a file is rebuilt byte by byte from its recipe and its chunks", () => {
  for (const { name, format, write } of WRITERS) {
    test(name, async () => {
      await fc.assert(
        fc.asyncProperty(seed, fc.array(length, { minLength: 1, maxLength: 25 }), async (start, lengths) => {
          const random = new Random(start);
          const file = write(lengths.map((bytes, index) => ({ name: `tensor.${index}`, bytes: random.bytes(bytes) })));
          assert.equal((await cut(file)).format, format);
        }),
        { numRuns: 25 },
      );
    });
  }

  for (const version of [1, 2, 3]) {
    test(`npy ${version}`, async () => {
      await fc.assert(
        fc.asyncProperty(seed, length, async (start, bytes) => {
          assert.equal((await cut(npy(new Random(start).bytes(bytes + 1), version))).format, "npy");
        }),
        { numRuns: 20 },
      );
    });
  }

  test("any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(seed, fc.nat(400_000), async (start, bytes) => {
        assert.equal((await cut(new Random(start).bytes(bytes))).format, "opaque");
      }),
      { numRuns: 40 },
    );
  });

  test("archives one behind the other, after something that is none", async () => {
    const [, , , torch] = WRITERS;
    assert.ok(torch);
    const random = new Random(7);
    const archive = () => torch.write([{ name: "a", bytes: random.bytes(9_000) }]);
    const { format, sizes } = await cut(concat([Uint8Array.of(0x50, 0x4b, 3, 4), random.bytes(700), archive(), archive()]));
    assert.equal(format, "zip");
    assert.equal(sizes.filter((size) => size === 9_000).length, 2);
  });
});

test("an empty file has no chunks", async () => {
  const { recipe } = await cut(new Uint8Array(0));
  assert.deepEqual([recipe.size, recipe.chunks, recipe.extents], [0, [], []]);
});

test("chunks of equal content are one chunk of the recipe", async () => {
  const bytes = new Random(3).bytes(5_000);
  const { recipe } = await cut(WRITERS[0]?.write(["a", "b", "c"].map((name) => ({ name, bytes }))) ?? bytes);
  assert.deepEqual(
    recipe.chunks.map(([, size]) => size).sort((a, b) => a - b),
    [recipe.size - 15_000, 5_000],
  );
  assert.equal(recipe.extents.length, 4);
});
