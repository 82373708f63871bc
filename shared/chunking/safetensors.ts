/**
 * safetensors: u64 N, N bytes of JSON {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {text: text}}, then the data,
 * in which the offsets count. Writers pad the header with spaces to a multiple of 8. (safetensors/src/tensor.rs)
 *
 * The header is read window by window and kept as numbers only. The entry of one tensor that is longer than `nameBytesMax` is
 * Malformed, as is whatever a strict reader would refuse; but gaps between tensors are not: they are meta.
 */
import type { Ta1Constants } from "./constants.ts";
import { JsonText } from "./json-text.ts";
import { Segments } from "./segments.ts";
import { type ByteSource, Cursor, Malformed, READ_BYTES_MAX } from "./source.ts";
import { elementCount, type TensorInfo } from "./tensor.ts";
import { UniqueNames } from "./unique-names.ts";

/** Bits of an element. Part of `ta1`: a tensor of another dtype is taken at its offsets, unchecked. */
const DTYPE_BITS: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["U8", 8],
  ["I8", 8],
  ["F8_E5M2", 8],
  ["F8_E4M3", 8],
  ["F8_E8M0", 8],
  ["I16", 16],
  ["U16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["I32", 32],
  ["U32", 32],
  ["F32", 32],
  ["C64", 64],
  ["F64", 64],
  ["I64", 64],
  ["U64", 64],
]);

/** Length of `"":{"dtype":"","shape":[],"data_offsets":[0,0]},`. */
const ENTRY_BYTES_MIN = 48;

export async function segmentSafetensors(source: ByteSource, constants: Ta1Constants): Promise<Segments> {
  const segments = new Segments(constants.segmentsMax, (await headerLength(source, constants)) / ENTRY_BYTES_MIN);
  await readSafetensors(source, constants, (tensor, key) => segments.add(tensor.offset, tensor.sizeBytes, key));
  segments.seal(source.sizeBytes);
  return segments;
}

/** Tells `visit` of each tensor, in the header's order; `key` is the CRC-32 of its name. Throws Malformed, perhaps after some. */
export async function readSafetensors(
  source: ByteSource,
  constants: Ta1Constants,
  visit: (tensor: TensorInfo, key: number) => void,
): Promise<void> {
  const headerBytes = await headerLength(source, constants);
  const dataStart = 8 + headerBytes;
  const cursor = new Cursor(source, { start: 8, end: dataStart, windowBytes: READ_BYTES_MAX });
  const json = new JsonText(cursor, constants.nameBytesMax);
  const names = new UniqueNames(constants.segmentsMax, headerBytes / ENTRY_BYTES_MIN);
  for (let more = await opens(json); more; more = json.within(() => json.more("}"))) {
    if (json.isLow) await json.load();
    const { name, entry } = json.within(() => readMember(json));
    const key = names.add(name);
    if (entry === null) await skipMetadata(json, constants);
    else visit({ name, dtype: entry.dtype, shape: entry.shape, offset: dataStart + entry.begin, sizeBytes: entry.end - entry.begin }, key);
    if (json.isLow) await json.load();
  }
  await json.expectEnd();
  names.check();
}

async function headerLength(source: ByteSource, constants: Ta1Constants): Promise<number> {
  const cursor = new Cursor(source, { start: 0, end: source.sizeBytes, windowBytes: 8 });
  await cursor.need(8);
  const headerBytes = cursor.u64();
  if (headerBytes > constants.headerBytesMax || 8 + headerBytes > source.sizeBytes) throw new Malformed("the header is too long");
  return headerBytes;
}

async function skipMetadata(json: JsonText, constants: Ta1Constants): Promise<void> {
  const keys = new UniqueNames(constants.segmentsMax);
  for (let more = await opens(json); more; more = json.within(() => json.more("}"))) {
    if (json.isLow) await json.load();
    keys.add(json.within(() => readName(json)));
    await json.skipString();
    if (json.isLow) await json.load();
  }
  keys.check();
}

/** Takes what opens an object. @returns whether it has a member. */
async function opens(json: JsonText): Promise<boolean> {
  if (json.isLow) await json.load();
  json.within(() => json.expect("{"));
  if (json.isLow) await json.load();
  return !json.within(() => json.closes("}"));
}

function readName(json: JsonText): string {
  const name = json.string();
  json.expect(":");
  return name;
}

/** One tensor; of the metadata, whose length is not bounded, only the name. */
function readMember(json: JsonText): { name: string; entry: Entry | null } {
  const name = readName(json);
  return { name, entry: name === "__metadata__" ? null : readEntry(json) };
}

type Entry = { dtype: string; shape: number[]; begin: number; end: number };

function readEntry(json: JsonText): Entry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  json.expect("{");
  do {
    const key = json.string();
    json.expect(":");
    if (key === "dtype" && dtype === undefined) dtype = json.string();
    else if (key === "shape" && shape === undefined) shape = readIntegers(json);
    else if (key === "data_offsets" && offsets === undefined) offsets = readIntegers(json);
    else throw new Malformed("an entry has an unknown member, or one twice");
  } while (json.more("}"));
  if (dtype === undefined || shape === undefined || offsets === undefined) throw new Malformed("an entry is incomplete");
  return checkEntry(dtype, shape, offsets);
}

function checkEntry(dtype: string, shape: number[], offsets: number[]): Entry {
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length > 2 || begin > end) throw new Malformed("the offsets are wrong");
  const count = elementCount(shape);
  if (count === null) throw new Malformed("a shape is too large");
  const bits = DTYPE_BITS.get(dtype);
  if (bits !== undefined && count !== ((end - begin) * 8) / bits) throw new Malformed("a shape does not fit the offsets");
  return { dtype, shape, begin, end };
}

function readIntegers(json: JsonText): number[] {
  const integers: number[] = [];
  json.expect("[");
  if (json.closes("]")) return integers;
  do integers.push(json.integer());
  while (json.more("]"));
  return integers;
}
