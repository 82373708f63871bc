/**
 * /resolve and /raw: a file's bytes, or what is known of it.
 *
 * Gaps and quirks:
 * - HEAD is always answered here: newer Python clients follow a redirect of HEAD with their token.
 * - GET of a file of one chunk is a redirect to the store; other files are streamed. Several ranges at once get the whole file.
 * - For files over 50 GB no size is told to huggingface_hub, which would refuse to load them in one piece.
 * - /raw gives the file's bytes, never a pointer.
 */
import type { Context } from "hono";
import { FerryError } from "../../../shared/errors.ts";
import { ofLength } from "../../../shared/fixed-length.ts";
import { contentRange, rangeOf } from "../../../shared/ranges.ts";
import type { Catalog, CatalogFile, Snapshot } from "../catalog.ts";
import { concatenate } from "../concatenate.ts";
import type { Told } from "../gate.ts";
import { partsOf, repositoryIn, revisionIn } from "./address.ts";

/** `MAX_HTTP_DOWNLOAD_SIZE` of huggingface_hub. */
const PLAIN_BYTES_MAX = 50e9;

/** Path: /<namespace>/<name>/resolve/<revision>/<file>. */
export async function resolveFile(c: Context, catalog: Catalog, told: Told): Promise<Response> {
  const [namespace, name, , ...rest] = partsOf(c.req.url);
  const repository = repositoryIn(namespace, name);
  told.repository = repository;
  const { ref, rest: path } = revisionIn(repository, rest);
  const snapshot = await catalog.snapshot(repository, ref);
  const file = snapshot.find(path);
  if (file === null) throw new FerryError("FILE_UNKNOWN", { revision: snapshot.revision.id, path: path.slice(0, 1024) });
  told.about = { revision: snapshot.revision.id, path };
  const headers = headersOf(c, snapshot, file);
  if (c.req.method === "HEAD") return new Response(null, { headers });
  return bytesOf(c, catalog, { snapshot, file, headers });
}

type Wanted = { snapshot: Snapshot; file: CatalogFile; headers: Headers };

export async function bytesOf(c: Context, catalog: Catalog, { snapshot, file, headers }: Wanted): Promise<Response> {
  if (matches(c.req.header("if-none-match"), file)) return new Response(null, { status: 304, headers: without(headers, "content-length") });
  const isStale = c.req.header("if-range") !== undefined && !matches(c.req.header("if-range"), file);
  const asked = rangeOf(isStale ? null : c.req.header("range"), file.size);
  if (file.size === 0 && asked.kind === "whole") return new Response(new Uint8Array(), { headers });
  if (asked.kind === "unsatisfiable") {
    headers.set("content-range", `bytes */${file.size}`);
    return new Response(null, { status: 416, headers: without(headers, "content-length") });
  }
  const link = await catalog.link(snapshot, file);
  if (link !== null) {
    headers.set("location", link);
    headers.set("cache-control", "no-store");
    return new Response(null, { status: 302, headers: without(headers, "content-length") });
  }
  const range = asked.kind === "part" ? asked.range : { start: 0, end: file.size };
  const length = range.end - range.start;
  headers.set("content-length", String(length));
  if (asked.kind === "part") headers.set("content-range", contentRange(range, file.size));
  const stream = concatenate(catalog, await catalog.pieces(snapshot, file, range), { stallMs: catalog.patienceMs });
  return new Response(ofLength(stream, length), { status: asked.kind === "part" ? 206 : 200, headers });
}

export function headersOf(c: Context, { revision }: Snapshot, { path, size, sha256 }: CatalogFile): Headers {
  const isHubClient = /\bhf_hub\//.test(c.req.header("user-agent") ?? "");
  const sizes = c.req.method === "HEAD" && isHubClient && size > PLAIN_BYTES_MAX ? {} : sizesOf(size);
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/[^\x20-\x7e]|["\\]/g, "_");
  return new Headers({
    ...sizes,
    "accept-ranges": "bytes",
    // A gzipped answer has neither a length nor ranges.
    "cache-control": "no-transform",
    "content-disposition": `inline; filename="${name}";`,
    "content-security-policy": "default-src 'none'; sandbox",
    "content-type": "application/octet-stream",
    etag: `"${sha256}"`,
    "x-linked-etag": `"${sha256}"`,
    "x-repo-commit": revision.id,
  });
}

function sizesOf(size: number): Record<string, string> {
  return { "content-length": String(size), "x-linked-size": String(size) };
}

function matches(header: string | undefined, { sha256 }: CatalogFile): boolean {
  return header?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === `"${sha256}"`) ?? false;
}

function without(headers: Headers, name: string): Headers {
  headers.delete(name);
  return headers;
}
