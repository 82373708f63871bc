/** One pass over a file that gives its SHA-256 and those of its planned chunks: memory is one block, and a running hash for each open chunk. */
import type { PlannedChunk } from "../../../shared/chunking/group.ts";
import { type ByteSource, READ_BYTES_MAX, readExactly } from "../../../shared/chunking/source.ts";
import type { Digest } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { Hasher, RunningHash } from "../ports.ts";

type Stretch = { offset: number; length: number; chunk: number };
type Open = { hash: RunningHash; leftBytes: number; nextOffset: number };

export async function digestsOf(
  hasher: Hasher,
  source: ByteSource,
  chunks: readonly PlannedChunk[],
): Promise<{ file: Digest; chunks: Digest[] }> {
  const stretches = chunks
    .flatMap(({ ranges }, chunk) => ranges.map(([offset, length]): Stretch => ({ offset, length, chunk })))
    .sort((a, b) => a.offset - b.offset);
  const file = hasher.start();
  const open = new Map<number, Open>();
  const digests: Digest[] = [];
  for (const { offset, length, chunk } of stretches) {
    const own = open.get(chunk) ?? { hash: hasher.start(), leftBytes: chunks[chunk]?.sizeBytes ?? 0, nextOffset: 0 };
    open.set(chunk, own);
    // A chunk is hashed in the order of its ranges, which a plan has in the order of the file.
    if (chunks[chunk]?.ranges[own.nextOffset]?.[0] !== offset)
      throw new FerryError("RECIPE_INVALID", { problem: "a chunk runs backwards" });
    own.nextOffset++;
    for (let at = offset; at < offset + length; at += READ_BYTES_MAX) {
      const bytes = await readExactly(source, at, Math.min(READ_BYTES_MAX, offset + length - at));
      await file.update(bytes);
      await own.hash.update(bytes);
    }
    own.leftBytes -= length;
    if (own.leftBytes > 0) continue;
    digests[chunk] = await own.hash.digest();
    open.delete(chunk);
  }
  return { file: await file.digest(), chunks: digests };
}
