/**
 * Signed requests for clients: create-only PUTs bound to one object, length and content, and presigned GETs. No I/O.
 *
 * Modes, strongest first (DESIGN §3.3): `payload` signs the content's SHA-256 as x-amz-content-sha256, in headers, valid 15 minutes;
 * `checksum` presigns x-amz-checksum-sha256; `md5` presigns content-md5. In the presigned ones the check is a signed header, never
 * hoisted into the query: there it would be one more parameter that a store may ignore. Content-Length is signed in all of them.
 */
import type { DownloadBatch } from "../../shared/contract/downloads.ts";
import { TICKET_SECONDS, type TicketBatch, type TicketMode } from "../../shared/contract/uploads.ts";
import { type Digest, fromHex, toBase64 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { StoreId } from "../../shared/names.ts";
import type { Dialect } from "./dialects.ts";
import type { Place } from "./profile.ts";
import { type Family, type Member, PAYLOAD_HEADER, type Signer } from "./signer.ts";

/** `path`: of the object, below the place; unreserved characters and "/" only. `md5`: base64, needed in mode `md5`. */
export type TicketItem = {
  readonly sha256: Digest;
  readonly size: number;
  readonly path: string;
  readonly md5?: string | undefined;
};

/** `atMs`: the moment of signing, default now. */
export type TicketRequest = {
  readonly mode: TicketMode;
  readonly place: Place;
  readonly dialect: Pick<Dialect, "createOnly" | "absent" | "fixed" | "fixedInUrls">;
  readonly items: readonly TicketItem[];
  readonly atMs?: number;
};

type Check = { readonly header: string; readonly valueOf: (item: TicketItem) => string };

/** The signed header that binds the content in each mode. */
const CHECKS: Record<TicketMode, Check> = {
  payload: { header: PAYLOAD_HEADER, valueOf: ({ sha256 }) => sha256 },
  checksum: { header: "x-amz-checksum-sha256", valueOf: ({ sha256 }) => toBase64(fromHex(sha256)) },
  md5: { header: "content-md5", valueOf: md5Of },
};

/** Throws REQUEST_INVALID when the mode is `md5` and an item has none. */
export async function signTickets(signer: Signer, { mode, place, dialect, items, atMs }: TicketRequest): Promise<TicketBatch> {
  const check = CHECKS[mode];
  const { createOnly, absent, fixed, fixedInUrls } = dialect;
  const headers = [createOnly, ...fixed, ...(mode === "payload" ? [] : fixedInUrls)];
  const constant = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  const family: Family = { method: "PUT", place, headers: constant, varying: ["content-length", check.header], absent };
  const members = items.map((item): Member => ({ path: item.path, values: [String(item.size), check.valueOf(item)] }));
  const when = atMs === undefined ? {} : { atMs };
  const common = { mode, base: place.origin + place.path, expiresInSeconds: TICKET_SECONDS };
  if (mode === "payload") {
    const { headers, authorization, signatures } = await signer.authorize(family, members, when);
    return { ...common, query: "", authorization, headers, items: itemsOf(items, signatures) };
  }
  const { query, signatures } = await signer.presign(family, members, { expiresSeconds: TICKET_SECONDS, ...when });
  return { ...common, query, authorization: "", headers: constant, items: itemsOf(items, signatures, mode === "md5") };
}

/**
 * A browser must not show a chunk that it opens by mistake, nor guess what it is. And nobody must unpack it: an uploader may have
 * added a Content-Encoding, which stores keep although no signature covers it.
 */
const DOWNLOAD_QUERY = {
  "response-content-disposition": "attachment",
  "response-content-encoding": "identity",
  "response-content-type": "application/octet-stream",
};

export type DownloadItem = { readonly sha256: Digest; readonly path: string };

export async function signDownloads(
  signer: Signer,
  { store, place, items }: { store: StoreId; place: Place; items: readonly DownloadItem[] },
): Promise<DownloadBatch> {
  const family: Family = { method: "GET", place, headers: {}, varying: [] };
  const members = items.map(({ path }): Member => ({ path, values: [] }));
  const { query, signatures } = await signer.presign(family, members, { expiresSeconds: TICKET_SECONDS, query: DOWNLOAD_QUERY });
  const signed = items.map(({ sha256, path }, at) => ({ sha256, path, signature: signatures[at] ?? "" }));
  return { store, base: place.origin + place.path, query, expiresInSeconds: TICKET_SECONDS, items: signed };
}

function itemsOf(items: readonly TicketItem[], signatures: readonly string[], withMd5 = false): TicketBatch["items"] {
  return items.map(({ sha256, size, path, md5 }, at) => {
    const item = { sha256, size, path, signature: signatures[at] ?? "" };
    return withMd5 && md5 !== undefined ? { ...item, md5 } : item;
  });
}

function md5Of({ md5 }: TicketItem): string {
  if (md5 === undefined) throw new FerryError("REQUEST_INVALID", { problem: "a ticket of mode md5 needs the chunk's md5" });
  return md5;
}
