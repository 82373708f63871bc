import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { contentRange, type Extent, piecesOf, rangeOf } from "../../../shared/ranges.ts";

const WHOLE = { kind: "whole" };
const UNSATISFIABLE = { kind: "unsatisfiable" };
const part = (start: number, end: number) => ({ kind: "part", range: { start, end } });

const HEADERS: [header: string | null, answer: object][] = [
  [null, WHOLE],
  ["", WHOLE],
  ["bytes=0-0", part(0, 1)],
  ["bytes=0-", part(0, 100)],
  ["bytes=99-", part(99, 100)],
  ["bytes=10-19", part(10, 20)],
  ["BYTES = 10 - 19", part(10, 20)],
  ["bytes=10-1000", part(10, 100)],
  ["bytes=-1", part(99, 100)],
  ["bytes=-1000", part(0, 100)],
  ["bytes=-0", UNSATISFIABLE],
  ["bytes=100-", UNSATISFIABLE],
  ["bytes=100-200", UNSATISFIABLE],
  ["bytes=99999999999999999999-", UNSATISFIABLE],
  ["bytes=0-99999999999999999999", part(0, 100)],
  ["bytes=20-10", WHOLE],
  ["bytes=-", WHOLE],
  ["bytes=0-1,5-6", WHOLE],
  ["items=0-1", WHOLE],
  ["bytes=a-b", WHOLE],
  ["bytes=0x1-2", WHOLE],
];

for (const [header, answer] of HEADERS)
  test(`of 100 bytes ${header ?? "no header"} asks for ${JSON.stringify(answer)}`, () => assert.deepEqual(rangeOf(header, 100), answer));

test("of an empty file every range is unsatisfiable, and no range is the whole", () => {
  assert.deepEqual(rangeOf("bytes=0-", 0), UNSATISFIABLE);
  assert.deepEqual(rangeOf("bytes=-5", 0), UNSATISFIABLE);
  assert.deepEqual(rangeOf(null, 0), WHOLE);
});

test("Content-Range counts its last byte in", () => assert.equal(contentRange({ start: 10, end: 20 }, 100), "bytes 10-19/100"));

/** Objects of random bytes, and a file of extents over them. */
const file = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 })
  .chain((objects) =>
    fc.tuple(
      fc.constant(objects),
      fc.array(fc.tuple(fc.nat(objects.length - 1), fc.nat(1000), fc.nat(1000)), { minLength: 1, maxLength: 12 }),
      fc.nat(500),
      fc.nat(500),
    ),
  );

test("the pieces of a range, joined, are the range of the file; none is empty or leaves its object", () => {
  fc.assert(
    fc.property(file, ([objects, picks, a, b]) => {
      const extents = picks.map(([of, at, count]): Extent<Uint8Array> => {
        const object = objects[of] ?? new Uint8Array(1);
        const offset = at % object.length;
        return { of: object, offset, length: 1 + (count % (object.length - offset)) };
      });
      const bytesOf = (list: readonly Extent<Uint8Array>[]) =>
        Buffer.concat(list.map(({ of, offset, length }) => of.subarray(offset, offset + length)));
      const whole = bytesOf(extents);
      const start = Math.min(a, b, whole.length);
      const end = Math.min(Math.max(a, b), whole.length);
      const pieces = piecesOf(extents, { start, end });
      assert.deepEqual(bytesOf(pieces), whole.subarray(start, end));
      assert.ok(pieces.every(({ of, offset, length }) => length > 0 && offset >= 0 && offset + length <= of.length));
    }),
  );
});
