import type { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import type { Recipe } from "../recipe.ts";
import type { PlannedChunk } from "./group.ts";

/** A plan of any chunker. */
type Plan = { chunker: string; sizeBytes: number; chunks: readonly PlannedChunk[] };

/** A stretch of the file, and of the chunk that holds it. */
type Placed = { fileOffset: number; chunk: number; offset: number; lengthBytes: number };

/**
 * The recipe of a file whose planned chunks turned out to have these digests, in the plan's order. Chunks of equal content become
 * one. Throws RECIPE_INVALID when the digests are not those of the plan, or the plan leaves out a part of the file.
 */
export function recipeOf(plan: Plan, digests: readonly Digest[], fileDigest: Digest): Recipe {
  if (digests.length !== plan.chunks.length) throw new FerryError("RECIPE_INVALID", { problem: "there is not one digest for each chunk" });
  const { chunks, indexes } = distinctChunks(plan.chunks, digests);
  const placed = plan.chunks.flatMap((chunk, planned) => place(chunk, indexes[planned] ?? 0));
  placed.sort((a, b) => a.fileOffset - b.fileOffset);
  const extents = toExtents(placed, plan.sizeBytes);
  return { v: 1, chunker: plan.chunker, size: plan.sizeBytes, sha256: fileDigest, chunks, extents };
}

/** @returns each content once, and for each planned chunk the index of its content. */
function distinctChunks(planned: readonly PlannedChunk[], digests: readonly Digest[]): { chunks: Recipe["chunks"]; indexes: number[] } {
  const chunks: Recipe["chunks"] = [];
  const indexOf = new Map<Digest, number>();
  const indexes = planned.map(({ sizeBytes }, index) => {
    const digest = digests[index] as Digest;
    const known = indexOf.get(digest);
    if (known === undefined) {
      indexOf.set(digest, chunks.length);
      return chunks.push([digest, sizeBytes]) - 1;
    }
    if (chunks[known]?.[1] !== sizeBytes) throw new FerryError("RECIPE_INVALID", { problem: "one digest stands for two sizes" });
    return known;
  });
  return { chunks, indexes };
}

function place(chunk: PlannedChunk, index: number): Placed[] {
  let offset = 0;
  return chunk.ranges.map(([fileOffset, lengthBytes]) => {
    const placed = { fileOffset, chunk: index, offset, lengthBytes };
    offset += lengthBytes;
    return placed;
  });
}

/** @param placed in file order. Stretches that follow each other in the file and in their chunk become one extent. */
function toExtents(placed: readonly Placed[], sizeBytes: number): Recipe["extents"] {
  const extents: Recipe["extents"] = [];
  let position = 0;
  for (const { fileOffset, chunk, offset, lengthBytes } of placed) {
    if (fileOffset !== position) throw new FerryError("RECIPE_INVALID", { problem: `the plan leaves the file at byte ${position}` });
    position += lengthBytes;
    const last = extents.at(-1);
    if (last !== undefined && last[0] === chunk && last[1] + last[2] === offset) last[2] += lengthBytes;
    else extents.push([chunk, offset, lengthBytes]);
  }
  if (position !== sizeBytes) throw new FerryError("RECIPE_INVALID", { problem: `the plan ends at byte ${position} of ${sizeBytes}` });
  return extents;
}
