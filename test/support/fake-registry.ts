/**
 * A registry and a store in one small process-local HTTP server: just the routes that push and pull use, checked by the contract's own
 * schemas, and objects that are taken only with their ticket. It lets the engine be tested in milliseconds, and lets a test decide what
 * the store does wrong. What it does right is what functions/ does; the end-to-end tests run the engine against that.
 */
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import * as z from "zod";
import { MACHINE } from "../../scripts/node/machine.ts";
import { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import { ROUTES, type RouteBody, type RouteName, type RouteSpec } from "../../shared/contract/routes.ts";
import type { TicketBatch, TicketMode } from "../../shared/contract/uploads.ts";
import { Digest } from "../../shared/digest.ts";
import { type ErrorDetails, FerryError, problemOf } from "../../shared/errors.ts";
import { contentEntries, type Manifest, makeManifest, manifestDigest } from "../../shared/manifest.ts";
import { RepositoryName, RevisionId } from "../../shared/names.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../../shared/recipe.ts";
import { collect, FakeStore, type StoreFaults } from "./fake-store.ts";

export type FakeRegistryOptions = {
  mode?: TicketMode;
  ticketSeconds?: number;
  /** Asked before each request to the store. */
  fault?: StoreFaults;
  /** Where clients find the store, when something stands between. Gets the server's own address. */
  storeEndpoint?: (own: string) => string;
  /** Where clients find the store `west`, which has all that `home` has; without, there is none. */
  westEndpoint?: string;
  /** Confirms nothing of these, once each. */
  loses?: Set<string>;
};

type Uploading = { id: string; repository: string; branch: string; confirmed: Map<string, string>; recipes: Set<string> };
type Revision = { summary: RevisionSummary; manifest: Manifest; chunks: Map<string, string> };
type Repo = { id: string; revisions: Revision[]; branches: Map<string, string>; operations: Map<string, Revision> };

const PAGE_OF_UNPROVEN = 2;

export class FakeRegistry {
  readonly counts: Record<string, number> = {};
  readonly #store = new FakeStore(
    (verb) => this.#count(verb),
    () => this.options,
  );
  options: FakeRegistryOptions;
  endpoint = "";
  readonly #server: Server;
  readonly #repositories = new Map<string, Repo>();
  readonly #uploads = new Map<string, Uploading>();
  readonly #recipes = new Map<string, Recipe>();

  private constructor(options: FakeRegistryOptions) {
    this.options = options;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500);
        response.end(problemOf(error));
      });
    });
  }

  static async start(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
    const registry = new FakeRegistry(options);
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    registry.endpoint = `http://127.0.0.1:${(registry.#server.address() as AddressInfo).port}`;
    return registry;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  client(options: { attempts?: number } = {}): FerryClient {
    return new FerryClient({ endpoint: this.endpoint, token: "hf_test", fetch, sleep: MACHINE.sleep, random: () => 0, ...options });
  }

  get objects(): Map<string, Buffer> {
    return this.#store.objects;
  }

  get putBytes(): number {
    return this.#store.putBytes;
  }

  get getBytes(): number {
    return this.#store.getBytes;
  }

  /** Committed revisions of a repository, oldest first. */
  revisions(repository: string): readonly Revision[] {
    return this.#repositories.get(repository)?.revisions ?? [];
  }

  /** Open uploads are forgotten, as when the index was lost; objects stay. */
  forgetConfirmations(): void {
    for (const upload of this.#uploads.values()) upload.confirmed.clear();
  }

  forgetRecipes(): void {
    for (const upload of this.#uploads.values()) upload.recipes.clear();
  }

  /** The newest revision's files claim other digests of their wholes, consistently; their chunks stay. */
  async claimWrongly(repository: string): Promise<void> {
    const revision = this.#repositories.get(repository)?.revisions.at(-1);
    if (revision === undefined) throw new Error("there is no revision");
    const files = await Promise.all(
      revision.manifest.files.map(async (file) => {
        if (file.mode === "link" || file.recipe === undefined) return file;
        const sha256 = Digest.parse("0".repeat(64));
        const recipe = { ...(this.#recipes.get(file.recipe) as Recipe), sha256 };
        const digest = await recipeDigest(encodeRecipe(recipe));
        this.#recipes.set(digest, recipe);
        return { ...file, sha256, recipe: digest };
      }),
    );
    revision.manifest = makeManifest(files);
    revision.summary = { ...revision.summary, manifest: await manifestDigest(revision.manifest) };
  }

  resetCounts(): void {
    for (const key of Object.keys(this.counts)) delete this.counts[key];
    [this.#store.putBytes, this.#store.getBytes] = [0, 0];
  }

  #count(what: string): number {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    return this.counts[what] ?? 0;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.endpoint);
    if (url.pathname.startsWith("/store/")) return this.#store.serve(request, response, url);
    try {
      const { status, answer } = await this.#route(request, url);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    } catch (error) {
      const problem = error instanceof FerryError ? error : new FerryError("INTERNAL", { problem: problemOf(error) }, { cause: error });
      const body = { type: "about:blank", title: problem.code, status: problem.status, code: problem.code, detail: problem.message };
      response.writeHead(problem.status, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ ...body, next: problem.next, requestId: "fake", details: problem.details }));
    }
  }

  async #route(request: IncomingMessage, url: URL): Promise<{ status: number; answer: unknown }> {
    const text = (await collect(request)).toString("utf8");
    for (const [name, handler] of Object.entries<Handler>(this.#handlers)) {
      const route: RouteSpec = ROUTES[name as RouteName];
      const params = matchPath(route.path, url.pathname);
      if (params === null || route.method !== request.method) continue;
      this.#count(name);
      const body = route.body?.parse(JSON.parse(text));
      return { status: route.status, answer: route.answer.parse(await handler(params, body)) };
    }
    throw new FerryError("ROUTE_UNKNOWN", { method: request.method, path: url.pathname });
  }

  readonly #handlers = {
    createRepository: (_: Params, body: RouteBody<(typeof ROUTES)["createRepository"]>) => {
      if (this.#repositories.has(body.repository)) throw new FerryError("REPOSITORY_EXISTS", { repository: body.repository });
      const id = randomBytes(8).toString("hex");
      this.#repositories.set(body.repository, { id, revisions: [], branches: new Map(), operations: new Map() });
      return { repository: body.repository, id, createdAt: "2026-01-01T00:00:00Z", createdBy: "test", blocked: null };
    },
    openUpload: (params: Params, body: RouteBody<(typeof ROUTES)["openUpload"]>) => {
      const { name, repo } = this.#repository(params);
      let upload = [...this.#uploads.values()].find((open) => open.repository === name && open.branch === body.branch);
      if (upload === undefined) {
        upload = { id: randomBytes(8).toString("hex"), repository: name, branch: body.branch, confirmed: new Map(), recipes: new Set() };
        this.#uploads.set(upload.id, upload);
      }
      const parent = repo.branches.get(body.branch) ?? null;
      const pages = { reservePageMax: 500, confirmPageMax: 200, expiresInSeconds: 86_400 };
      return { upload: upload.id, branch: body.branch, parent, mode: this.options.mode ?? "payload", ...pages };
    },
    reserve: (params: Params, body: RouteBody<(typeof ROUTES)["reserve"]>) => {
      const upload = this.#upload(params);
      const { repo } = this.#repository(params);
      const known = new Map(repo.revisions.flatMap((revision) => [...revision.chunks]));
      const have = body.chunks.map((chunk) => chunk.sha256).filter((digest) => upload.confirmed.has(digest) || known.has(digest));
      for (const digest of have) upload.confirmed.set(digest, upload.confirmed.get(digest) ?? known.get(digest) ?? "");
      const wanted = body.chunks.filter((chunk) => !upload.confirmed.has(chunk.sha256));
      return { have, tickets: wanted.length === 0 ? null : this.#tickets(upload, body.attempt, wanted) };
    },
    confirm: (params: Params, body: RouteBody<(typeof ROUTES)["confirm"]>) => {
      const upload = this.#upload(params);
      const missing: string[] = [];
      for (const { sha256, size } of body.chunks) {
        const key = keyOf(upload.id, body.attempt, sha256);
        const isLost = this.options.loses?.delete(sha256) ?? false;
        if (!isLost && this.objects.get(key)?.length === size) upload.confirmed.set(sha256, key);
        else missing.push(sha256);
      }
      return { missing };
    },
    sendRecipes: async (params: Params, body: RouteBody<(typeof ROUTES)["sendRecipes"]>) => {
      const digests = await Promise.all(body.recipes.map((recipe) => recipeDigest(encodeRecipe(recipe))));
      for (const [at, digest] of digests.entries()) {
        this.#recipes.set(digest, body.recipes[at] as Recipe);
        this.#upload(params).recipes.add(digest);
      }
      return { recipes: digests };
    },
    commit: (params: Params, body: RouteBody<(typeof ROUTES)["commit"]>) => this.#commit(params, body),
    manifest: (params: Params) => {
      const { summary, manifest } = this.#revision(params);
      return { revision: summary, manifest };
    },
    readRecipes: (_: Params, body: RouteBody<(typeof ROUTES)["readRecipes"]>) => ({
      recipes: body.recipes.map((digest) => this.#recipes.get(digest)),
    }),
    listStores: () => {
      const ids = this.options.westEndpoint === undefined ? ["home"] : ["home", "west"];
      const rest = { provider: "fake", endpoint: "", bucket: "", prefix: "", probe: null };
      return { stores: ids.map((id) => ({ id, home: id === "home", ...rest })) };
    },
    download: (params: Params, body: RouteBody<(typeof ROUTES)["download"]>) => {
      const { chunks } = this.#revision(params);
      const base = this.#downloadBase(body.store);
      const expires = Date.now() + 1000 * this.#ticketSeconds();
      const items = body.chunks.map((sha256) => {
        const path = chunks.get(sha256);
        if (path === undefined) throw new FerryError("CHUNK_UNKNOWN", { revision: params["ref"], chunk: sha256 });
        return { sha256, path, signature: this.#store.sign(`GET ${path} ${expires}`) };
      });
      return { store: body.store ?? "home", base, query: `expires=${expires}`, expiresInSeconds: this.#ticketSeconds(), items };
    },
  } satisfies Partial<Record<RouteName, unknown>>;

  async #commit(params: Params, body: RouteBody<(typeof ROUTES)["commit"]>): Promise<RevisionSummary> {
    const upload = this.#upload(params);
    const { repo } = this.#repository(params);
    const done = repo.operations.get(body.operationId);
    if (done !== undefined) return done.summary;
    const manifest = makeManifest(body.files);
    const unsent = contentEntries(manifest).flatMap(({ recipe }) => (recipe === undefined || upload.recipes.has(recipe) ? [] : [recipe]));
    if (unsent.length > 0) throw new FerryError("RECIPE_UNPROVEN", page("recipes", unsent));
    const wanted = contentEntries(manifest).flatMap(({ chunk, recipe }) => {
      if (chunk !== undefined) return [chunk];
      return recipe === undefined ? [] : (this.#recipes.get(recipe)?.chunks.map(([digest]) => digest) ?? []);
    });
    const unproven = [...new Set(wanted)].filter((digest) => !upload.confirmed.has(digest));
    if (unproven.length > 0) throw new FerryError("CHUNK_UNPROVEN", { ...page("chunks", unproven), attempt: body.attempt });
    const head = repo.branches.get(upload.branch) ?? null;
    if (head !== body.parent) throw new FerryError("BRANCH_MOVED", { branch: upload.branch, current: head, expected: body.parent });
    const chunks = new Map(wanted.map((digest) => [digest, upload.confirmed.get(digest) ?? ""]));
    const revision = { manifest, chunks, summary: await summaryOf({ repo, upload, body, manifest, chunkCount: chunks.size }) };
    repo.revisions.push(revision);
    repo.branches.set(upload.branch, revision.summary.revision);
    repo.operations.set(body.operationId, revision);
    return revision.summary;
  }

  #repository(params: Params): { name: string; repo: Repo } {
    const name = `${params["namespace"]}/${params["name"]}`;
    const repo = this.#repositories.get(name);
    if (repo === undefined) throw new FerryError("REPOSITORY_UNKNOWN", { repository: name });
    return { name, repo };
  }

  #upload(params: Params): Uploading {
    const upload = this.#uploads.get(params["upload"] ?? "");
    if (upload === undefined) throw new FerryError("UPLOAD_UNKNOWN");
    return upload;
  }

  #revision(params: Params): Revision {
    const { name, repo } = this.#repository(params);
    const ref = params["ref"] ?? "";
    const id = repo.branches.get(ref) ?? ref;
    const revision = repo.revisions.find((known) => known.summary.revision === id);
    if (revision === undefined) throw new FerryError("REF_UNKNOWN", { repository: name, ref });
    return revision;
  }

  #tickets(upload: Uploading, attempt: number, chunks: { sha256: Digest; size: number; md5?: string | undefined }[]): TicketBatch {
    const mode = this.options.mode ?? "payload";
    const expires = Date.now() + 1000 * this.#ticketSeconds();
    const items = chunks.map(({ sha256, size, md5 }) => {
      const path = keyOf(upload.id, attempt, sha256);
      const signature = this.#store.sign(`PUT ${path} ${size} ${mode} ${mode === "md5" ? md5 : sha256} ${expires}`);
      return { sha256, size, path, signature, ...(md5 === undefined ? {} : { md5 }) };
    });
    const isHeader = mode === "payload";
    return {
      mode,
      base: this.#storeBase(),
      query: isHeader ? "" : `expires=${expires}`,
      authorization: isHeader ? `FAKE ${expires} ` : "",
      headers: { "if-none-match": "*" },
      expiresInSeconds: this.#ticketSeconds(),
      items,
    };
  }

  #ticketSeconds(): number {
    return this.options.ticketSeconds ?? 900;
  }

  #downloadBase(store: string | undefined): string {
    if (store === undefined || store === "home") return this.#storeBase();
    const { westEndpoint } = this.options;
    if (store !== "west" || westEndpoint === undefined) throw new FerryError("STORE_UNKNOWN", { store });
    return `${westEndpoint}/store/`;
  }

  #storeBase(): string {
    return `${this.options.storeEndpoint?.(this.endpoint) ?? this.endpoint}/store/`;
  }
}

type Params = Record<string, string>;
// biome-ignore lint/suspicious/noExplicitAny: each handler takes the body of its own route, which that route's schema has parsed.
type Handler = (params: Params, body: any) => unknown;
export const REPOSITORY = RepositoryName.parse("team/model");

function keyOf(upload: string, attempt: number, sha256: string): string {
  return `${sha256}~${createHash("sha256").update(`${upload} ${attempt} ${sha256}`).digest("hex").slice(0, 16)}`;
}

function page(key: string, digests: string[]): ErrorDetails {
  return { count: digests.length, [key]: digests.slice(0, PAGE_OF_UNPROVEN) };
}

function matchPath(pattern: string, path: string): Params | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const params: Params = {};
  for (const [at, part] of wanted.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(given[at] ?? "");
    else if (part !== given[at]) return null;
  }
  return params;
}

type Summarising = {
  repo: Repo;
  upload: Uploading;
  body: RouteBody<(typeof ROUTES)["commit"]>;
  manifest: Manifest;
  chunkCount: number;
};

async function summaryOf({ repo, upload, body, manifest, chunkCount }: Summarising): Promise<RevisionSummary> {
  const sizeBytes = contentEntries(manifest).reduce((sum, entry) => sum + entry.size, 0);
  return {
    revision: RevisionId.parse(createHash("sha1").update(body.operationId).digest("hex")),
    seq: repo.revisions.length + 1,
    branch: upload.branch,
    parent: z.nullable(RevisionId).parse(body.parent),
    manifest: await manifestDigest(manifest),
    author: "test",
    time: "2026-01-01T00:00:00Z",
    message: body.message,
    fileCount: manifest.files.length,
    sizeBytes,
    chunkCount,
    newBytes: 0,
    newChunks: 0,
    labels: body.labels,
    metrics: body.metrics,
    source: body.source,
    origin: null,
    modifiedBy: null,
    modifiedAt: null,
    deletedAt: null,
  };
}
