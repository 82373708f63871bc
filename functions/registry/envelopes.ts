/** Envelopes and recipes: immutable, so read through the cache by their keys. */

import { type Digest, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { type Manifest, manifestDigest } from "../../shared/manifest.ts";
import { encodeRecipe, parseRecipe, type Recipe } from "../../shared/recipe.ts";
import { envelopeKey, recipeKey } from "./layout.ts";
import type { Ports } from "./ports.ts";
import { decodeRecord, Envelope } from "./records.ts";

/** A read envelope, with its placement made ready for look-ups. */
export type OpenEnvelope = { manifest: Manifest; places: ReadonlyMap<Digest, { size: number; tag: string }> };

/** Throws LOG_DAMAGED when the bucket lacks what an acknowledged revision names, or holds something else. */
export async function readEnvelope(ports: Ports, manifest: Digest, attempt: string): Promise<OpenEnvelope> {
  const key = envelopeKey(manifest, attempt);
  const cached = ports.cache.get<OpenEnvelope>(key);
  if (cached !== undefined) return cached;
  const bytes = await ports.stores.home.bucket.get(key);
  if (bytes === null) throw new FerryError("LOG_DAMAGED", { repository: key, problem: "it is missing" });
  const envelope = decodeRecord(Envelope, bytes, key);
  if ((await manifestDigest(envelope.manifest)) !== manifest)
    throw new FerryError("LOG_DAMAGED", { repository: key, problem: "its digest is wrong" });
  const places = new Map(envelope.placement.map(([sha, size, tag]) => [sha, { size, tag }] as const));
  const open = { manifest: envelope.manifest, places };
  ports.cache.set(key, open, bytes.length * 2);
  return open;
}

/** Null when the store has none: for a recipe that a revision names, that is damage. */
export async function findRecipe(ports: Ports, digest: Digest): Promise<Recipe | null> {
  const key = recipeKey(digest);
  const cached = ports.cache.get<Recipe>(key);
  if (cached !== undefined) return cached;
  const bytes = await ports.stores.home.bucket.get(key);
  if (bytes === null) return null;
  if ((await sha256(bytes)) !== digest) throw new FerryError("LOG_DAMAGED", { repository: key, problem: "its digest is wrong" });
  const recipe = parseRecipe(bytes);
  ports.cache.set(key, recipe, bytes.length * 2);
  return recipe;
}

export async function storeRecipe(ports: Ports, recipe: Recipe): Promise<Digest> {
  const bytes = encodeRecipe(recipe);
  const digest = await sha256(bytes);
  // Named by its content: whoever wrote it before wrote the same.
  await ports.stores.home.bucket.create(recipeKey(digest), bytes);
  ports.cache.set(recipeKey(digest), recipe, bytes.length * 2);
  return digest;
}
