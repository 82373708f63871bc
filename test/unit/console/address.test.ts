import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRoute, to } from "../../../functions/dashboard/app/core/address.ts";

const part = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => text.isWellFormed());

test("an address says again what it was made of, whatever is in names and values", () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), part), (parts, query) => {
      const route = parseRoute(to(parts, query));
      assert.deepEqual(route.parts, parts);
      assert.deepEqual(Object.fromEntries(route.query), { ...query });
    }),
  );
});

test("what can't be decoded is the overview, and throws nothing", () => {
  for (const hash of ["#/%", "#/%E0%A4%A", "#", "", "#//", "#/?"]) assert.deepEqual(parseRoute(hash).parts, [], hash);
});
