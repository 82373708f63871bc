/** Files that lie about themselves are opaque: `cut` fails the test on a crash, a read outside the file, or a byte lost. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Format } from "../../../shared/chunking/plan.ts";
import { cut, SMALL } from "./cuts.ts";
import { concat, Random, Writer } from "./files/bytes.ts";
import { gguf, text } from "./files/gguf.ts";
import { npy } from "./files/npy.ts";
import { safetensors, type Tensor, withHeader } from "./files/safetensors.ts";
import { torchZip, zip } from "./files/zip.ts";

type Case = { name: string; file: Uint8Array; format?: Format };

const TENSORS: Tensor[] = [
  { name: "a", bytes: new Random(1).bytes(6_000) },
  { name: "b", bytes: new Random(2).bytes(160) },
];
const data = (length: number) => new Random(3).bytes(length);

/** `file` with `value` written over `width` bytes at `at`; from the end when negative. */
function patch(file: Uint8Array, at: number, value: number | bigint, width: 1 | 2 | 4 | 8): Uint8Array {
  const patched = file.slice();
  patched.set(new Writer().uint(value, width).done(), at < 0 ? file.length + at : at);
  return patched;
}

function header(...entries: string[]): Uint8Array {
  return withHeader(`{${entries.join(",")}}`, data(100));
}

function entry(name: string, fields: Partial<{ dtype: string; shape: string; offsets: string; more: string }> = {}): string {
  const { dtype = '"U8"', shape = "[10]", offsets = "[0,10]", more = "" } = fields;
  return `"${name}":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}${more}}`;
}

/** `count` tensors of a byte, with a byte between. */
function apart(count: number): string {
  const one = (index: number) => entry(`${index}`, { shape: "[1]", offsets: `[${2 * index},${2 * index + 1}]` });
  return `{${Array.from({ length: count }, (_, index) => one(index)).join(",")}}`;
}

const TEN = { offsets: "[10,20]" };

const SAFETENSORS: Case[] = [
  { name: "a header of 8 GiB in 122 bytes", file: withHeader("{".padEnd(114), undefined, 8 * 2 ** 30) },
  { name: "a header of 2^64 - 1 bytes", file: withHeader(`{${entry("a")}}`, data(10), 2n ** 64n - 1n) },
  { name: "a header of 2^53 bytes", file: withHeader(`{${entry("a")}}`, data(10), 2n ** 53n) },
  { name: "a header one byte longer than the file", file: withHeader(`{${entry("a")}}`, undefined, entry("a").length + 3) },
  { name: "a header over the limit", file: withHeader(`{"__metadata__":{"a":"${"x".repeat(SMALL.headerBytesMax)}"}}`) },
  { name: "a header that ends in the middle", file: withHeader(`{${entry("a")}`, data(10)) },
  { name: "a header of no bytes", file: withHeader("", new TextEncoder().encode("{}"), 0) },
  { name: "only eight bytes and a brace", file: withHeader("{") },
  { name: "tensors that overlap", file: header(entry("a"), entry("b", { offsets: "[9,19]" })) },
  { name: "a tensor in another", file: header(entry("a"), entry("b", { offsets: "[3,5]", shape: "[2]" })) },
  { name: "an empty tensor in another", file: header(entry("a"), entry("b", { offsets: "[3,3]", shape: "[0]" })) },
  { name: "a tensor behind the file's end", file: header(entry("a", { offsets: "[91,101]" })) },
  { name: "a tensor at 2^53", file: header(entry("a", { offsets: "[9007199254740992,9007199254741002]" })) },
  { name: "a tensor that ends before it begins", file: header(entry("a", { offsets: "[10,0]" })) },
  { name: "three offsets", file: header(entry("a", { offsets: "[0,10,20]" })) },
  { name: "one offset", file: header(entry("a", { offsets: "[0]" })) },
  { name: "a name twice", file: header(entry("a"), entry("b", TEN), entry("a", { offsets: "[20,30]" })) },
  { name: "a name twice, once escaped", file: header(entry("a"), entry("\\u0061", TEN)) },
  { name: "a member twice", file: header(entry("a", { more: ',"dtype":"U8"' })) },
  { name: "an unknown member", file: header(entry("a", { more: ',"crc":1' })) },
  { name: "a member missing", file: header('"a":{"dtype":"U8","shape":[10]}') },
  { name: "an entry of no members", file: header('"a":{}') },
  { name: "a tensor named __proto__", file: header(entry("__proto__")) },
  { name: "metadata twice", file: header('"__metadata__":{}', entry("a"), '"__metadata__":{}') },
  { name: "a metadata key twice", file: header('"__metadata__":{"x":"1","x":"2"}', entry("a")) },
  { name: "metadata that is no text", file: header('"__metadata__":{"x":1}', entry("a")) },
  { name: "nested metadata", file: header('"__metadata__":{"x":{"y":"z"}}', entry("a")) },
  { name: "metadata with a wrong escape", file: header('"__metadata__":{"x":"\\x"}', entry("a")) },
  { name: "metadata with an escape cut short", file: header('"__metadata__":{"x":"\\u12"}', entry("a")) },
  { name: "metadata with a line break", file: header('"__metadata__":{"x":"a\nb"}', entry("a")) },
  { name: "metadata that does not end", file: header('"__metadata__":{"x":"a') },
  {
    name: "metadata that is not UTF-8",
    file: concat([withHeader('{"__metadata__":{"x":"', undefined, 27), Uint8Array.of(0xff, 0x22, 0x7d, 0x7d, 0x20)]),
  },
  { name: "a name that is not UTF-8", file: withHeader(`{${entry("a\u00e9")}}`, data(10)).map((byte) => (byte === 0xc3 ? 0xff : byte)) },
  { name: "a name with half of a surrogate pair", file: header(entry("\\ud800")) },
  { name: "a name with a control character", file: header(entry("a\u0001")) },
  { name: "a name over the limit", file: header(entry("a".repeat(SMALL.nameBytesMax))) },
  { name: "an entry over the limit", file: header(entry("a", { shape: `[10${",1".repeat(SMALL.nameBytesMax / 2)}]` })) },
  {
    name: "more tensors than may be",
    file: header(...Array.from({ length: 2_001 }, (_, n) => entry(`${n}`, { offsets: "[0,0]", shape: "[0]" }))),
  },
  { name: "more gaps than may be", file: withHeader(apart(502), data(1_004)) },
  { name: "a shape whose product overflows", file: header(entry("a", { shape: "[4294967296,4294967296,4294967296]" })) },
  { name: "a shape that overflows to fit", file: header(entry("a", { shape: "[9007199254740991,9007199254740991,10]" })) },
  { name: "a shape that does not fit", file: header(entry("a", { shape: "[11]" })) },
  { name: "a shape of another dtype's size", file: header(entry("a", { dtype: '"F32"' })) },
  { name: "half a byte too many", file: header(entry("a", { dtype: '"F4"', shape: "[19]" })) },
  { name: "an integer of 2^53", file: header(entry("a", { shape: "[9007199254740992,0]" })) },
  { name: "an integer of a thousand digits", file: header(entry("a", { shape: `[${"9".repeat(1000)}]` })) },
  ...["-10", "10.0", "1e1", "010", "+10", "NaN", '"10"', "null", "[10]", "", "1 0"].map((shape) => ({
    name: `the integer ${shape || "that is missing"}`,
    file: header(entry("a", { shape: `[${shape}]` })),
  })),
  { name: "a comma too many", file: header(entry("a"), "") },
  { name: "a comma missing", file: header(`${entry("a")} ${entry("b", TEN)}`) },
  { name: "a comment", file: header(`/* */${entry("a")}`) },
  { name: "single quotes", file: header(entry("a").replaceAll('"', "'")) },
  { name: "something behind the header", file: withHeader(`{${entry("a")}} x`, data(10)) },
  { name: "two headers", file: withHeader(`{${entry("a")}}{}`, data(10)) },
  { name: "brackets nested 5,000 deep", file: withHeader(`{"a":${"[".repeat(5_000)}`, data(10)) },
  { name: "braces nested 5,000 deep", file: withHeader('{"a":'.repeat(5_000), data(10)) },
];

/** Positions of the fields of the first tensor and of the counts in a file of `gguf`. */
const GGUF = gguf(TENSORS);
const COUNTS = { tensors: 8, pairs: 16 };
const FIRST_TENSOR = Buffer.from(GGUF).lastIndexOf(text(new Writer(), "a").uint(1, 4).done());
const SECOND_TENSOR = FIRST_TENSOR + 33;
const at = (needle: string) => Buffer.from(GGUF).indexOf(needle) + needle.length;
const one = (pair: (writer: Writer) => Writer) => pair(new Writer().text("GGUF").uint(3, 4).uint(0, 8).uint(1, 8)).zeros(64).done();

const GGUFS: Case[] = [
  ...[2n ** 64n - 1n, 2n ** 63n, 2n ** 53n, 2n ** 40n, 2_001n].flatMap((count) => [
    { name: `${count} tensors`, file: patch(GGUF, COUNTS.tensors, count, 8) },
    { name: `${count} pairs`, file: patch(GGUF, COUNTS.pairs, count, 8) },
    { name: `a string of ${count} bytes`, file: one((writer) => text(writer, "k").uint(8, 4).uint(count, 8)) },
    { name: `a key of ${count} bytes`, file: one((writer) => writer.uint(count, 8)) },
    { name: `an array of ${count} integers`, file: one((writer) => text(writer, "k").uint(9, 4).uint(10, 4).uint(count, 8)) },
    { name: `an array of ${count} strings`, file: one((writer) => text(writer, "k").uint(9, 4).uint(8, 4).uint(count, 8)) },
    { name: `an array of ${count} arrays`, file: one((writer) => text(writer, "k").uint(9, 4).uint(9, 4).uint(count, 8)) },
    { name: `a tensor of ${count + 20_000n} bytes`, file: patch(GGUF, FIRST_TENSOR + 13, BigInt.asUintN(64, count + 20_000n), 8) },
    { name: `a tensor at ${count * 32n}`, file: patch(GGUF, FIRST_TENSOR + 25, BigInt.asUintN(64, count * 32n + 2n ** 20n), 8) },
  ]),
  { name: "a tensor larger than the rest of the file", file: patch(GGUF, SECOND_TENSOR + 13, 200, 8) },
  { name: "tensors that overlap", file: patch(GGUF, SECOND_TENSOR + 25, 5_984, 8) },
  { name: "tensors at one place", file: patch(GGUF, SECOND_TENSOR + 25, 0, 8) },
  { name: "an offset that is not aligned", file: patch(GGUF, SECOND_TENSOR + 25, 6_017, 8) },
  { name: "five dimensions", file: patch(GGUF, FIRST_TENSOR + 9, 5, 4) },
  { name: "2^32 - 1 dimensions", file: patch(GGUF, FIRST_TENSOR + 9, 0xffffffff, 4) },
  { name: "a shape of half a block", file: patch(patch(GGUF, FIRST_TENSOR + 21, 8, 4), FIRST_TENSOR + 13, 48, 8) },
  { name: "a name twice", file: gguf([...TENSORS, ...TENSORS]) },
  { name: "a name over the limit", file: gguf([{ name: "a".repeat(SMALL.nameBytesMax + 1), bytes: data(10) }]) },
  { name: "a tensor named __proto__", file: gguf([{ name: "__proto__", bytes: data(10) }]) },
  { name: "a name that is not UTF-8", file: patch(GGUF, FIRST_TENSOR + 8, 0xff, 1) },
  { name: "version 1", file: gguf(TENSORS, { version: 1 }) },
  { name: "a big-endian file", file: gguf(TENSORS, { version: 0x03000000 }) },
  { name: "an alignment of 0", file: patch(GGUF, at("general.alignment") + 4, 0, 4) },
  { name: "an alignment of 48", file: patch(GGUF, at("general.alignment") + 4, 48, 4) },
  { name: "an alignment larger than the file", file: patch(gguf(TENSORS.slice(0, 1)), at("general.alignment") + 4, 2 ** 31, 4) },
  { name: "an alignment that is a float", file: patch(GGUF, at("general.alignment"), 6, 4) },
  { name: "a value of an unknown type", file: patch(GGUF, at("tokenizer.chat_template"), 13, 4) },
  { name: "an array of an unknown type", file: patch(GGUF, at("tokenizer.ggml.scores") + 4, 13, 4) },
  {
    name: "a key twice",
    file: one((writer) => text(text(writer, "k").uint(0, 4).zeros(1), "k").uint(0, 4)).map((byte, n) => (n === 16 ? 2 : byte)),
  },
  { name: "arrays nested 5,000 deep", file: one((writer) => nested(text(writer, "k"), 5_000)) },
  { name: "only the magic", file: new TextEncoder().encode("GGUF") },
  ...[23, 40, 100, 300, FIRST_TENSOR + 20, FIRST_TENSOR + 60].map((length) => ({
    name: `a file that ends after ${length} bytes`,
    file: GGUF.slice(0, length),
  })),
];

function nested(writer: Writer, depth: number): Writer {
  writer.uint(9, 4);
  for (let level = 0; level < depth; level++) writer.uint(9, 4).uint(1, 8);
  return writer;
}

const ZIP = zip(TENSORS);
const TORCH = torchZip(TENSORS);
const SECOND_LOCAL = Buffer.from(ZIP).lastIndexOf("PK\x03\x04");
const [FIRST_ENTRY, SECOND_ENTRY] = [Buffer.from(ZIP).indexOf("PK\x01\x02"), Buffer.from(ZIP).lastIndexOf("PK\x01\x02")];

const ZIPS: Case[] = [
  { name: "no end record", file: ZIP.slice(0, -22) },
  { name: "something behind the end record", file: concat([ZIP, data(3)]) },
  { name: "a comment shorter than it says", file: patch(ZIP, -2, 9, 2) },
  { name: "a directory larger than the file", file: patch(ZIP, -10, 2 ** 31, 4) },
  { name: "a directory somewhere behind the file", file: patch(ZIP, -6, 2 ** 31, 4) },
  { name: "a directory one byte too far behind", file: patch(ZIP, -6, FIRST_ENTRY + 1, 4) },
  { name: "more members than entries", file: patch(ZIP, -12, 0xffff, 2) },
  { name: "fewer members than entries", file: patch(ZIP, -12, 1, 2) },
  { name: "an entry without its signature", file: patch(ZIP, SECOND_ENTRY, 0, 4) },
  { name: "a payload that leaves the file", file: patch(ZIP, SECOND_ENTRY + 20, 2 ** 31, 4) },
  { name: "a payload that reaches into the directory", file: patch(ZIP, SECOND_ENTRY + 20, 220, 4) },
  { name: "a payload that reaches into the next local header", file: patch(ZIP, FIRST_ENTRY + 20, 6_001, 4) },
  { name: "payloads that overlap", file: patch(ZIP, FIRST_ENTRY + 20, 6_100, 4) },
  { name: "two entries for one member", file: patch(ZIP, SECOND_ENTRY + 42, 0, 4) },
  { name: "a local header behind the file", file: patch(ZIP, SECOND_ENTRY + 42, 2 ** 31, 4) },
  { name: "a local header that is none", file: patch(ZIP, FIRST_ENTRY + 42, 5, 4) },
  { name: "a local header of another method", file: patch(ZIP, SECOND_LOCAL + 8, 8, 2) },
  { name: "a local name that reaches out of the file", file: patch(ZIP, SECOND_LOCAL + 26, 0xffff, 2) },
  { name: "a ZIP64 size that is nowhere", file: patch(ZIP, SECOND_ENTRY + 20, 0xffffffff, 4) },
  { name: "a ZIP64 field too short", file: patch(patch(ZIP, SECOND_ENTRY + 47, 1, 2), SECOND_ENTRY + 20, 0xffffffff, 4) },
  { name: "an extra field longer than all of them", file: patch(ZIP, SECOND_ENTRY + 49, 0xffff, 2) },
  ...[2n ** 64n - 1n, 2n ** 53n, 2n ** 40n].flatMap((value) => [
    { name: `a ZIP64 directory of ${value} bytes`, file: patch(TORCH, -58, value, 8) },
    { name: `a ZIP64 directory at ${value}`, file: patch(TORCH, -50, value, 8) },
    { name: `${value} ZIP64 members`, file: patch(TORCH, -66, value, 8) },
    { name: `a ZIP64 record at ${value}`, file: patch(TORCH, -34, value, 8) },
  ]),
  { name: "a ZIP64 record with an extension", file: patch(TORCH, -94, 45, 8) },
  { name: "a ZIP64 locator without a record", file: patch(TORCH, -98, 0, 4) },
  { name: "more archives than may be", file: concat([TORCH, ...Array.from({ length: 2_001 }, () => zip([]))]) },
  { name: "a broken archive before a good one", file: concat([patch(ZIP, SECOND_ENTRY, 0, 4), ZIP]) },
  { name: "only a magic", file: ZIP.slice(0, 4) },
];

const NPY = npy(data(5_000));
const NPYS: Case[] = [
  { name: "a header longer than the file", file: patch(NPY, 8, 0xfff0, 2) },
  { name: "a header of 4 GiB", file: patch(npy(data(5_000), 2), 8, 0xfffffff0, 4) },
  { name: "a header that does not end in a new line", file: patch(NPY, 8, 100, 2) },
  { name: "a header that is no dict", file: patch(NPY, 10, 0, 1) },
  { name: "version 9", file: patch(NPY, 6, 9, 1) },
  { name: "only a magic", file: NPY.slice(0, 6) },
];

for (const [format, whole, cases] of [
  ["safetensors", safetensors(TENSORS), SAFETENSORS],
  ["gguf", GGUF, GGUFS],
  ["zip", ZIP, ZIPS],
  ["zip", TORCH, []],
  ["npy", NPY, NPYS],
] as const) {
  describe(`what seems to be ${format} is opaque with`, () => {
    test("nothing wrong: then it is not", async () => {
      assert.equal((await cut(whole)).format, format);
    });
    for (const { name, file } of cases) {
      test(name, async () => {
        assert.equal((await cut(file)).format, "opaque");
      });
    }
  });
}

/** What strict readers take, or what only future writers make. */
const UNUSUAL: Case[] = [
  {
    name: "white space everywhere",
    file: withHeader(' {\n "a" : { "dtype":\t"U8", "shape": [ 10 ] , "data_offsets" :[0, 10]} } \r\n'.trimStart(), data(10)),
  },
  { name: "members in another order", file: header('"a":{"data_offsets":[0,10],"shape":[2,5],"dtype":"U8"}') },
  { name: "names in other scripts, and escaped", file: header(entry("权重"), entry("\\u6743\\ud83d\\ude00\\n", TEN)) },
  { name: "tensors in another order than the data", file: header(entry("b", TEN), entry("a")) },
  {
    name: "empty tensors",
    file: header(entry("a"), entry("b", { shape: "[0,5]", offsets: "[10,10]" }), entry("c", { shape: "[0]", offsets: "[0,0]" })),
  },
  { name: "a scalar", file: header(entry("a", { shape: "[]", offsets: "[0,1]" })) },
  { name: "four-bit elements", file: header(entry("a", { dtype: '"F4"', shape: "[20]" })) },
  { name: "a dtype of the future", file: header(entry("a", { dtype: '"F3"', shape: "[26]" })) },
  { name: "as many gaps as may be", file: withHeader(apart(500), data(1_000)) },
  { name: "no tensors", file: withHeader("{}") },
  { name: "metadata of all escapes", file: header('"__metadata__":{"x":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9 é"}', entry("a")) },
  { name: "metadata longer than a name may be", file: header(`"__metadata__":{"x":"${"é\\n".repeat(9_000)}"}`, entry("a")) },
  { name: "a GGUF tensor of a type of the future", file: patch(GGUF, FIRST_TENSOR + 21, 200, 4), format: "gguf" },
  { name: "a GGUF without tensors", file: gguf([]), format: "gguf" },
  { name: "a GGUF that ends without padding", file: gguf([{ name: "a", bytes: data(150) }]).slice(0, -10), format: "gguf" },
  { name: "a zip with a long comment", file: zip(TENSORS, { comment: "c".repeat(60_000) }), format: "zip" },
  { name: "a zip whose comment holds an end record", file: zip(TENSORS, { comment: `PK\x05\x06${"\0".repeat(30)}` }), format: "zip" },
];

describe("a reader's liberty is not taken for a lie:", () => {
  for (const { name, file, format = "safetensors" } of UNUSUAL) {
    test(name, async () => {
      assert.equal((await cut(file)).format, format);
    });
  }
});
