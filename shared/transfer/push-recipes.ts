/** Keeps the recipes of a push and sends them in pages. */
import { RECIPE_PAGE_MAX, type Upload } from "../contract/uploads.ts";
import type { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../recipe.ts";
import { MiB } from "../units.ts";
import { pool } from "./crew.ts";
import type { PushSetting } from "./push-setting.ts";

/** A page is closed beyond this many bytes of recipes, far below what a server takes. */
const PAGE_BYTES = 2 * MiB;
const PAGES_AT_ONCE = 2;

export class RecipeSender {
  readonly #setting: PushSetting;
  readonly #upload: Upload;
  readonly #recipes = new Map<Digest, { recipe: Recipe; sizeBytes: number }>();

  constructor(setting: PushSetting, upload: Upload) {
    this.#setting = setting;
    this.#upload = upload;
  }

  async add(recipe: Recipe): Promise<Digest> {
    const bytes = encodeRecipe(recipe);
    const digest = await recipeDigest(bytes);
    this.#recipes.set(digest, { recipe, sizeBytes: bytes.length });
    return digest;
  }

  send(signal: AbortSignal): Promise<void> {
    return this.#sendAll([...this.#recipes.keys()], signal);
  }

  /** Sends recipes again that the commit did not find. */
  redo(digests: readonly Digest[], signal: AbortSignal): Promise<void> {
    return this.#sendAll(digests, signal);
  }

  async #sendAll(digests: readonly Digest[], signal: AbortSignal): Promise<void> {
    const { client, request } = this.#setting;
    await pool(this.#pages(digests), { width: PAGES_AT_ONCE, signal }, async (recipes, stop) => {
      await client.call(
        "sendRecipes",
        { repository: request.repository, params: { upload: this.#upload.upload }, body: { recipes } },
        stop,
      );
    });
  }

  *#pages(digests: readonly Digest[]): Generator<Recipe[]> {
    let page: Recipe[] = [];
    let pageBytes = 0;
    for (const digest of digests) {
      const known = this.#recipes.get(digest);
      if (known === undefined) throw new FerryError("RECIPE_UNPROVEN", { count: 1, recipes: [digest] });
      if (page.length > 0 && (page.length >= RECIPE_PAGE_MAX || pageBytes + known.sizeBytes > PAGE_BYTES)) {
        yield page;
        [page, pageBytes] = [[], 0];
      }
      page.push(known.recipe);
      pageBytes += known.sizeBytes;
    }
    if (page.length > 0) yield page;
  }
}
