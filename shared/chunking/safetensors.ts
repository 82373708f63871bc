/**
 * safetensors: u64 N, N bytes of JSON {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {text: text}}, then the data,
 * in which the offsets count. Writers pad the header with spaces to a multiple of 8. (safetensors/src/tensor.rs)
 *
 * The header is read in windows of 4 MiB, so memory does not grow with it. A name, or the entry of one tensor, longer
 * than `nameBytesMax` is Malformed, as is whatever a strict reader would refuse, but gaps between tensors are not: they are meta.
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

export async function segmentSafetensors(source: ByteSource, constants: Ta1Constants): Promise<Segments> {
  const segments = new Segments(constants.segmentsMax);
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
  const prefix = new Cursor(source, { start: 0, end: source.sizeBytes, windowBytes: 8 });
  await prefix.need(8);
  const headerBytes = prefix.u64();
  const dataStart = 8 + headerBytes;
  if (headerBytes > constants.headerBytesMax || dataStart > source.sizeBytes) throw new Malformed("the header is too long");
  const cursor = new Cursor(source, { start: 8, end: dataStart, windowBytes: READ_BYTES_MAX });
  const json = new JsonText(cursor, constants.nameBytesMax);
  const names = new UniqueNames(constants.segmentsMax);
  await forEachMember(json, async (name) => {
    const key = names.add(name);
    if (name === "__metadata__") return skipMetadata(json, constants);
    const { dtype, shape, begin, end } = await json.within(() => readEntry(json));
    visit({ name, dtype, shape, offset: dataStart + begin, sizeBytes: end - begin }, key);
  });
  await json.expectEnd();
  names.check();
}

async function skipMetadata(json: JsonText, constants: Ta1Constants): Promise<void> {
  const keys = new UniqueNames(constants.segmentsMax);
  await forEachMember(json, async (key) => {
    keys.add(key);
    await json.within(() => json.expect('"'));
    await json.skipString();
  });
  keys.check();
}

/** Takes one object, and calls `member` behind each colon. */
async function forEachMember(json: JsonText, member: (name: string) => Promise<void>): Promise<void> {
  const readName = () => {
    const name = json.string();
    json.expect(":");
    return name;
  };
  await json.within(() => json.expect("{"));
  if (await json.within(() => json.closes("}"))) return;
  do await member(await json.within(readName));
  while (await json.within(() => json.more("}")));
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
