import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { Ta1Constants } from "../../../shared/chunking/constants.ts";
import { KiB, MiB } from "../../../shared/units.ts";
import { cut, newChunks, SMALL } from "./cuts.ts";
import { concat, Random } from "./files/bytes.ts";

/** The rule read literally, byte by byte, with the whole file in memory. */
function literalCuts(file: Uint8Array, { pieceBytes, gearMinBytes, gearBits }: Ta1Constants): number[] {
  const table = Array.from({ length: 256 }, (_, byte) => createHash("sha256").update(`ta1-gear-${byte}`).digest().readUInt32LE(0));
  const sizes: number[] = [];
  for (let start = 0; start < file.length; ) {
    const end = Math.min(start + pieceBytes, file.length);
    let cutAt = end;
    let hash = 0;
    for (let at = start + gearMinBytes - 32; at < end; at++) {
      hash = (hash * 2 + (table[file[at] ?? 0] ?? 0)) % 2 ** 32;
      if (at < start + gearMinBytes || hash >= 2 ** (32 - gearBits)) continue;
      cutAt = at + 1;
      break;
    }
    sizes.push(cutAt - start);
    start = cutAt;
  }
  return sizes;
}

/** Long enough for cuts far behind the first block that is read. */
const WIDE: Ta1Constants = { ...SMALL, pieceBytes: 3 * MiB, gearMinBytes: 64 * KiB, gearBits: 20 };

describe("opaque files are cut where the gear hash says", () => {
  for (const { name, constants, length } of [
    { name: "near", constants: SMALL, length: 700_000 },
    { name: "across blocks", constants: WIDE, length: 9 * MiB },
    { name: "a rest too short to be cut", constants: SMALL, length: SMALL.pieceBytes + 1 },
  ]) {
    test(name, async () => {
      const file = new Random(11).bytes(length);
      const { format, sizes } = await cut(file, constants);
      assert.equal(format, "opaque");
      assert.deepEqual(sizes, literalCuts(file, constants));
    });
  }

  test("bytes without a cut are cut at the piece", async () => {
    const { sizes, recipe } = await cut(new Uint8Array(3 * SMALL.pieceBytes + 17));
    assert.deepEqual(sizes, [SMALL.pieceBytes, SMALL.pieceBytes, SMALL.pieceBytes, 17]);
    assert.equal(recipe.chunks.length, 2);
  });
});

test("nine bytes inserted change the chunk that they are in, and perhaps the next", async () => {
  const file = new Random(12).bytes(800_000);
  const before = await cut(file);
  for (const at of [0, 300_000, 799_999]) {
    const after = await cut(concat([file.subarray(0, at), new Random(13).bytes(9), file.subarray(at)]));
    const changed = newChunks([before], after).length;
    assert.ok(changed >= 1 && changed <= 2, `${changed} of ${after.sizes.length} chunks are new`);
  }
});
