/** The pipe of an executor: whatever the sizes of pieces, what goes in comes out, in bounded memory, and a failure reaches the other side. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PIPE_BYTES, Pipe } from "../../../scripts/agent/execute-pipe.ts";
import { KiB } from "../../../shared/units.ts";
import { seededBytes } from "../../support/live.ts";

const RING = Buffer.allocUnsafeSlow(PIPE_BYTES);
const CONTENT = Buffer.concat([...seededBytes("content", 3 * PIPE_BYTES)]);

async function writeAll(pipe: Pipe, content: Buffer, sizes: readonly number[]): Promise<void> {
  for (let [at, turn] = [0, 0]; at < content.length; turn++) {
    const bytes = Math.min(sizes[turn % sizes.length] ?? 1, content.length - at);
    // The transport uses its buffer again at once.
    const piece = Buffer.from(content.subarray(at, at + bytes));
    const wait = pipe.write(piece);
    piece.fill(0);
    await wait;
    at += bytes;
  }
}

async function readAll(pipe: Pipe, length: number, size: number): Promise<Buffer> {
  const read = Buffer.alloc(length);
  for (let at = 0; at < length; at += size) await pipe.read(read.subarray(at, Math.min(at + size, length)));
  return read;
}

test("what is written is what is read, and the buffer serves again", async () => {
  const piece = fc.integer({ min: 1, max: PIPE_BYTES / 8 });
  const length = fc.integer({ min: 1, max: CONTENT.length });
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 64 * KiB, max: PIPE_BYTES }),
      length,
      async (sizes, size, bytes) => {
        fc.pre(sizes.some((one) => one > 64 * KiB));
        const pipe = new Pipe(RING);
        const content = CONTENT.subarray(0, bytes);
        const [, read] = await Promise.all([writeAll(pipe, content, sizes), readAll(pipe, bytes, size)]);
        assert.ok(read.equals(content));
      },
    ),
    { numRuns: 30 },
  );
});

test("a failure ends the reader, and the writer that waits or comes later", async () => {
  const pipe = new Pipe(RING);
  const reading = pipe.read(Buffer.alloc(10));
  pipe.fail(new Error("the source broke"));
  await assert.rejects(reading, /the source broke/);
  assert.throws(() => pipe.write(Buffer.alloc(1)), /the source broke/);
  const full = new Pipe(RING);
  let wait: Promise<void> | null = null;
  while (wait === null) wait = full.write(Buffer.alloc(64 * KiB));
  full.fail(new Error("the target broke"));
  await wait;
});

test("the pace holds the writer back, also when there is room", async () => {
  let passed = 0;
  const pipe = new Pipe(RING, (bytes) => {
    passed += bytes;
    return Promise.resolve();
  });
  assert.notEqual(pipe.write(Buffer.alloc(10)), null);
  assert.equal(passed, 10);
});
