/** Keeps the recipes of a push and sends them in pages. */
import { RECIPE_PAGE_MAX, type Upload } from "../contract/uploads.ts";
import type { Digest } from "../digest.ts";
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

  /** Sends all of them. Repeating it is harmless. */
  async send(signal: AbortSignal): Promise<void> {
    const { client, request } = this.#setting;
    const { repository } = request;
    const params = { upload: this.#upload.upload };
    await pool(this.#pages(), { width: PAGES_AT_ONCE, signal }, async (recipes, stop) => {
      await client.call("sendRecipes", { repository, params, body: { recipes } }, stop);
    });
  }

  *#pages(): Generator<Recipe[]> {
    let page: Recipe[] = [];
    let pageBytes = 0;
    for (const known of this.#recipes.values()) {
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
