/** Finds out by hash which chunks of a file are on the disk, in all threads at once. Sizes and times prove nothing. */
import type { Digest } from "../../shared/digest.ts";
import type { WantedChunk } from "../../shared/transfer/ports.ts";
import type { FindTask } from "./mover.ts";
import type { Movers } from "./movers.ts";

/** A file that begins with this many wrong chunks is another file: reading on would only cost time. */
const FIRST_CHUNKS = 8;

export async function findHeld(movers: Movers, { fd, sizeBytes, chunks }: FindTask, signal: AbortSignal): Promise<Set<Digest>> {
  const find = async (some: WantedChunk[]): Promise<Digest[]> => {
    if (some.length === 0) return [];
    const bytes = some.reduce((sum, chunk) => sum + chunk.size, 0);
    return movers.run(bytes, (mover) => mover.find({ fd, sizeBytes, chunks: some }, signal));
  };
  const held = await find(chunks.slice(0, FIRST_CHUNKS));
  const rest = held.length === 0 ? [] : chunks.slice(FIRST_CHUNKS);
  // All of them end before the file is closed, also when one fails.
  const found = await Promise.allSettled(shares(rest, movers.width).map(find));
  for (const one of found) {
    if (one.status === "rejected") throw one.reason;
    held.push(...one.value);
  }
  return new Set(held);
}

/** Cuts a list into so many neighbouring parts. */
function shares<T>(items: readonly T[], count: number): T[][] {
  const size = Math.ceil(items.length / count);
  return Array.from({ length: count }, (_, at) => items.slice(at * size, (at + 1) * size));
}
