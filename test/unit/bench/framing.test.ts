import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkedFraming, type Framing, framingOf, isAwsChunked, LengthFraming } from "../../../scripts/bench/s3/framing.ts";

/** `bytes` in pieces that end at `cuts`. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}

/** What a framing takes for content, and what it leaves. */
function read(framing: Framing, arriving: readonly Buffer[]): { content: Buffer; rest: Buffer } {
  const content: Buffer[] = [];
  const rest: Buffer[] = [];
  for (const piece of arriving) {
    const used = framing.feed(piece, (bytes) => void content.push(Buffer.from(bytes)));
    rest.push(piece.subarray(used));
  }
  return { content: Buffer.concat(content), rest: Buffer.concat(rest) };
}

function chunked(chunks: readonly Uint8Array[], extension: string, trailer: string): Buffer {
  const parts = chunks.flatMap((chunk) => [`${chunk.length.toString(16)}${extension}\r\n`, Buffer.from(chunk), "\r\n"]);
  return Buffer.concat([...parts, `0${extension}\r\n${trailer}\r\n`].map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

const cuts = fc.array(fc.nat());
const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });

test("a body of a known length ends there, wherever the network cuts it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 20 }), cuts, (body, next, at) => {
      const framing = new LengthFraming(body.length);
      const { content, rest } = read(framing, pieces(Buffer.concat([body, next]), at));
      assert.deepEqual([...content], [...body]);
      assert.deepEqual([...rest], [...next]);
      assert.equal(framing.done, true);
    }),
  );
});

test("a body in chunks is its chunks and nothing else, wherever the network cuts it", () => {
  const extension = fc.constantFrom("", ";chunk-signature=0123", ";a=b;c");
  const trailer = fc.constantFrom("", "x-amz-checksum-crc32:AAAA\r\n", "a:b\r\nc:d\r\n");
  fc.assert(
    fc.property(fc.array(bytes), extension, trailer, fc.uint8Array({ maxLength: 20 }), cuts, (chunks, ext, end, next, at) => {
      const framing = new ChunkedFraming();
      const { content, rest } = read(framing, pieces(Buffer.concat([chunked(chunks, ext, end), next]), at));
      assert.deepEqual(
        [...content],
        chunks.flatMap((chunk) => [...chunk]),
      );
      assert.deepEqual([...rest], [...next]);
      assert.equal(framing.done, true);
    }),
  );
});

test("what is no chunk's size is refused", () => {
  for (const line of ["zz\r\n", "\r\n", "-1\r\n", "123456789\r\n"]) {
    assert.throws(() => new ChunkedFraming().feed(Buffer.from(line), () => {}), RangeError, line);
  }
});

test("heads say which framing their body has", () => {
  assert.equal(framingOf(new Map()), null);
  assert.equal(framingOf(new Map([["content-length", "0"]])), null);
  assert.ok(framingOf(new Map([["content-length", "1"]])) instanceof LengthFraming);
  assert.ok(framingOf(new Map([["transfer-encoding", "chunked"]])) instanceof ChunkedFraming);
  assert.throws(() => framingOf(new Map([["content-length", "x"]])), RangeError);
  assert.equal(isAwsChunked(new Map([["content-encoding", "gzip, aws-chunked"]])), true);
  assert.equal(isAwsChunked(new Map([["x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]])), true);
  assert.equal(isAwsChunked(new Map([["x-amz-content-sha256", "UNSIGNED-PAYLOAD"]])), false);
});
