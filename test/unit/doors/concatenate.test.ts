import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Source } from "../../../functions/doors/catalog.ts";
import { concatenate } from "../../../functions/doors/concatenate.ts";
import { nodeHasher } from "../../../functions/node/hasher.ts";
import { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { Extent } from "../../../shared/ranges.ts";

type Opening = { id: string; offset: number; length: number; signal: AbortSignal };
type Behaviour = (opening: Opening, bytes: Uint8Array) => ReadableStream<Uint8Array>;

const NEVER_MS = 600_000;
const whole: Behaviour = (_, bytes) => new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();

/** Objects of 1,000 bytes, named by one letter, and what was opened of them. */
function stand(letters: string, behaviour: Behaviour = whole) {
  const opened: Opening[] = [];
  const objects = new Map([...letters].map((letter) => [letter, Buffer.alloc(1000, letter)]));
  const catalog = {
    async open({ id }: Source, { offset, length }: { offset: number; length: number }, signal: AbortSignal) {
      const opening = { id, offset, length, signal };
      opened.push(opening);
      return behaviour(opening, (objects.get(id) ?? Buffer.alloc(0)).subarray(offset, offset + length));
    },
    startHash: () => nodeHasher.start(),
  };
  const pieces = [...letters].map((id): Extent<Source> => {
    const sha256 = Digest.parse(
      createHash("sha256")
        .update(objects.get(id) ?? "")
        .digest("hex"),
    );
    return { of: { id, sizeBytes: 1000, sha256 }, offset: 0, length: 1000 };
  });
  return { catalog, pieces, opened, expected: Buffer.concat([...letters].map((letter) => objects.get(letter) ?? Buffer.alloc(0))) };
}

async function read(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

test("pieces come one after another, each opened once and before the one before it ends", async () => {
  const { catalog, pieces, opened, expected } = stand("abcde");
  const reader = concatenate(catalog, pieces, { stallMs: NEVER_MS }).getReader();
  const first = await reader.read();
  assert.ok(opened.length > 1, "the next piece was opened with the first bytes");
  reader.releaseLock();
  assert.equal(first.value?.[0], expected[0]);
  const again = stand("abcde");
  assert.deepEqual(await read(concatenate(again.catalog, again.pieces, { stallMs: NEVER_MS })), expected);
  assert.deepEqual(
    again.opened.map(({ id }) => id),
    [..."abcde"],
  );
});

test("a piece that stalls, or breaks off, is opened anew where it stopped", async () => {
  const seen = new Set<string>();
  const unreliable: Behaviour = (opening, bytes) => {
    if (seen.has(opening.id) || opening.id === "c") return whole(opening, bytes);
    seen.add(opening.id);
    const parts = [bytes.slice(0, 400)];
    return new ReadableStream(
      {
        pull(controller) {
          const next = parts.shift();
          if (next !== undefined) return controller.enqueue(next);
          if (opening.id === "b") return controller.error(new Error("reset"));
          return new Promise<void>(() => {});
        },
      },
      { highWaterMark: 0 },
    );
  };
  const { catalog, pieces, opened, expected } = stand("abc", unreliable);
  assert.deepEqual(await read(concatenate(catalog, pieces, { stallMs: 20 })), expected);
  for (const letter of "ab") assert.ok(opened.some(({ id, offset, length }) => id === letter && offset === 400 && length === 600));
});

test("a store that gives nothing at all ends the stream after a few tries", async () => {
  const { catalog, pieces, opened } = stand("a", () => new ReadableStream({ pull: () => new Promise<void>(() => {}) }));
  await assert.rejects(read(concatenate(catalog, pieces, { stallMs: 5 })), { code: "STORAGE_UNAVAILABLE" });
  assert.equal(opened.length, 5);
});

test("an object that is not what it is called breaks the stream off before its last bytes; a part of it can't be judged", async () => {
  const wrong: Behaviour = ({ id }, bytes) =>
    whole({ id, offset: 0, length: 0, signal: AbortSignal.abort() }, id === "b" ? bytes.map(() => 0) : bytes);
  const { catalog, pieces } = stand("abc", wrong);
  const got: Uint8Array[] = [];
  await assert.rejects(
    async () => {
      for await (const part of concatenate(catalog, pieces, { stallMs: NEVER_MS })) got.push(part);
    },
    (error) => error instanceof FerryError && error.code === "DIGEST_INVALID",
  );
  assert.ok(Buffer.concat(got).length < 2000);
  const parts = pieces.map((piece) => ({ ...piece, offset: 1, length: 999 }));
  assert.equal((await read(concatenate(catalog, parts, { stallMs: NEVER_MS }))).length, 2997);
});

test("a client that goes away stops every open read, and nothing is opened after that", async () => {
  const { catalog, pieces, opened } = stand("abcde");
  const reader = concatenate(catalog, pieces, { stallMs: NEVER_MS }).getReader();
  await reader.read();
  const before = opened.length;
  await reader.cancel();
  assert.ok(opened.every(({ signal }) => signal.aborted));
  assert.equal(opened.length, before);
});

test("nothing is read before somebody asks, and no more than is asked for: memory does not grow with the file", async () => {
  const { catalog, pieces, opened } = stand("abcdefghijklmnop");
  const stream = concatenate(catalog, pieces, { stallMs: NEVER_MS });
  assert.equal(opened.length, 0);
  const reader = stream.getReader();
  await reader.read();
  assert.ok(opened.length <= 4, `${opened.length} of 16 pieces are open`);
});
