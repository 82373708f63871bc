/** The pipe between two requests: every byte, in order, and never more in between than it was told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Pipe } from "../../../scripts/agent/execute-pipe.ts";

test("what is written in any pieces is read in any others, and the writer waits when much is in between", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 100 }),
      async (pieces, step, bytesMax) => {
        const all = Buffer.concat(pieces);
        const pipe = new Pipe(bytesMax);
        let [written, taken] = [0, 0];
        const writing = (async () => {
          for (const piece of pieces) {
            const room = pipe.write(piece);
            written += piece.length;
            // The transport's again: it may be overwritten.
            piece.fill(0);
            assert.ok(written - taken <= bytesMax + 50 + step, "more is held than may be");
            await room;
          }
        })();
        const read = Buffer.alloc(all.length);
        for (; taken < all.length; taken += step) await pipe.read(read.subarray(taken, Math.min(all.length, taken + step)));
        await writing;
        assert.deepEqual(read, all);
      },
    ),
  );
});

test("a failure on either side ends the other", async () => {
  const pipe = new Pipe(10);
  const reading = pipe.read(new Uint8Array(5));
  pipe.fail(new Error("the source died"));
  await assert.rejects(reading, /the source died/);
  assert.throws(() => pipe.write(new Uint8Array(1)), /the source died/);
  const full = new Pipe(10);
  const waiting = full.write(new Uint8Array(20));
  full.fail(new Error("the target died"));
  await waiting;
});
