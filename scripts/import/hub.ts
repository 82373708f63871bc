/**
 * A repository of a Hugging Face Hub, or of anything that speaks its API, modelferry included: one commit of it, whose files are named by
 * SHA-256 (LFS) or by git's SHA-1.
 */
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import { type Asked, ask, open } from "./ask.ts";
import type { Env, Fetch, Origin, OriginFile } from "./origin.ts";

const HUB = "https://huggingface.co";
const PAGES_MAX = 1_000;
const NAME = /^hf:\/\/(?:(models|datasets|spaces)\/)?([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/;
const Info = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const Item = z.object({
  type: z.string(),
  path: z.string(),
  size: z.int().nonnegative().default(0),
  oid: z.string().default(""),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int() }).optional(),
});

/** Null when `text` is no name of this kind. Throws SOURCE_UNAVAILABLE. */
export async function hubOrigin(
  text: string,
  { env, fetch, signal }: { env: Env; fetch: Fetch; signal: AbortSignal },
): Promise<Origin | null> {
  const [, kind = "models", name = "", ref = "main"] = NAME.exec(text) ?? [];
  if (name === "") return null;
  const hub = new Hub({ kind, name, ref, env, fetch });
  await hub.resolve(signal);
  return hub;
}

class Hub implements Origin {
  readonly name: string;
  revision: string | null = null;
  readonly #asked: Asked;
  readonly #api: string;
  readonly #files: string;
  readonly #ref: string;
  readonly #headers: Record<string, string>;

  constructor({ kind, name, ref, env, fetch }: { kind: string; name: string; ref: string; env: Env; fetch: Fetch }) {
    const endpoint = (env["HF_ENDPOINT"] || HUB).replace(/\/+$/, "");
    const token = env["HF_TOKEN"] || env["HUGGING_FACE_HUB_TOKEN"];
    this.name = `hf://${kind === "models" ? "" : `${kind}/`}${name}`;
    this.#asked = { source: this.name, fetch };
    this.#api = `${endpoint}/api/${kind}/${name}`;
    this.#files = `${endpoint}/${kind === "models" ? "" : `${kind}/`}${name}/resolve`;
    this.#ref = ref;
    this.#headers = token ? { authorization: `Bearer ${token}` } : {};
  }

  async resolve(signal: AbortSignal): Promise<void> {
    const info = Info.safeParse(await this.#json(`${this.#api}/revision/${encodeURIComponent(this.#ref)}`, signal));
    if (!info.success) throw this.#unlike();
    this.revision = info.data.sha;
  }

  async list(signal: AbortSignal): Promise<OriginFile[]> {
    const files: OriginFile[] = [];
    let url: string | null = `${this.#api}/tree/${this.revision}?recursive=true&limit=1000`;
    for (let pages = 0; url !== null; pages++) {
      if (pages >= PAGES_MAX) throw this.#unlike();
      const answer: Response = await ask(this.#asked, { url, headers: this.#headers, signal });
      const items = z.array(Item).safeParse(await answer.json().catch(() => null));
      if (!items.success) throw this.#unlike();
      files.push(...items.data.flatMap((item) => (item.type === "file" ? [fileOf(item)] : [])));
      url = this.#next(answer.headers.get("link"));
    }
    return files;
  }

  open(file: OriginFile, range: { from: number; to: number }, signal: AbortSignal) {
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    return open(this.#asked, file, range, { url: `${this.#files}/${this.revision}/${path}`, headers: this.#headers, signal });
  }

  /** Only of the same server: the token goes with it. */
  #next(link: string | null): string | null {
    const [, target] = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "") ?? [];
    if (target === undefined) return null;
    const url = new URL(target, this.#api);
    if (url.origin !== new URL(this.#api).origin) throw this.#unlike();
    return url.href;
  }

  async #json(url: string, signal: AbortSignal): Promise<unknown> {
    const answer = await ask(this.#asked, { url, headers: this.#headers, signal });
    return answer.json().catch(() => null);
  }

  #unlike(): FerryError {
    return new FerryError("SOURCE_UNAVAILABLE", { source: this.name, problem: "its answer is not that of a Hub" });
  }
}

function fileOf({ path, size, oid, lfs }: z.infer<typeof Item>): OriginFile {
  const gitId = lfs === undefined && /^[0-9a-f]{40}$/.test(oid) ? oid : null;
  return { path, sizeBytes: lfs?.size ?? size, sha256: lfs?.oid ?? null, gitId, md5: null, etag: lfs?.oid ?? oid };
}
