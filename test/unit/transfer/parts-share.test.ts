import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Digest } from "../../../shared/digest.ts";
import type { FileEntry } from "../../../shared/manifest.ts";
import { shareOf } from "../../../shared/transfer/parts-share.ts";

const sha256 = Digest.parse("0".repeat(64));
const files = fc
  .uniqueArray(fc.record({ path: fc.stringMatching(/^[a-z]{1,8}$/), size: fc.nat(1000), link: fc.boolean() }), {
    selector: ({ path }) => path,
  })
  .map((items) =>
    items.map(({ path, size, link }): FileEntry => (link ? { path, mode: "link", target: "x" } : { path, mode: "file", size, sha256 })),
  );
const sizeOf = (file: FileEntry) => (file.mode === "link" ? 0 : file.size);

test("shares are disjoint, leave nothing out, and differ by no more than the largest file", () => {
  fc.assert(
    fc.property(files, fc.integer({ min: 1, max: 12 }), (all, parts) => {
      const shares = Array.from({ length: parts }, (_, part) => shareOf(all, { part, parts }));
      assert.deepEqual(
        shares
          .flat()
          .map(({ path }) => path)
          .sort(),
        all.map(({ path }) => path).sort(),
      );
      const loads = shares.map((share) => share.reduce((sum, file) => sum + sizeOf(file), 0));
      assert.ok(Math.max(...loads) - Math.min(...loads) <= Math.max(0, ...all.map(sizeOf)));
    }),
  );
});

test("shares do not depend on the order in which the files are given", () => {
  fc.assert(
    fc.property(files, fc.integer({ min: 1, max: 5 }), (all, parts) => {
      for (let part = 0; part < parts; part++) {
        const paths = (given: FileEntry[]) =>
          shareOf(given, { part, parts })
            .map(({ path }) => path)
            .sort();
        assert.deepEqual(paths(all.toReversed()), paths(all));
      }
    }),
  );
});
