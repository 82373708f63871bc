/** Heads and chunked bodies: the same whatever the pieces they come in, and nothing that could be read in two ways. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkedReader } from "../../../scripts/node/http-chunked.ts";
import { framingOf, HeadProblem, HeadReader, parseHead, staysOpen } from "../../../scripts/node/http-head.ts";

const HEAD = 'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nETag: "a:b"\r\nX-Empty:\r\nX-Twice: a\r\nx-twice:  b \r\n\r\n';

/** Cuts bytes at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, at) => bytes.subarray(places[at], to));
}

function readHead(given: readonly Buffer[]) {
  const reader = new HeadReader();
  for (const [at, piece] of given.entries()) {
    // What is read into next must not change what was read before.
    const scratch = Buffer.from(piece);
    const found = reader.push(scratch);
    scratch.fill(0x7a);
    if (found !== null) return { ...found, rest: Buffer.concat([piece.subarray(found.used), ...given.slice(at + 1)]) };
  }
  return null;
}

test("a head is the same in one piece, cut at any one byte, and byte by byte; what follows is left alone", () => {
  const bytes = Buffer.from(`${HEAD}hello`, "latin1");
  const whole = readHead([bytes]);
  assert.deepEqual(
    [...(whole?.head.headers ?? [])],
    [
      ["content-length", "5"],
      ["etag", '"a:b"'],
      ["x-empty", ""],
      ["x-twice", "a, b"],
    ],
  );
  assert.equal(whole?.head.status, 206);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const found = readHead(pieces(bytes, [cut]));
    assert.deepEqual(found?.head, whole?.head, `cut at ${cut}`);
    assert.equal(found?.rest.toString(), "hello");
  }
  assert.deepEqual(readHead([...bytes].map((byte) => Buffer.from([byte])))?.head, whole?.head);
});

test("a head is the same in any pieces", () => {
  const bytes = Buffer.from(`${HEAD}hello`, "latin1");
  const whole = readHead([bytes]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const found = readHead(pieces(bytes, cuts));
      assert.deepEqual(found?.head, whole?.head);
      assert.equal(found?.rest.toString(), "hello");
    }),
  );
});

const REFUSED: [string, string][] = [
  ["another protocol", "SSH-2.0-OpenSSH_9.2"],
  ["HTTP/2 in words", "HTTP/2 200 OK"],
  ["HTTP/1.2", "HTTP/1.2 200 OK"],
  ["a status of two digits", "HTTP/1.1 20 OK"],
  ["a status of four digits", "HTTP/1.1 2000 OK"],
  ["a status of zero", "HTTP/1.1 000 OK"],
  ["two spaces before the status", "HTTP/1.1  200 OK"],
  ["nothing", ""],
  ["a folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c"],
  ["a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5"],
  ["a header without a colon", "HTTP/1.1 200 OK\r\nContent-Length 5"],
  ["a header without a name", "HTTP/1.1 200 OK\r\n: 5"],
  ["a bare line feed", "HTTP/1.1 200 OK\nA: b"],
  ["a bare carriage return", "HTTP/1.1 200 OK\r\nA: b\rc"],
  ["a zero byte", "HTTP/1.1 200 OK\r\nA: b\0c"],
  ["129 headers", `HTTP/1.1 200 OK${"\r\na: b".repeat(129)}`],
];
for (const [what, head] of REFUSED) test(`a head with ${what} is refused`, () => assert.throws(() => parseHead(head), HeadProblem));

test("a head that does not end is refused before it fills the memory, and one that is too long though it ends", () => {
  const reader = new HeadReader();
  const filler = Buffer.alloc(8192, "a");
  assert.throws(() => {
    for (let n = 0; n < 10; n++) reader.push(filler);
  }, HeadProblem);
  assert.throws(() => new HeadReader().push(Buffer.from(`HTTP/1.1 200 OK\r\na: ${"b".repeat(40_000)}\r\n\r\n`)), HeadProblem);
});

const FRAMINGS: [string, string, ReturnType<typeof framingOf> | null][] = [
  ["a length", "content-length: 5", { kind: "length", bytes: 5 }],
  ["no length", "a: b", { kind: "close" }],
  ["chunked", "transfer-encoding: Chunked", { kind: "chunked" }],
  ["two lengths that agree", "content-length: 5\r\ncontent-length: 5", null],
  ["two lengths that do not", "content-length: 5\r\ncontent-length: 6", null],
  ["a length and chunked", "content-length: 5\r\ntransfer-encoding: chunked", null],
  ["a coding around chunked", "transfer-encoding: gzip, chunked", null],
  ["a signed length", "content-length: +5", null],
  ["a negative length", "content-length: -5", null],
  ["a length in hex", "content-length: 0x5", null],
  ["an empty length", "content-length:", null],
  ["a length beyond all numbers", "content-length: 99999999999999999", null],
];
for (const [what, headers, framing] of FRAMINGS) {
  test(`an answer with ${what} ${framing === null ? "is refused" : `ends by ${framing.kind}`}`, () => {
    const head = parseHead(`HTTP/1.1 200 OK\r\n${headers}`);
    if (framing === null) assert.throws(() => framingOf(head), HeadProblem);
    else assert.deepEqual(framingOf(head), framing);
  });
}

test("204 and 304 have no body, and HTTP/1.0 is not chunked", () => {
  assert.deepEqual(framingOf(parseHead("HTTP/1.1 204 No Content\r\ncontent-length: 5")), { kind: "none" });
  assert.deepEqual(framingOf(parseHead("HTTP/1.1 304 Not Modified")), { kind: "none" });
  assert.throws(() => framingOf(parseHead("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked")), HeadProblem);
});

test("a connection stays open unless either side's version or word says otherwise", () => {
  const stays = (version: string, connection: string) => staysOpen(parseHead(`HTTP/${version} 200 OK\r\nconnection: ${connection}`));
  assert.deepEqual(
    [stays("1.1", ""), stays("1.1", "keep-alive"), stays("1.1", "foo, Close"), stays("1.0", ""), stays("1.0", "Keep-Alive")],
    [true, true, false, false, true],
  );
});

function readChunked(given: readonly Buffer[]): { text: string; rest: number; isDone: boolean } | null {
  const got: Buffer[] = [];
  const reader = new ChunkedReader((bytes) => got.push(Buffer.from(bytes)));
  let rest = 0;
  for (const piece of given) {
    const used = reader.push(piece);
    if (used === null) return null;
    rest += piece.length - used;
  }
  return { text: Buffer.concat(got).toString(), rest, isDone: reader.isDone };
}

test("a chunked body is the same in any pieces, with extensions and trailers, and ends where it ends", () => {
  const bytes = Buffer.from("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\nHTTP/1.1");
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      assert.deepEqual(readChunked(pieces(bytes, cuts)), { text: "hello world", rest: 8, isDone: true });
    }),
  );
});

for (const text of ["x\r\n", "\r\n", "-1\r\n", "0x5\r\nhello\r\n", "5\nhello\n", "5\r\nhello5\r\n", "123456789\r\n", "a".repeat(2000)]) {
  test(`a chunked body that begins with ${JSON.stringify(text.slice(0, 16))} is refused`, () => {
    assert.equal(readChunked([Buffer.from(text)]), null);
  });
}

test("no bytes whatever make the readers fail in another way than by refusing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, asHead) => {
      const given = Buffer.concat([Buffer.from(asHead ? "HTTP/1.1 200 OK\r\n" : ""), bytes]);
      try {
        const found = readHead([given]);
        if (found !== null) framingOf(found.head);
      } catch (error) {
        assert.ok(error instanceof HeadProblem);
      }
      readChunked([Buffer.from(bytes)]);
    }),
  );
});
