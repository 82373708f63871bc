/** Writing past the page cache: whatever the pieces, places, pauses and new starts, the file holds what was written last. */
import assert from "node:assert/strict";
import { closeSync, constants, ftruncateSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { Arena, BLOCK_BYTES } from "../../../scripts/node/arena.ts";
import { DirectWriter } from "../../../scripts/node/direct-writer.ts";
import { KiB, MiB } from "../../../shared/units.ts";
import { randomTensor, tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
after(folder.remove);
const FILE_BYTES = 12 * MiB;

/** Opens a file both ways. `directFd` is a plain one where the file system does not do more, so that the test still holds. */
function openBoth(path: string): { fd: number; directFd: number; close: () => void } {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT);
  ftruncateSync(fd, FILE_BYTES);
  let directFd: number;
  try {
    directFd = openSync(path, constants.O_WRONLY | (constants.O_DIRECT ?? 0));
  } catch {
    directFd = openSync(path, constants.O_WRONLY);
  }
  return {
    fd,
    directFd,
    close: () => {
      closeSync(fd);
      closeSync(directFd);
    },
  };
}

function pairOf(arena: Arena): [Buffer, Buffer] {
  const pair = arena.takePair();
  if (pair === null) throw new Error("the arena is empty");
  return pair;
}

test("pieces of any size at any offset, with and without waiting for room, are in the file after a flush", async () => {
  const bytes = randomTensor(FILE_BYTES);
  const arena = new Arena(2);
  const run = fc.record({
    start: fc.nat(FILE_BYTES - 1),
    length: fc.nat(5 * MiB),
    pieces: fc.array(fc.oneof(fc.integer({ min: 500, max: 5000 }), fc.integer({ min: 1, max: 512 * KiB })), { minLength: 1, maxLength: 4 }),
    waits: fc.boolean(),
    restartAfter: fc.option(fc.nat(4 * MiB), { nil: null }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 3 }), async (runs) => {
      const path = join(folder.path, "any.bin");
      const expected = Buffer.alloc(FILE_BYTES);
      rmSync(path, { force: true });
      const both = openBoth(path);
      const writer = new DirectWriter({ id: 1, path, ...both }, arena, pairOf(arena));
      const write = async (from: number, to: number, pieces: readonly number[], waits: boolean) => {
        for (let at = from, n = 0; at < to; n++) {
          const piece = bytes.subarray(at, Math.min(to, at + (pieces[n % pieces.length] ?? 1)));
          writer.write(piece, at);
          expected.set(piece, at);
          at += piece.length;
          if (waits) await writer.room();
        }
      };
      for (const { start, length, pieces, waits, restartAfter } of runs) {
        const end = Math.min(FILE_BYTES, start + length);
        if (restartAfter !== null) {
          // A new start is of all that was not flushed: what came before it may stay in the file or not, and comes again.
          await writer.flush();
          await write(start, Math.min(end, start + restartAfter), pieces, waits);
          writer.restart();
        }
        await write(start, end, pieces, waits);
      }
      await writer.flush();
      writer.close();
      both.close();
      assert.ok(readFileSync(path).equals(expected));
    }),
    { numRuns: 15 },
  );
});

test("there is no room while one block is being written and the other is nearly full", async () => {
  const path = join(folder.path, "room.bin");
  const arena = new Arena(2);
  const both = openBoth(path);
  const writer = new DirectWriter({ id: 1, path, ...both }, arena, pairOf(arena));
  writer.write(Buffer.alloc(BLOCK_BYTES, 1), 0);
  assert.equal(writer.room(), null);
  writer.write(Buffer.alloc(4096, 2), BLOCK_BYTES);
  assert.equal(writer.room(), null);
  writer.write(Buffer.alloc(BLOCK_BYTES - 8192, 2), BLOCK_BYTES + 4096);
  assert.notEqual(writer.room(), null);
  await writer.room();
  assert.equal(writer.room(), null);
  await writer.flush();
  both.close();
});

test("a disk that fails says so, at the next write or at the flush, and names the file", async () => {
  const path = join(folder.path, "failing.bin");
  const arena = new Arena(2);
  const both = openBoth(path);
  const readOnly = openSync(path, constants.O_RDONLY);
  const writer = new DirectWriter({ id: 1, fd: both.fd, directFd: readOnly, path: "model.bin" }, arena, pairOf(arena));
  writer.write(Buffer.alloc(BLOCK_BYTES, 1), 0);
  await assert.rejects(writer.flush(), {
    code: "FILE_UNWRITABLE",
    details: { path: "model.bin", problem: "EBADF: bad file descriptor, write" },
  });
  assert.throws(() => writer.write(Buffer.alloc(1), 0), { code: "FILE_UNWRITABLE" });
  closeSync(readOnly);
  both.close();
});

test("an arena gives its blocks out once, aligned so that a disk takes them, and has them again when they come back", () => {
  const arena = new Arena(5);
  const pairs = [arena.takePair(), arena.takePair()];
  assert.ok(pairs.every((pair) => pair !== null));
  assert.equal(arena.takePair(), null);
  const places = new Set(pairs.flatMap((pair) => pair?.map((block) => block.byteOffset) ?? []));
  assert.equal(places.size, 4);
  for (const [at, pair] of pairs.entries()) if (pair !== null && at === 0) arena.give(pair);
  assert.notEqual(arena.takePair(), null);
});
