/** Unpacks the beginning of what is packed: as much as is looked at, however much there is. */
import { type ByteSource, readExactly } from "../chunking/source.ts";
import { KiB } from "../units.ts";

export type Packing = "gzip" | "deflate" | "deflate-raw";

const READ_BYTES = 64 * KiB;

/**
 * At most `maxBytes` of what `length` bytes at `start` unpack to. `isWhole`: that is all. What can't be unpacked ends what is given: a
 * loader would fail there as well.
 */
export async function inflate(
  source: ByteSource,
  { start, length, packing, maxBytes }: { start: number; length: number; packing: Packing; maxBytes: number },
): Promise<{ bytes: Uint8Array; isWhole: boolean }> {
  let at = start;
  const end = start + length;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (at >= end) return controller.close();
      const piece = await readExactly(source, at, Math.min(READ_BYTES, end - at));
      at += piece.length;
      controller.enqueue(Uint8Array.from(piece));
    },
  });
  const reader = packed.pipeThrough(new DecompressionStream(packing)).getReader();
  const pieces: Uint8Array[] = [];
  let total = 0;
  try {
    while (total < maxBytes) {
      const { done, value } = await reader.read();
      if (done) return { bytes: joined(pieces, total), isWhole: true };
      pieces.push(value);
      total += value.length;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  await reader.cancel().catch(() => {});
  return { bytes: joined(pieces, total).subarray(0, maxBytes), isWhole: false };
}

function joined(pieces: readonly Uint8Array[], total: number): Uint8Array {
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export function sourceOfBytes(bytes: Uint8Array): ByteSource {
  return { sizeBytes: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}
