/**
 * What `ollama pull host/namespace/name:tag` asks: a manifest made of a repository's GGUF file and of the files `template`, `params` and
 * `system` beside it, and blobs by their SHA-256, which Ollama verifies.
 *
 * A tag is a branch or a tag of ours, or a part of the name of a GGUF file on main, such as q4_k_m; `latest` is main. Of several files the
 * one with Q4_K_M in its name is taken, else the first. Files of several parts are none.
 *
 * Ollama wants blobs as a 307 to another host name, and loads ranges from there at the same time without saying who it is: so it is sent to
 * another name of this very host, with a ticket. Gaps: no pushes, no keys of Ollama's own.
 */
import type { Context } from "hono";
import { DEFAULT_BRANCH } from "../../../shared/contract/repositories.ts";
import { Digest, sha256 as sha256Of } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { Ref, type RepositoryName } from "../../../shared/names.ts";
import { rangeOf } from "../../../shared/ranges.ts";
import type { Catalog, CatalogFile, Snapshot } from "../catalog.ts";
import { concatenate } from "../concatenate.ts";
import type { Gate } from "../gate.ts";
import { repositoryIn } from "./address.ts";
import { asFerryError, hubProblem } from "./errors.ts";
import { type AnyApp, opened } from "./read.ts";
import { bytesOf, headersOf } from "./resolve.ts";
import type { ReadTickets } from "./xet.ts";

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE = "application/vnd.ollama.image.";
/** Files beside the model that are layers of their own. */
const BESIDE = ["template", "params", "system", "license"];
const PREFERRED = "q4_k_m";
/** A GGUF file begins with its pairs, and by custom with the architecture. */
const HEAD_BYTES = 4096;
/** Refs that are looked through for a blob, for its address does not say of which it is. */
const REFS_MAX = 30;
const VISIT = { act: "hub.download", recorded: "later" } as const;

type Layer = { mediaType: string; digest: string; size: number };
type Image = { snapshot: Snapshot; layers: { layer: Layer; file: CatalogFile }[]; config: Uint8Array<ArrayBuffer>; configDigest: Digest };

export function mountOllama(app: AnyApp, gate: Gate<Catalog>, tickets: ReadTickets): void {
  app.on("GET", "/v2/:namespace/:name/manifests/:tag", (c) =>
    opened(c, gate, VISIT, async (_, catalog, told) => {
      const repository = repositoryOf(c);
      told.repository = repository;
      const image = await imageOf(catalog, repository, c.req.param("tag") ?? "");
      told.about = { revision: image.snapshot.revision.id };
      return c.body(JSON.stringify(manifestOf(image)), 200, { "content-type": MANIFEST_TYPE });
    }),
  );
  app.on("GET", "/v2/:namespace/:name/blobs/:digest", async (c) => {
    const ticket = c.req.query("ticket");
    if (ticket !== undefined) return byTicket(c, tickets, ticket);
    return opened(c, gate, VISIT, async (_, catalog, told) => {
      const repository = repositoryOf(c);
      told.repository = repository;
      const { snapshot, blob } = await findBlob(catalog, repository, digestOf(c));
      if (c.req.method === "HEAD") return new Response(null, { headers: { "content-length": String(blob.size) } });
      const revision = snapshot.revision.id;
      told.about = { revision };
      const link = "file" in blob ? await catalog.link(snapshot, blob.file) : null;
      // To a store under this very name Ollama would go at once, and then miss a Location.
      const isElsewhere = link !== null && new URL(link).hostname !== new URL(c.req.url).hostname;
      return c.body(null, 307, {
        location: isElsewhere ? link : elsewhere(c.req.url, (await tickets.seal(c, { repository, revision })).ticket),
      });
    });
  });
}

function repositoryOf(c: Context): RepositoryName {
  return repositoryIn(c.req.param("namespace"), c.req.param("name"));
}

function digestOf(c: Context): Digest {
  const digest = Digest.safeParse(c.req.param("digest")?.replace(/^sha256:/, ""));
  if (!digest.success) throw new FerryError("REQUEST_INVALID", { problem: "it is no digest of a blob" });
  return digest.data;
}

async function byTicket(c: Context, tickets: ReadTickets, ticket: string): Promise<Response> {
  try {
    const { catalog, repository, revision } = await tickets.open(c, ticket);
    if (repository !== repositoryOf(c)) throw new FerryError("TOKEN_INVALID");
    const digest = digestOf(c);
    const snapshot = await catalog.snapshot(repository, revision);
    const file = snapshot.files.find(({ sha256 }) => sha256 === digest);
    if (file !== undefined) return await bytesOf(c, catalog, { snapshot, file, headers: headersOf(c, snapshot, file) });
    const image = (await imagesOf(catalog, snapshot)).find(({ configDigest }) => configDigest === digest);
    if (image === undefined) throw new FerryError("FILE_UNKNOWN", { revision, path: digest });
    return partOf(c, image.config);
  } catch (thrown) {
    return hubProblem(asFerryError(thrown), c.req.method);
  }
}

function partOf(c: Context, bytes: Uint8Array<ArrayBuffer>): Response {
  const asked = rangeOf(c.req.header("range"), bytes.length);
  if (asked.kind !== "part") return new Response(bytes);
  const { start, end } = asked.range;
  const headers = { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` };
  return new Response(bytes.subarray(start, end), { status: 206, headers });
}

/** The same address under another name of the same host: a loopback's other name, an address as IPv6 writes it, a name with its last dot. */
export function elsewhere(url: string, ticket: string): string {
  const target = new URL(url);
  const { hostname } = target;
  if (hostname === "localhost") target.hostname = "127.0.0.1";
  else if (hostname === "127.0.0.1" || hostname === "[::1]") target.hostname = "localhost";
  else if (/^[\d.]+$/.test(hostname)) target.hostname = `[::ffff:${hostname}]`;
  else target.hostname = hostname.endsWith(".") ? hostname.slice(0, -1) : `${hostname}.`;
  target.search = `?ticket=${ticket}`;
  return target.href;
}

type Blob = { file: CatalogFile; size: number } | { size: number };

async function findBlob(catalog: Catalog, repository: RepositoryName, digest: Digest): Promise<{ snapshot: Snapshot; blob: Blob }> {
  const { branches, tags } = await catalog.names(repository);
  const { main, ...others } = branches;
  const revisions = [main, ...Object.values(tags), ...Object.values(others)].filter((id) => id !== undefined);
  for (const revision of [...new Set(revisions)].slice(0, REFS_MAX)) {
    const snapshot = await catalog.snapshot(repository, revision);
    const file = snapshot.files.find(({ sha256 }) => sha256 === digest);
    if (file !== undefined) return { snapshot, blob: { file, size: file.size } };
    const image = (await imagesOf(catalog, snapshot)).find(({ configDigest }) => configDigest === digest);
    if (image !== undefined) return { snapshot, blob: { size: image.config.length } };
  }
  throw new FerryError("FILE_UNKNOWN", { revision: main ?? "main", path: digest });
}

async function imageOf(catalog: Catalog, repository: RepositoryName, tag: string): Promise<Image> {
  const ref = tag === "latest" ? DEFAULT_BRANCH : tag;
  const { branches, tags } = await catalog.names(repository);
  const isRef = Ref.safeParse(ref).success && (Object.hasOwn(branches, ref) || Object.hasOwn(tags, ref));
  const snapshot = await catalog.snapshot(repository, isRef ? ref : DEFAULT_BRANCH);
  const wanted = isRef ? "" : tag.toLowerCase();
  const models = modelsIn(snapshot).filter(({ path }) => path.toLowerCase().includes(wanted));
  const model = models.find(({ path }) => path.toLowerCase().includes(PREFERRED)) ?? models[0];
  if (model === undefined)
    throw new FerryError("FILE_UNKNOWN", { revision: snapshot.revision.id, path: `a GGUF file for ${tag.slice(0, 100)}` });
  return madeOf(catalog, snapshot, model);
}

/** Those that its files may be asked for as. */
function imagesOf(catalog: Catalog, snapshot: Snapshot): Promise<Image[]> {
  return Promise.all(modelsIn(snapshot).map((model) => madeOf(catalog, snapshot, model)));
}

function modelsIn({ files }: Snapshot): CatalogFile[] {
  return files.filter(({ path }) => /\.gguf$/i.test(path) && !/-\d{5}-of-\d{5}\.gguf$/i.test(path) && !/^mmproj/i.test(nameOf(path)));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

async function madeOf(catalog: Catalog, snapshot: Snapshot, model: CatalogFile): Promise<Image> {
  const layerOf = (kind: string, file: CatalogFile) => ({
    layer: { mediaType: LAYER_TYPE + kind, digest: `sha256:${file.sha256}`, size: file.size },
    file,
  });
  const projector = snapshot.files.find(({ path }) => /^mmproj.*\.gguf$/i.test(nameOf(path)));
  const beside = BESIDE.flatMap((name) => {
    const file = snapshot.find(name);
    return file === null || file.size === 0 ? [] : [layerOf(name, file)];
  });
  const layers = [layerOf("model", model), ...(projector === undefined ? [] : [layerOf("projector", projector)]), ...beside];
  const family = architectureIn(await headOf(catalog, snapshot, model));
  const text = JSON.stringify({
    model_format: "gguf",
    model_family: family,
    model_families: family === "" ? [] : [family],
    model_type: /(\d+(?:\.\d+)?)b\b/i.exec(nameOf(model.path))?.[0].toUpperCase() ?? "",
    file_type: /\b(I?Q\d\w*|BF16|F16|F32)\b/i.exec(nameOf(model.path))?.[0].toUpperCase() ?? "",
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: layers.map(({ layer }) => layer.digest) },
  });
  const config = new Uint8Array(new TextEncoder().encode(text));
  return { snapshot, layers, config, configDigest: await sha256Of(config) };
}

function manifestOf({ layers, config, configDigest }: Image) {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: `sha256:${configDigest}`, size: config.length },
    layers: layers.map(({ layer }) => layer),
  };
}

async function headOf(catalog: Catalog, snapshot: Snapshot, model: CatalogFile): Promise<Uint8Array> {
  const pieces = await catalog.pieces(snapshot, model, { start: 0, end: Math.min(HEAD_BYTES, model.size) });
  const stream = concatenate(catalog, pieces, { stallMs: catalog.patienceMs });
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The value of general.architecture, when it is among the first pairs: key, u32 type 8, u64 length, text. */
function architectureIn(head: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(head);
  const key = "general.architecture";
  const at = text.indexOf(key) + key.length;
  if (!text.startsWith("GGUF") || at < key.length || at + 12 > head.length) return "";
  const view = new DataView(head.buffer, head.byteOffset + at);
  const length = view.getUint32(4, true);
  const value = text.slice(at + 12, at + 12 + Math.min(length, 64));
  return view.getUint32(0, true) === 8 && /^[\w.-]+$/.test(value) ? value : "";
}
