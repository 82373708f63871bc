/** The Hub's door on memory ports, for tests that speak its protocol themselves. */
import type { Scope } from "../../../shared/contract/access.ts";
import { ENDPOINT, type MemoryApp, memoryApp } from "../memory-app.ts";

export type HubApp = {
  app: MemoryApp;
  token: string;
  tokenFor(...scopes: Scope[]): Promise<string>;
  /** A request with a token; `body` that is no text is sent as JSON. */
  ask(
    method: string,
    path: string,
    options?: { body?: unknown; headers?: Record<string, string>; token?: string | null },
  ): Promise<Response>;
  /** A PUT of a client to a store. */
  put(url: string, bytes: Uint8Array): Promise<Response>;
  /** Uploads a file as LFS does, up to and without the commit; the answer of what finishes it. */
  upload(repository: string, bytes: Uint8Array, sha256: string): Promise<Response>;
  commit(repository: string, lines: readonly object[], header?: object): Promise<Response>;
};

const ALL: Scope = { repositories: "*", actions: ["pull", "push", "tag", "delete", "admin"] };

type LfsObject = {
  actions?: { upload: { href: string; header: Record<string, string> }; verify: { href: string } };
  error?: { code: number };
};

export async function hubApp(options: Parameters<typeof memoryApp>[0] = {}): Promise<HubApp> {
  const app = await memoryApp(options);
  const tokenFor = async (...scopes: Scope[]) => (await app.admin.call("createToken", { body: { name: "hub", scopes } })).token;
  const token = await tokenFor(ALL);
  const ask: HubApp["ask"] = (method, path, { body, headers = {}, token: own = token } = {}) => {
    const given = typeof body === "string" || body === undefined ? {} : { "content-type": "application/json" };
    const authorization = own === null ? {} : { authorization: `Bearer ${own}` };
    return app.fetch(path.startsWith("http") ? path : ENDPOINT + path, {
      method,
      headers: { ...given, ...authorization, ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  };
  const put: HubApp["put"] = (url, bytes) => app.stores.fetch(url, { method: "PUT", body: Buffer.from(bytes) });
  return {
    app,
    token,
    tokenFor,
    ask,
    put,
    async upload(repository, bytes, sha256) {
      const body = { operation: "upload", objects: [{ oid: sha256, size: bytes.length }], hash_algo: "sha256" };
      const batch = (await (await ask("POST", `/${repository}.git/info/lfs/objects/batch`, { body })).json()) as { objects: LfsObject[] };
      const actions = batch.objects[0]?.actions;
      if (actions === undefined) return new Response("{}");
      const { chunk_size: chunkSize, ...parts } = actions.upload.header;
      if (chunkSize === undefined) {
        await put(actions.upload.href, bytes);
        return ask("POST", actions.verify.href, { body: { oid: sha256, size: bytes.length } });
      }
      const urls = Object.entries(parts).sort(([a], [b]) => Number(a) - Number(b));
      const step = Number(chunkSize);
      for (const [at, [, url]] of urls.entries()) await put(url, bytes.subarray(at * step, (at + 1) * step));
      return ask("POST", actions.upload.href, { body: { oid: sha256, parts: [] }, token: null });
    },
    commit: (repository, lines, header = {}) => {
      const first = { key: "header", value: { summary: "commit", description: "", ...header } };
      const body = [first, ...lines].map((line) => JSON.stringify(line)).join("\n");
      return ask("POST", `/api/models/${repository}/commit/main`, { body, headers: { "content-type": "application/x-ndjson" } });
    },
  };
}

export const lfsLine = (path: string, oid: string) => ({ key: "lfsFile", value: { path, algo: "sha256", oid, size: 1 } });
export const fileLine = (path: string, text: string) => ({
  key: "file",
  value: { path, content: Buffer.from(text).toString("base64"), encoding: "base64" },
});
