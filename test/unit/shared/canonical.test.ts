import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonical, type Json } from "../../../shared/canonical.ts";

const key = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.constantFrom("a", "b", "__proto__", "constructor", "10", "9", "é", "\u{1f600}", "\uffff"),
);
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: "binary" }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 5 }),
  ),
})).value;

/** The same value with the keys of every object in another order. */
function turned(value: Json): Json {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, turned(member as Json)]),
  );
}

test("property: the text is JSON of the same value, without spaces, whatever the order of keys", () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonical(value);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(canonical(turned(value)), text);
      assert.equal(canonical(JSON.parse(text)), text);
    }),
    { numRuns: 1_000 },
  );
});

test("keys are in the order of their UTF-16 code units, numbers among them too, at every depth", () => {
  const value = { b: 1, a: { "10": 1, "9": 2, A: 3 }, "\u{1f600}": 0, "\uffff": 0, é: 0, Z: [{ y: 1, x: 2 }] };
  assert.equal(canonical(value), '{"Z":[{"x":2,"y":1}],"a":{"10":1,"9":2,"A":3},"b":1,"é":0,"\u{1f600}":0,"\uffff":0}');
});

test("members that are undefined are left out; text that is not Unicode is escaped, so that it has bytes", () => {
  assert.equal(canonical({ a: undefined, b: null }), '{"b":null}');
  assert.equal(canonical("\ud800"), '"\\ud800"');
  assert.equal(canonical(-0), "0");
});

test("an object's own way of becoming JSON is never asked: members are all that counts, in order or not", () => {
  const told = { toJSON: () => "something else" };
  assert.throws(() => canonical(told as unknown as Json), RangeError);
  for (const value of [
    { a: 1, toJSON: 2 },
    { toJSON: 2, a: 1 },
  ])
    assert.equal(canonical(value), '{"a":1,"toJSON":2}');
  class Point {
    a = 1;
    toJSON() {
      return "something else";
    }
  }
  assert.equal(canonical({ x: new Point() } as unknown as Json), '{"x":{"a":1}}');
  assert.equal(canonical({ x: Object.assign([1], { toJSON: () => 2 }) } as unknown as Json), '{"x":[1]}');
});

test("refuses what JSON readers round, and what is no JSON, at any depth", () => {
  const numbers = [
    0.5,
    -1.25,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    -(2 ** 53),
    1e300,
    Number.MIN_VALUE,
  ];
  const others = [undefined, 1n, Symbol("x"), () => 1, Object];
  for (const wrong of [...numbers, ...others] as Json[]) {
    assert.throws(() => canonical(wrong), RangeError);
    assert.throws(() => canonical([1, wrong]), RangeError);
    if (wrong !== undefined) assert.throws(() => canonical({ a: [{ b: wrong }] }), RangeError);
  }
  // biome-ignore lint/suspicious/noSparseArray: a hole is one of the things refused.
  assert.throws(() => canonical([1, , 2] as Json), RangeError);
  for (const right of [2 ** 53 - 1, -(2 ** 53) + 1, 0]) assert.equal(canonical(right), String(right));
});
