import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Placing } from "../../../shared/transfer/placing.ts";
import type { Place } from "../../../shared/transfer/ports.ts";

/** Places that may overlap in the chunk, and go one behind the other in the file. */
const placesOf = (chunk: number[], cuts: [number, number][]): Place[] => {
  let fileOffset = 0;
  const places = cuts.map(([from, length]) => {
    const chunkOffset = from % chunk.length;
    const place = { chunkOffset, fileOffset, length: 1 + (length % (chunk.length - chunkOffset)) };
    fileOffset += place.length;
    return place;
  });
  return places.sort((a, b) => a.chunkOffset - b.chunkOffset);
};

test("a chunk that comes in any pieces fills every one of its places, also places that overlap", () => {
  const anyChunk = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 60 });
  const anyCuts = fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { minLength: 1, maxLength: 8 });
  const anyPieces = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(anyChunk, anyCuts, anyPieces, (chunk, cuts, pieces) => {
      const places = placesOf(chunk, cuts);
      const file = new Uint8Array(places.reduce((sum, place) => sum + place.length, 0));
      const placing = new Placing(places, (bytes, fileOffset) => file.set(bytes, fileOffset));
      const bytes = Uint8Array.from(chunk);
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const next = Math.min(bytes.length, at + (pieces[n % pieces.length] ?? 1));
        placing.push(bytes.subarray(at, next));
        at = next;
      }
      assert.equal(placing.offset, bytes.length);
      for (const { chunkOffset, fileOffset, length } of places) {
        assert.deepEqual(file.subarray(fileOffset, fileOffset + length), bytes.subarray(chunkOffset, chunkOffset + length));
      }
    }),
  );
});

test("after a restart the bytes go to the same places again", () => {
  const file = new Uint8Array(4);
  const placing = new Placing([{ chunkOffset: 0, fileOffset: 0, length: 4 }], (bytes, fileOffset) => file.set(bytes, fileOffset));
  placing.push(Uint8Array.of(9, 9, 9));
  placing.restart();
  placing.push(Uint8Array.of(1, 2, 3, 4));
  assert.deepEqual([...file], [1, 2, 3, 4]);
});
