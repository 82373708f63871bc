/** The pull: recipes and presigned GETs of one revision, in pages. */
import * as z from "zod";
import { Digest } from "../digest.ts";
import { StoreId } from "../names.ts";
import { Recipe } from "../recipe.ts";

export const DOWNLOAD_PAGE_MAX = 500;
export const RECIPE_READ_PAGE_MAX = 50;

export const RecipeQuery = z.strictObject({ recipes: z.array(Digest).min(1).max(RECIPE_READ_PAGE_MAX) });
/** In the order asked. */
export const RecipeAnswer = z.object({ recipes: z.array(Recipe) });

/** `store`: from this one or not at all. `near`: from a store beside this network that has the revision whole, else from home. */
export const DownloadRequest = z.strictObject({
  chunks: z.array(Digest).min(1).max(DOWNLOAD_PAGE_MAX),
  store: StoreId.optional(),
  near: StoreId.optional(),
});
export type DownloadRequest = z.infer<typeof DownloadRequest>;

/** GET `base + path + "?" + query + "&X-Amz-Signature=" + signature`; a Range header may be added, it is not signed. */
export const DownloadBatch = z.object({
  store: StoreId,
  base: z.string(),
  query: z.string(),
  expiresInSeconds: z.int(),
  items: z.array(z.object({ sha256: Digest, path: z.string(), signature: z.string() })),
});
export type DownloadBatch = z.infer<typeof DownloadBatch>;
