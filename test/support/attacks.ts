/**
 * Hostile uses of one ticket, as data. Each gets a ticket for `right` (valid, never used before) and makes requests of it that a store
 * must refuse. `needs`: what it makes sense on, `store` (speaks S3) or `network` (is reached by sockets); default: memory will do.
 */
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { TicketMode } from "../../shared/contract/uploads.ts";
import type { SignedRequest } from "../../shared/tickets.ts";

export type Sent = { method?: string; url: string; headers: Record<string, string>; body?: Uint8Array<ArrayBuffer>; raw?: boolean };

export type Attack = {
  name: string;
  modes?: readonly TicketMode[];
  needs?: "store" | "network";
  /** Milliseconds that pass between giving and using the ticket. */
  laterMs?: number;
  make: (ticket: SignedRequest, scene: Scene) => Sent;
};

/** `other`: a chunk with a valid ticket of its own, of the same length. `victim`: whole URL and copy source of an object of others. */
export type Scene = {
  right: Uint8Array<ArrayBuffer>;
  other: Uint8Array<ArrayBuffer>;
  otherTicket: SignedRequest;
  victim: { url: string; copySource: string };
};

const PRESIGNED = ["checksum", "md5"] as const;

export const ATTACKS: readonly Attack[] = [
  { name: "one bit flipped", make: (ticket, { right }) => ({ ...ticket, body: right.map((byte, at) => (at === 7 ? byte ^ 4 : byte)) }) },
  { name: "another body of the same length", make: (ticket, { other }) => ({ ...ticket, body: other }) },
  { name: "a longer body", make: (ticket, { right }) => ({ ...ticket, body: Uint8Array.from([...right, 0]) }) },
  { name: "a shorter body", make: (ticket, { right }) => ({ ...ticket, body: right.slice(0, -1) }) },
  { name: "an empty body", make: (ticket) => ({ ...ticket, body: new Uint8Array() }) },
  {
    name: "another key",
    make: (ticket, { right }) => ({ ...ticket, url: ticket.url.replace(/(?<=~)[0-9a-f]{16}/, otherHex), body: right }),
  },
  {
    name: "the key of another ticket, with its body",
    make: (ticket, { other, otherTicket }) => ({ ...ticket, url: swapPath(ticket.url, otherTicket.url), body: other }),
  },
  {
    name: "another body, its digest in the header",
    modes: ["payload"],
    make: (ticket, { other }) => ({
      ...ticket,
      headers: { ...ticket.headers, "x-amz-content-sha256": digest("sha256", "hex", other) },
      body: other,
    }),
  },
  ...["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""].map(
    (value): Attack => ({
      name: `another body, its digest said to be '${value}'`,
      modes: ["payload"],
      make: (ticket, { other }) => ({ ...ticket, headers: { ...ticket.headers, "x-amz-content-sha256": value }, body: other }),
    }),
  ),
  {
    name: "another body, its md5 in the header",
    modes: ["md5"],
    make: (ticket, { other }) => ({
      ...ticket,
      headers: { ...ticket.headers, "content-md5": digest("md5", "base64", other) },
      body: other,
    }),
  },
  {
    name: "another body, its checksum in the header",
    modes: ["checksum"],
    make: (ticket, { other }) => ({
      ...ticket,
      headers: { ...ticket.headers, "x-amz-checksum-sha256": digest("sha256", "base64", other) },
      body: other,
    }),
  },
  {
    name: "another body, the check left out",
    make: (ticket, { other }) => ({ ...ticket, headers: withoutCheck(ticket.headers), body: other }),
  },
  {
    name: "the create-only header left out",
    make: (ticket, { right }) => ({ ...ticket, headers: without(ticket.headers, "if-none-match"), body: right }),
  },
  {
    name: "the create-only header changed",
    make: (ticket, { right }) => ({ ...ticket, headers: { ...ticket.headers, "if-none-match": '"0"' }, body: right }),
  },
  { name: "the signature left out", make: (ticket, { right }) => ({ ...unsigned(ticket), body: right }) },
  { name: "the signature changed", make: (ticket, { right }) => ({ ...resigned(ticket, otherHex), body: right }) },
  { name: "GET", make: ({ url, headers }) => ({ method: "GET", url, headers }) },
  { name: "HEAD", make: ({ url, headers }) => ({ method: "HEAD", url, headers }) },
  { name: "DELETE", make: ({ url, headers }) => ({ method: "DELETE", url, headers }) },
  { name: "POST", make: (ticket, { right }) => ({ ...ticket, method: "POST", body: right }) },
  { name: "a parameter added", make: (ticket, { right }) => ({ ...ticket, url: `${ticket.url}${separator(ticket.url)}x=1`, body: right }) },
  {
    name: "?tagging added",
    needs: "store",
    make: (ticket, { right }) => ({ ...ticket, url: `${ticket.url}${separator(ticket.url)}tagging`, body: right }),
  },
  {
    name: "a part of a multipart upload",
    needs: "store",
    make: (ticket, { right }) => ({ ...ticket, url: `${ticket.url}${separator(ticket.url)}partNumber=1&uploadId=x`, body: right }),
  },
  {
    name: "a longer expiry",
    modes: PRESIGNED,
    needs: "store",
    make: (ticket, { right }) => ({ ...ticket, url: ticket.url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"), body: right }),
  },
  { name: "after 16 minutes", laterMs: 16 * 60_000, make: (ticket, { right }) => ({ ...ticket, body: right }) },
  {
    name: "after 16 minutes, with a younger date",
    laterMs: 16 * 60_000,
    needs: "store",
    make: (ticket, { right }) => ({ ...younger(ticket), body: right }),
  },
  {
    name: "dot segments to an object of others",
    needs: "network",
    make: (ticket, { right, victim }) => ({ ...ticket, url: dotted(ticket.url, victim.url, ".."), body: right, raw: true }),
  },
  {
    name: "encoded dot segments to an object of others",
    needs: "network",
    make: (ticket, { right, victim }) => ({ ...ticket, url: dotted(ticket.url, victim.url, "%2e%2e"), body: right, raw: true }),
  },
  {
    name: "a copy of an object of others",
    needs: "store",
    make: (ticket, { right, victim }) => ({
      ...ticket,
      headers: { ...ticket.headers, "x-amz-copy-source": victim.copySource },
      body: right,
    }),
  },
  {
    name: "a ranged copy of an object of others",
    needs: "store",
    make: (ticket, { right, victim }) => ({
      ...ticket,
      headers: { ...ticket.headers, "x-amz-copy-source": victim.copySource, "x-amz-copy-source-range": `bytes=0-${right.length - 1}` },
      body: right,
    }),
  },
];

/** Sends without following, normalising or adding what the attack did not ask for; resolves with the status. */
export function sendRaw({ method = "PUT", url, headers, body = new Uint8Array() }: Sent): Promise<number> {
  const [, host = "", path = ""] = /^http:\/\/([^/]+)(.*)$/.exec(url) ?? [];
  const { hostname, port } = new URL(`http://${host}`);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, method, headers: { ...headers, "content-length": body.length } }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
    });
    request.setTimeout(20_000, () => request.destroy(new Error("no answer in time")));
    request.on("error", reject).end(body);
  });
}

function digest(algorithm: string, encoding: "hex" | "base64", bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest(encoding);
}

function without(headers: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name));
}

function withoutCheck(headers: Record<string, string>): Record<string, string> {
  return ["x-amz-content-sha256", "x-amz-checksum-sha256", "content-md5"].reduce(without, headers);
}

function unsigned({ method, url, headers }: SignedRequest): SignedRequest {
  return { method, url: url.replace(/[?&]X-Amz-Signature=.*$/, ""), headers: without(headers, "authorization") };
}

function resigned({ method, url, headers }: SignedRequest, change: (hex: string) => string): SignedRequest {
  const { authorization } = headers;
  const swap = (text: string): string => text.replace(/(?<=Signature=)[0-9a-f]{64}$/, change);
  return { method, url: swap(url), headers: authorization === undefined ? headers : { ...headers, authorization: swap(authorization) } };
}

/** Other hex of the same length, whatever it was. */
function otherHex(hex: string): string {
  return (hex.startsWith("0") ? "1" : "0") + hex.slice(1);
}

/** The same ticket with the time of now, wherever it says one; its day stays. */
function younger({ method, url, headers }: SignedRequest): SignedRequest {
  const now = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
  const date = headers["x-amz-date"];
  const changed = date === undefined ? headers : { ...headers, "x-amz-date": now };
  return { method, url: url.replace(/(?<=X-Amz-Date=)\w+/, now), headers: changed };
}

function swapPath(url: string, from: string): string {
  const [, query] = url.split("?");
  return `${from.split("?")[0]}${query === undefined ? "" : `?${query}`}`;
}

/** From the ticket's own folder up and down again to the victim: what a server that resolves dots would take for it. */
function dotted(url: string, victim: string, up: string): string {
  const [path = "", query] = url.split("?");
  const base = path.slice(0, path.lastIndexOf("chunks/"));
  const tail = victim.slice(base.length);
  return `${path}/${up}/${up}/${up}/${tail}${query === undefined ? "" : `?${query}`}`;
}

function separator(url: string): string {
  return url.includes("?") ? "&" : "?";
}
