/** A stored file that is read here and there: its header, its first bytes. */
import type { ByteSource } from "../../../../shared/chunking/source.ts";
import type { Digest } from "../../../../shared/digest.ts";
import { MiB } from "../../../../shared/units.ts";
import type { StoredChunks } from "./chunks.ts";
import type { Layout } from "./layout.ts";

/** Smaller chunks are fetched whole, verified and kept: headers share one with the tiny tensors around them. */
const WHOLE_BYTES_MAX = 16 * MiB;

export function storedSource(chunks: StoredChunks, layout: Layout, signal: AbortSignal): ByteSource {
  const kept = new Map<Digest, Promise<Uint8Array>>();
  const whole = (chunk: Digest, sizeBytes: number) => {
    const known = kept.get(chunk) ?? chunks.whole(chunk, sizeBytes, signal);
    kept.set(chunk, known);
    return known;
  };
  const piece = async (chunk: Digest, offset: number, length: number): Promise<Uint8Array> => {
    const sizeBytes = layout.chunks.get(chunk) ?? 0;
    if (sizeBytes > WHOLE_BYTES_MAX) return chunks.range(chunk, offset, length, signal);
    return (await whole(chunk, sizeBytes)).subarray(offset, offset + length);
  };
  return {
    sizeBytes: layout.sizeBytes,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      for (const extent of layout.extents) {
        const from = Math.max(extent.fileOffset, offset);
        const to = Math.min(extent.fileOffset + extent.length, offset + length);
        if (from < to) bytes.set(await piece(extent.chunk, extent.chunkOffset + from - extent.fileOffset, to - from), from - offset);
        else if (extent.fileOffset >= offset + length) break;
      }
      return bytes;
    },
  };
}
