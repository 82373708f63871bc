/**
 * GGUF 2 and 3, little-endian: magic, u32 version, u64 tensors, u64 pairs, the pairs {string, u32 type, value}, the tensors {string,
 * u32 dimensions, u64 each, u32 type, u64 offset}; then, aligned, the data in which the offsets count. (ggml, docs/gguf.md)
 *
 * A tensor reaches to the next one's offset, so that its padding never makes a gap; the last one to the file's end.
 */
import type { Ta1Constants } from "./constants.ts";
import { ggmlType } from "./ggml-types.ts";
import { Segments } from "./segments.ts";
import { type ByteSource, Cursor, Malformed, READ_BYTES_MAX } from "./source.ts";
import { elementCount, type TensorInfo } from "./tensor.ts";
import { UniqueNames } from "./unique-names.ts";

const DIMENSIONS_MAX = 4;
const ARRAY_DEPTH_MAX = 4;
const ALIGNMENT_KEY = "general.alignment";
const ALIGNMENT_DEFAULT = 32;

const TYPE_UINT32 = 4;
const TYPE_STRING = 8;
const TYPE_ARRAY = 9;
/** Bytes of a value by its type; strings and arrays are walked. */
const VALUE_BYTES: readonly (number | undefined)[] = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];

export async function segmentGguf(source: ByteSource, constants: Ta1Constants): Promise<Segments> {
  const segments = new Segments(constants.segmentsMax);
  const dataStart = await readGguf(source, constants, (tensor, key) => segments.add(tensor.offset, tensor.sizeBytes, key));
  if (segments.count === 0) return segments;
  segments.seal(source.sizeBytes - dataStart);
  segments.stretch(dataStart, source.sizeBytes);
  return segments;
}

/**
 * Tells `visit` of each tensor, in the header's order, with its offset *in the data*; `key` is the CRC-32 of its name. The size of a
 * tensor of an unknown type is 0. Returns where the data starts. Throws Malformed, perhaps after some visits.
 */
export async function readGguf(
  source: ByteSource,
  constants: Ta1Constants,
  visit: (tensor: TensorInfo, key: number) => void,
): Promise<number> {
  const end = Math.min(source.sizeBytes, constants.headerBytesMax);
  const reader = new GgufReader(new Cursor(source, { start: 0, end, windowBytes: READ_BYTES_MAX }), constants);
  const { tensorCount, pairCount } = await reader.counts();
  const alignment = await reader.pairs(pairCount);
  await reader.tensors(tensorCount, alignment, visit);
  return Math.ceil(reader.position / alignment) * alignment;
}

class GgufReader {
  readonly #cursor: Cursor;
  readonly #constants: Ta1Constants;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(cursor: Cursor, constants: Ta1Constants) {
    this.#cursor = cursor;
    this.#constants = constants;
  }

  get position(): number {
    return this.#cursor.position;
  }

  async counts(): Promise<{ tensorCount: number; pairCount: number }> {
    await this.#cursor.need(24);
    this.#cursor.skip(4);
    const version = this.#cursor.u32();
    if (version !== 2 && version !== 3) throw new Malformed("the version is unknown");
    const tensorCount = this.#cursor.u64();
    const pairCount = this.#cursor.u64();
    if (tensorCount > this.#constants.segmentsMax) throw new Malformed("there are too many tensors");
    return { tensorCount, pairCount };
  }

  /** Skips the pairs. @returns the alignment that they ask for. */
  async pairs(count: number): Promise<number> {
    const keys = new UniqueNames(this.#constants.segmentsMax);
    let alignment = ALIGNMENT_DEFAULT;
    for (let pair = 0; pair < count; pair++) {
      const key = await this.#name();
      keys.add(key);
      if (this.#cursor.loaded < 4) await this.#cursor.need(4);
      const type = this.#cursor.u32();
      if (key === ALIGNMENT_KEY) alignment = await this.#alignment(type);
      else await this.#skipValue(type, 0);
    }
    keys.check();
    return alignment;
  }

  async tensors(count: number, alignment: number, visit: (tensor: TensorInfo, key: number) => void): Promise<void> {
    const names = new UniqueNames(this.#constants.segmentsMax);
    for (let index = 0; index < count; index++) {
      const name = await this.#name();
      const key = names.add(name);
      visit({ name, ...(await this.#tensor(alignment)) }, key);
    }
    names.check();
  }

  async #tensor(alignment: number): Promise<Omit<TensorInfo, "name">> {
    if (this.#cursor.loaded < 4) await this.#cursor.need(4);
    const dimensions = this.#cursor.u32();
    if (dimensions > DIMENSIONS_MAX) throw new Malformed("there are too many dimensions");
    if (this.#cursor.loaded < 8 * dimensions + 12) await this.#cursor.need(8 * dimensions + 12);
    const shape = Array.from({ length: dimensions }, () => this.#cursor.u64());
    const type = ggmlType(this.#cursor.u32());
    const offset = this.#cursor.u64();
    if (offset % alignment !== 0) throw new Malformed("an offset is not aligned");
    const count = elementCount(shape);
    if (count === null || (shape[0] ?? 1) % type.blockElements !== 0) throw new Malformed("a shape is wrong");
    return { dtype: type.name, shape, offset, sizeBytes: (count / type.blockElements) * type.blockBytes };
  }

  async #alignment(type: number): Promise<number> {
    if (type !== TYPE_UINT32) throw new Malformed("the alignment is not an integer");
    if (this.#cursor.loaded < 4) await this.#cursor.need(4);
    const alignment = this.#cursor.u32();
    if (alignment === 0 || (alignment & (alignment - 1)) !== 0) throw new Malformed("the alignment is not a power of two");
    return alignment;
  }

  async #skipValue(type: number, depth: number): Promise<void> {
    const valueBytes = VALUE_BYTES[type];
    if (valueBytes !== undefined) this.#cursor.skip(valueBytes);
    else if (type === TYPE_STRING) await this.#skipStrings(1);
    else if (type === TYPE_ARRAY && depth < ARRAY_DEPTH_MAX) await this.#skipArray(depth + 1);
    else throw new Malformed("a value has an unknown type");
  }

  async #skipArray(depth: number): Promise<void> {
    if (this.#cursor.loaded < 12) await this.#cursor.need(12);
    const type = this.#cursor.u32();
    const count = this.#cursor.u64();
    const valueBytes = VALUE_BYTES[type];
    if (valueBytes !== undefined) this.#cursor.skip(count * valueBytes);
    else if (type === TYPE_STRING) await this.#skipStrings(count);
    else for (let index = 0; index < count; index++) await this.#skipValue(type, depth);
  }

  async #skipStrings(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      if (this.#cursor.loaded < 8) await this.#cursor.need(8);
      this.#cursor.skip(this.#cursor.u64());
    }
  }

  async #name(): Promise<string> {
    if (this.#cursor.loaded < 8) await this.#cursor.need(8);
    const length = this.#cursor.u64();
    if (length > this.#constants.nameBytesMax) throw new Malformed("a name is too long");
    if (this.#cursor.loaded < length) await this.#cursor.need(length);
    try {
      return this.#decoder.decode(this.#cursor.bytes(length));
    } catch {
      throw new Malformed("a name is not UTF-8");
    }
  }
}
