/**
 * A recipe: how one file is made of chunks. It is named by the SHA-256 of its canonical bytes, which the registry computes itself,
 * so a recipe is the one identity of a file that no client has to be believed for; `sha256` of the file is its uploader's claim.
 *
 * Readers never re-chunk: they concatenate the extents, whichever chunker wrote them. `chunker` is for statistics only.
 */
import * as z from "zod";
import { Digest, sha256 } from "./digest.ts";
import { FerryError } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./manifest.ts";
import { MiB } from "./units.ts";

const EXTENT_COUNT_MAX = 4_000_000;

/** How many chunks a file of this size may have, so that no recipe floods the index. Chunks of 1 MiB on average, and a rest. */
function chunkCountMax(sizeBytes: number): number {
  return 2 + Math.floor(sizeBytes / MiB);
}

const length = z.int().min(1);
const index = z.int().min(0);

/** `size` is that of the file; `chunks` are [digest, size], each digest once; `extents`, in file order, are [chunk, offset, length]. */
export const Recipe = z
  .strictObject({
    v: z.literal(1),
    chunker: z.string().regex(/^[a-z0-9-]{1,32}(?![\s\S])/, "1 to 32 lower-case letters, digits or hyphens"),
    size: z.int().min(0),
    sha256: Digest,
    chunks: z.array(z.tuple([Digest, length.max(CHUNK_BYTES_MAX)])),
    extents: z.array(z.tuple([index, index, length])),
  })
  .superRefine((recipe, context) => {
    const problem = chunksProblem(recipe) ?? extentsProblem(recipe);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
  });
export type Recipe = z.infer<typeof Recipe>;

type Parts = { size: number; chunks: [string, number][]; extents: [number, number, number][] };

function chunksProblem({ size, chunks }: Parts): string | null {
  if (chunks.length > chunkCountMax(size)) return `a file of ${size} bytes has at most ${chunkCountMax(size)} chunks`;
  if (new Set(chunks.map(([digest]) => digest)).size < chunks.length) return "a chunk is listed twice";
  return null;
}

function extentsProblem({ size, chunks, extents }: Parts): string | null {
  if (extents.length > EXTENT_COUNT_MAX) return `there are more than ${EXTENT_COUNT_MAX} extents`;
  const used = new Uint8Array(chunks.length);
  let position = 0;
  for (const [chunk, offset, lengthBytes] of extents) {
    const sizeBytes = chunks[chunk]?.[1];
    if (sizeBytes === undefined) return `there is no chunk ${chunk}`;
    if (offset + lengthBytes > sizeBytes) return `an extent leaves chunk ${chunk}`;
    used[chunk] = 1;
    position += lengthBytes;
    if (position > size) break;
  }
  if (position !== size) return "the lengths of the extents don't sum to the size";
  const unused = used.indexOf(0);
  return unused < 0 ? null : `no extent uses chunk ${unused}`;
}

/** The canonical bytes, of which `recipeDigest` is the recipe's name. */
export function encodeRecipe(recipe: Recipe): Uint8Array {
  return new TextEncoder().encode(canonicalText(recipe));
}

/** What `canonical` writes, at an eighth of its cost: the keys are given in order, and a recipe holds only integers and plain strings. */
function canonicalText({ chunker, chunks, extents, sha256, size, v }: Recipe): string {
  return JSON.stringify({ chunker, chunks, extents, sha256, size, v });
}

/** Throws RECIPE_INVALID on anything but the canonical bytes of a recipe that adds up. The caller bounds the number of bytes. */
export function parseRecipe(bytes: Uint8Array): Recipe {
  const text = decode(bytes);
  const parsed = Recipe.safeParse(parseJson(text));
  if (!parsed.success) throw new FerryError("RECIPE_INVALID", { problem: firstProblem(parsed.error) });
  // Canonical bytes only, or one recipe would have many names. Catches duplicate keys, spaces, 1.0 and 1e3, too.
  if (canonicalText(parsed.data) !== text) throw new FerryError("RECIPE_INVALID", { problem: "it is not written canonically" });
  return parsed.data;
}

/** @param bytes canonical ones. */
export function recipeDigest(bytes: Uint8Array): Promise<Digest> {
  return sha256(bytes);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new FerryError("RECIPE_INVALID", { problem: "it is not UTF-8" }, { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FerryError("RECIPE_INVALID", { problem: "it is not JSON" }, { cause });
  }
}

function firstProblem(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "it is no recipe";
  return issue.path.length === 0 ? issue.message : `${issue.path.join(".")}: ${issue.message}`;
}
