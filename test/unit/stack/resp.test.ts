import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCommands, ProtocolError, type Reply, ReplyError, ReplyParser, Status } from "../../../scripts/stack/resp.ts";

const reply: fc.Memo<Reply> = fc.memo((depth) =>
  depth <= 1
    ? leaf
    : fc.oneof(
        leaf,
        fc.array(reply(depth - 1), { maxLength: 4 }).map((items): Reply => items),
      ),
);
const line = fc.string({ unit: "binary" }).map((text) => text.replace(/[\r\n\ud800-\udfff]/g, ""));
const leaf: fc.Arbitrary<Reply> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  line.map((text) => new Status(text)),
  line.map((text) => new ReplyError(text)),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.constant(null),
);

/** What a Redis would send. */
function wire(value: Reply): Buffer {
  if (value === null) return Buffer.from("$-1\r\n");
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from("\r\n")]);
  if (value instanceof Status) return Buffer.from(`+${value.text}\r\n`);
  if (value instanceof ReplyError) return Buffer.from(`-${value.text}\r\n`);
  if (!Array.isArray(value)) return Buffer.from(`:${value}\r\n`);
  return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(wire)]);
}

test("replies come out as they went in, wherever the network cuts the bytes", () => {
  fc.assert(
    fc.property(fc.array(reply(4), { minLength: 1, maxLength: 6 }), fc.array(fc.nat(), { maxLength: 8 }), (replies, places) => {
      const bytes = Buffer.concat(replies.map(wire));
      const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const parser = new ReplyParser();
      const read = cuts.slice(1).flatMap((end, index) => parser.push(bytes.subarray(cuts[index], end)));
      assert.deepEqual(read, replies);
    }),
  );
});

test("one byte at a time reads the same", () => {
  const replies: Reply[] = [[1, [Buffer.from("a\r\n"), null], []], new Status("OK"), 9223372036854775807n];
  const parser = new ReplyParser();
  const read = [...Buffer.concat(replies.map(wire))].flatMap((byte) => parser.push(Buffer.from([byte])));
  assert.deepEqual(read, replies);
});

test("a null array is null", () => {
  assert.deepEqual(new ReplyParser().push(Buffer.from("*-1\r\n*2\r\n*-1\r\n:1\r\n")), [null, [null, 1]]);
});

const BROKEN = {
  "an unknown type": "?1\r\n",
  "RESP3's map": "%1\r\n",
  "a bare LF": "+OK\n",
  "an empty line": "\r\n",
  "a length that is no number": "$x\r\n",
  "a negative length": "$-2\r\n",
  "a length with a sign": "$+1\r\na\r\n",
  "a bulk string over 512 MiB": "$536870913\r\n",
  "a bulk string that goes on after its length": "$1\r\nab\r\n",
  "an integer that is none": ":1.5\r\n",
  "an empty integer": ":\r\n",
  "a line without end": `+${"x".repeat(70_000)}`,
  "arrays without end": "*1\r\n".repeat(100),
};
for (const [what, text] of Object.entries(BROKEN)) {
  test(`${what} is a protocol error`, () => {
    assert.throws(() => new ReplyParser().push(Buffer.from(text)), ProtocolError);
  });
}

test("lengths of commands are in bytes, and lone surrogates don't break them", () => {
  assert.equal(
    encodeCommands([["SET", "模", "\ud800"], ["PING"]]).toString(),
    "*3\r\n$3\r\nSET\r\n$3\r\n模\r\n$3\r\n\ufffd\r\n*1\r\n$4\r\nPING\r\n",
  );
});
