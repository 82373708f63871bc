/** Cuts a file with small numbers and checks what holds for every plan: nothing lost, nothing doubled, nothing read outside. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { TA1, type Ta1Constants } from "../../../shared/chunking/constants.ts";
import { type ChunkPlan, cutFile } from "../../../shared/chunking/plan.ts";
import { recipeOf } from "../../../shared/chunking/recipe-of.ts";
import { type ByteSource, READ_BYTES_MAX } from "../../../shared/chunking/source.ts";
import type { Digest } from "../../../shared/digest.ts";
import type { Recipe } from "../../../shared/recipe.ts";
import { KiB } from "../../../shared/units.ts";
import { concat } from "./files/bytes.ts";

/** The numbers of ta1 divided by 2^`bits`. Headers don't shrink with them, so the smaller they are, the longer headers seem. */
export function scaled(bits: number): Ta1Constants {
  const by = 2 ** bits;
  return {
    pieceBytes: TA1.pieceBytes / by,
    bigBytes: TA1.bigBytes / by,
    targetBytes: TA1.targetBytes / by,
    minBytes: TA1.minBytes / by,
    gearMinBytes: TA1.gearMinBytes / by,
    gearBits: TA1.gearBits - bits,
    headerBytesMax: 200_000,
    segmentsMax: 2_000,
    gapsMax: 500,
    nameBytesMax: 4 * KiB,
  };
}

/** A file of 100 KiB meets every rule that one of 100 MiB does. */
export const SMALL = scaled(10);

/** Fails the test on a read outside the file, or on one larger than a window. */
export class GuardedSource implements ByteSource {
  readonly #bytes: Uint8Array;
  reads = 0;
  readBytes = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    assert.ok(Number.isSafeInteger(offset) && Number.isSafeInteger(length), `read(${offset}, ${length})`);
    assert.ok(offset >= 0 && length > 0 && offset + length <= this.sizeBytes, `read(${offset}, ${length}) of ${this.sizeBytes} bytes`);
    assert.ok(length <= READ_BYTES_MAX, `read of ${length} bytes at once`);
    this.reads++;
    this.readBytes += length;
    return this.#bytes.subarray(offset, offset + length);
  }
}

export type Cut = { format: ChunkPlan["format"]; chunks: ReadonlyMap<Digest, Uint8Array>; sizes: number[]; recipe: Recipe };

/** Cuts `file`, makes its chunks and its recipe, and checks that the file comes out of them again. */
export async function cut(file: Uint8Array, constants: Ta1Constants = SMALL): Promise<Cut> {
  const source = new GuardedSource(file);
  const plan = await cutFile(source, constants);
  checkReads(source);
  checkChunks(plan, constants);
  const contents = plan.chunks.map(({ ranges }) => concat(ranges.map(([offset, length]) => file.subarray(offset, offset + length))));
  const digests = contents.map(digestOf);
  const recipe = recipeOf({ chunker: "small", ...plan }, digests, digestOf(file));
  const chunks = new Map(digests.map((digest, index) => [digest, contents[index] ?? new Uint8Array(0)]));
  assert.ok(Buffer.from(rebuild(recipe, chunks)).equals(file), "the file is not what its recipe makes");
  return { format: plan.format, chunks, sizes: plan.chunks.map(({ sizeBytes }) => sizeBytes), recipe };
}

/** What any reader does. */
export function rebuild(recipe: Recipe, chunks: ReadonlyMap<Digest, Uint8Array>): Uint8Array {
  return concat(
    recipe.extents.map(([index, offset, length]) => {
      const chunk = chunks.get(recipe.chunks[index]?.[0] as Digest);
      assert.ok(chunk !== undefined && offset + length <= chunk.length);
      return chunk.subarray(offset, offset + length);
    }),
  );
}

/** The chunks of `after` that a store which has `before` lacks. */
export function newChunks(before: readonly Cut[], after: Cut): Uint8Array[] {
  const known = new Set(before.flatMap(({ chunks }) => [...chunks.keys()]));
  return [...after.chunks].filter(([digest]) => !known.has(digest)).map(([, bytes]) => bytes);
}

export function digestOf(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}

/** Time without a clock: a hostile file makes the planner read a few times its length, a window for each segment at most. */
function checkReads({ reads, readBytes, sizeBytes }: GuardedSource): void {
  assert.ok(reads <= 50 + sizeBytes / 20, `${reads} reads of a file of ${sizeBytes} bytes`);
  assert.ok(readBytes <= 100 * (sizeBytes + 1000), `${readBytes} bytes read of a file of ${sizeBytes}`);
}

function checkChunks({ sizeBytes, chunks }: Omit<ChunkPlan, "chunker">, { pieceBytes, bigBytes, minBytes }: Ta1Constants): void {
  assert.ok(chunks.length <= 2 + sizeBytes / minBytes, `${chunks.length} chunks of ${sizeBytes} bytes`);
  let previous = -1;
  for (const chunk of chunks) {
    const [first] = chunk.ranges;
    assert.ok(first !== undefined && first[0] > previous, "the chunks are not in file order");
    previous = first[0];
    assert.ok(chunk.sizeBytes > 0 && chunk.sizeBytes < pieceBytes + bigBytes, `a chunk of ${chunk.sizeBytes} bytes`);
    checkRanges(chunk.ranges, chunk.sizeBytes);
  }
}

function checkRanges(ranges: readonly [number, number][], sizeBytes: number): void {
  let end = -1;
  let sum = 0;
  for (const [offset, length] of ranges) {
    assert.ok(offset > end && length > 0, "the ranges are not in file order, or touch");
    end = offset + length;
    sum += length;
  }
  assert.equal(sum, sizeBytes);
}
