/**
 * The chunker `ta1`: where a file is cut into chunks, by what it contains. A pure function of the file's bytes, not of its name.
 *
 * Equal tensors of different files become equal chunks wherever they stand and whatever surrounds them. Only writers cut: a recipe
 * says by itself how a file is made of chunks, so readers never do, and another chunker would cost dedup and nothing else. Any
 * change of a rule or a number here is therefore a new chunker with a new name, and the golden vectors hold `ta1` still.
 */
import { TA1, type Ta1Constants } from "./constants.ts";
import { segmentGguf } from "./gguf.ts";
import { groupSegments, type PlannedChunk } from "./group.ts";
import { segmentNpy } from "./npy.ts";
import { cutOpaque } from "./opaque.ts";
import { segmentSafetensors } from "./safetensors.ts";
import { type ByteSource, Malformed, readExactly } from "./source.ts";
import { segmentZip } from "./zip.ts";

export type Format = "safetensors" | "gguf" | "zip" | "npy" | "opaque";

/** The chunks are ordered by their first byte in the file, and each byte of the file is in exactly one of them. */
export type ChunkPlan = { chunker: "ta1"; format: Format; sizeBytes: number; chunks: PlannedChunk[] };

/** Plans the chunks of a file. Memory is bounded whatever the file claims; a file that breaks its format's rules is opaque. */
export async function planChunks(source: ByteSource): Promise<ChunkPlan> {
  return { chunker: "ta1", ...(await cutFile(source, TA1)) };
}

/** `planChunks` with any numbers, for tests. */
export async function cutFile(source: ByteSource, constants: Ta1Constants): Promise<Omit<ChunkPlan, "chunker">> {
  const { sizeBytes } = source;
  const format = await detectFormat(source);
  const chunks = format === "opaque" ? null : await cutContainer(source, format, constants);
  if (chunks !== null) return { format, sizeBytes, chunks };
  return { format: "opaque", sizeBytes, chunks: await cutOpaque(source, constants) };
}

const MAGICS: readonly [Format, readonly number[]][] = [
  ["gguf", [0x47, 0x47, 0x55, 0x46]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["npy", [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]],
];
/** The ninth byte of a safetensors file opens its header. */
const BRACE = 0x7b;

/** What the file's first bytes look like; its parser decides whether it is that. */
export async function detectFormat(source: ByteSource): Promise<Format> {
  const head = await readExactly(source, 0, Math.min(9, source.sizeBytes));
  const [format] = MAGICS.find(([, magic]) => magic.every((byte, index) => head[index] === byte)) ?? [];
  return format ?? (head[8] === BRACE ? "safetensors" : "opaque");
}

const SEGMENTERS = { safetensors: segmentSafetensors, gguf: segmentGguf, zip: segmentZip, npy: segmentNpy };

/** Null if the file is not what it looks like. */
async function cutContainer(source: ByteSource, format: keyof typeof SEGMENTERS, constants: Ta1Constants): Promise<PlannedChunk[] | null> {
  try {
    return groupSegments(await SEGMENTERS[format](source, constants), source.sizeBytes, constants);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
