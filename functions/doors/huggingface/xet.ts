/**
 * Xet, for reading only: a client that knows it loads parts of a large file at the same time. Off unless a deployment switches it on, and
 * never reached by the Worker, which would have to carry and frame the bytes. Clients check no hash of what comes this way; what an object is
 * read whole, or comes out of an agent's cache, was held against its SHA-256 before.
 *
 * Gaps: no uploads; the second version of reconstructions only; trees don't tell of Xet, so clients ask for each file; small files
 * come by /resolve. Ids: a file's is its SHA-256; a xorb is a window of a file (xet-frames.ts), and its id of no meaning.
 */
import type { Context } from "hono";
import { Digest, sha256 as sha256Of } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import { contentRange, rangeOf } from "../../../shared/ranges.ts";
import { epochMs } from "../../../shared/time.ts";
import { MiB } from "../../../shared/units.ts";
import type { Catalog, CatalogFile, Snapshot } from "../catalog.ts";
import { concatenate } from "../concatenate.ts";
import type { Gate } from "../gate.ts";
import { revisionIn } from "./address.ts";
import { asFerryError, hubProblem } from "./errors.ts";
import { targetOf } from "./models.ts";
import { type AnyApp, MODEL, opened } from "./read.ts";
import { framed, type Term, termsOf, windowPart } from "./xet-frames.ts";

/** Smaller files come as they are: that is one request. */
const LEAST_BYTES = MiB;
const FILE_INFO = "application/vnd.xet-fileinfo+json";

export type ReadSpot = { repository: RepositoryName; revision: string };

/** Names one revision for the requests that have to say who asks without his token. */
export type ReadTickets = {
  seal(c: Context, spot: ReadSpot): Promise<{ ticket: string; until: string }>;
  /** Throws TOKEN_INVALID for what is none, or too old. */
  open(c: Context, ticket: string): Promise<ReadSpot & { catalog: Catalog }>;
};

export function mountXet(app: AnyApp, gate: Gate<Catalog>, tickets: ReadTickets): void {
  app.on("GET", `${MODEL}/xet-read-token/*`, (c) =>
    opened(c, gate, { act: "hub.download", recorded: "later" }, async (_, catalog, told) => {
      const { repository, rest } = targetOf(c, told);
      const ref = rest.join("/") === "None" ? "main" : revisionIn(repository, rest).ref;
      const revision = (await catalog.snapshot(repository, ref)).revision.id;
      told.about = { revision };
      return tokenAnswer(c, await tickets.seal(c, { repository, revision }));
    }),
  );
  app.on("GET", "/v2/reconstructions/:file", (c) => told(c, 401, () => reconstruction(c, tickets)));
  app.on("GET", "/xet/:file/:window", (c) => told(c, 403, () => windowOf(c, tickets)));
}

function tokenAnswer(c: Context, { ticket, until }: { ticket: string; until: string }): Response {
  const casUrl = new URL(c.req.url).origin;
  const exp = Math.floor(epochMs(until) / 1000);
  c.header("x-xet-cas-url", casUrl);
  c.header("x-xet-access-token", ticket);
  c.header("x-xet-token-expiration", String(exp));
  c.header("cache-control", "no-store");
  return c.json({ casUrl, accessToken: ticket, exp });
}

/** Clients ask for a new token, or a new reconstruction, when a ticket has ended: at `endedStatus`. */
async function told(c: Context, endedStatus: number, answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (thrown) {
    const error = asFerryError(thrown);
    const refused = hubProblem(error, c.req.method);
    return error.code === "TOKEN_INVALID" ? new Response(refused.body, { status: endedStatus, headers: refused.headers }) : refused;
  }
}

type Found = { catalog: Catalog; snapshot: Snapshot; file: CatalogFile };

async function found(c: Context, tickets: ReadTickets, ticket: string): Promise<Found> {
  const { catalog, repository, revision } = await tickets.open(c, ticket);
  const snapshot = await catalog.snapshot(repository, revision);
  const sha256 = Digest.safeParse(c.req.param("file")).data;
  const file = snapshot.files.find((one) => one.sha256 === sha256);
  if (file === undefined) throw new FerryError("FILE_UNKNOWN", { revision, path: c.req.param("file")?.slice(0, 64) ?? "" });
  return { catalog, snapshot, file };
}

async function reconstruction(c: Context, tickets: ReadTickets): Promise<Response> {
  const [, ticket = ""] = /^bearer ([^ ]+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
  const { file } = await found(c, tickets, ticket);
  const asked = rangeOf(c.req.header("range"), file.size);
  if (asked.kind === "unsatisfiable") return c.json({ error: "the range is behind the end" }, 416);
  const { skipBytes, terms } = termsOf(file.size, asked.kind === "part" ? asked.range : { start: 0, end: file.size });
  const ids = await Promise.all(terms.map(({ window }) => sha256Of(`${file.sha256} ${window}`)));
  const base = `${new URL(c.req.url).origin}/xet/${file.sha256}`;
  const named = terms.map((term, at) => ({ ...term, id: ids[at] ?? "" }));
  const answer = {
    offset_into_first_range: skipBytes,
    terms: named.map(({ id, unpackedBytes, start, end }) => ({ hash: id, unpacked_length: unpackedBytes, range: { start, end } })),
    xorbs: Object.fromEntries(named.map((term) => [term.id, [fetchOf(`${base}/${term.window}?ticket=${ticket}`, term)]])),
  };
  return c.json(answer, 200, { "cache-control": "no-store" });
}

function fetchOf(url: string, { start, end, firstByte, lastByte }: Term) {
  return { url, ranges: [{ chunks: { start, end }, bytes: { start: firstByte, end: lastByte } }] };
}

async function windowOf(c: Context, tickets: ReadTickets): Promise<Response> {
  const { catalog, snapshot, file } = await found(c, tickets, c.req.query("ticket") ?? "");
  const window = c.req.param("window") ?? "";
  const part = /^\d{1,9}$/.test(window) ? windowPart(file.size, Number(window), c.req.header("range") ?? null) : null;
  if (part === null) return c.json({ error: "there is no such part" }, 416);
  const length = part.file.end - part.file.start;
  const bytes = concatenate(catalog, await catalog.pieces(snapshot, file, part.file), { stallMs: catalog.patienceMs });
  const headers = {
    "content-type": "application/octet-stream",
    "cache-control": "no-store, no-transform",
    "content-length": String(part.framed.end - part.framed.start),
    "content-range": contentRange(part.framed, part.framedSize),
  };
  return new Response(framed(bytes, length), { status: 206, headers });
}

type Fetch<E> = (request: Request, env: E) => Response | Promise<Response>;

/**
 * Tells of Xet where a large file is resolved. With it sizes are told whatever the client: it does not load in one piece then. Clients
 * without it can't load files over 50 GB from here.
 */
export function announceXet<E>(next: Fetch<E>): Fetch<E> {
  return async (request, env) => {
    const { origin, pathname } = new URL(request.url);
    const [, repository] = /^\/([^/]+\/[^/]+)\/resolve\//.exec(pathname) ?? [];
    if (repository === undefined) return next(request, env);
    const answer = await next(request.method === "HEAD" ? asAnybody(request) : request, env);
    const size = Number(answer.headers.get("x-linked-size") ?? 0);
    const sha256 = answer.headers.get("x-linked-etag")?.replaceAll('"', "") ?? "";
    if (size < LEAST_BYTES || !(answer.ok || answer.status === 302)) return answer;
    const headers = new Headers(answer.headers);
    headers.set("x-xet-hash", sha256);
    const auth = `<${origin}/api/models/${repository}/xet-read-token/${headers.get("x-repo-commit")}>; rel="xet-auth"`;
    headers.set("link", `${auth}, <${origin}/v2/reconstructions/${sha256}>; rel="xet-reconstruction-info"`);
    if (!request.headers.get("accept")?.includes(FILE_INFO)) return new Response(answer.body, { status: answer.status, headers });
    await answer.body?.cancel();
    for (const name of ["content-length", "content-range", "location"]) headers.delete(name);
    headers.set("content-type", FILE_INFO);
    return new Response(JSON.stringify({ hash: sha256 }), { headers });
  };
}

function asAnybody(request: Request): Request {
  const headers = new Headers(request.headers);
  headers.delete("user-agent");
  return new Request(request.url, { method: request.method, headers, signal: request.signal });
}
