import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { listTensors } from "../../../shared/chunking/tensors.ts";
import { GuardedSource } from "./cuts.ts";
import { Random, Writer } from "./files/bytes.ts";
import { gguf, text } from "./files/gguf.ts";
import { safetensors, withHeader } from "./files/safetensors.ts";
import { torchZip } from "./files/zip.ts";

const list = (file: Uint8Array) => listTensors(new GuardedSource(file));

const tensors = [
  { name: "embed.权重", bytes: new Random(1).bytes(1_000) },
  { name: "norm", bytes: new Random(2).bytes(30) },
];

describe("lists the tensors and where their bytes are, without padding", () => {
  for (const { name, dtype, file } of [
    { name: "safetensors", dtype: "U8", file: safetensors(tensors, { format: "pt" }) },
    { name: "GGUF", dtype: "I8", file: gguf(tensors) },
  ]) {
    test(name, async () => {
      const listed = (await list(file)) ?? [];
      assert.deepEqual(
        listed.map(({ offset, ...rest }) => ({ ...rest, bytes: file.slice(offset, offset + rest.sizeBytes) })),
        tensors.map(({ name, bytes }) => ({ name, dtype, shape: [bytes.length], sizeBytes: bytes.length, bytes })),
      );
    });
  }

  test("a quantised GGUF tensor has the size of its blocks", async () => {
    const writer = text(new Writer().text("GGUF").uint(3, 4).uint(1, 8).uint(0, 8), "w")
      .uint(2, 4)
      .uint(512, 8)
      .uint(3, 8)
      .uint(12, 4)
      .uint(0, 8);
    const file = writer.align(32).zeros(1_000).done();
    const [tensor] = (await list(file)) ?? [];
    assert.deepEqual(tensor, { name: "w", dtype: "Q4_K", shape: [512, 3], offset: file.length - 1_000, sizeBytes: 6 * 144 });
  });

  test("in the header's order", async () => {
    const header = '{"b":{"dtype":"F16","shape":[2,1],"data_offsets":[2,6]},"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}';
    assert.deepEqual(await list(withHeader(header, new Uint8Array(6))), [
      { name: "b", dtype: "F16", shape: [2, 1], offset: 8 + header.length + 2, sizeBytes: 4 },
      { name: "a", dtype: "BF16", shape: [1], offset: 8 + header.length, sizeBytes: 2 },
    ]);
  });
});

describe("lists nothing of", () => {
  for (const { name, file } of [
    { name: "a file without a header", file: torchZip(tensors) },
    { name: "a safetensors file whose tensors overlap", file: withHeader(overlapping(), new Uint8Array(10)) },
    { name: "a safetensors file that is cut off", file: safetensors(tensors).slice(0, -1) },
    { name: "a GGUF file that is cut off", file: gguf(tensors).slice(0, -10) },
    { name: "a header of more tensors than any model has", file: withHeader(many(250_001)) },
    { name: "an empty file", file: new Uint8Array(0) },
  ]) {
    test(name, async () => assert.equal(await list(file), null));
  }
});

function overlapping(): string {
  const entry = '{"dtype":"U8","shape":[6],"data_offsets":';
  return `{"a":${entry}[0,6]},"b":${entry}[4,10]}}`;
}

function many(count: number): string {
  return `{${Array.from({ length: count }, (_, index) => `"${index}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join(",")}}`;
}
