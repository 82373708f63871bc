/**
 * What opens an agent's door to one chunk of one repository. The API makes tickets for callers who may pull; agents of the group know the
 * secret, so they check tickets without asking anybody, pass them on to one another, and make their own for warm-ups.
 *
 *   <day number>.<end, seconds since 1970, base 36>.<HMAC-SHA256, base64url>
 *
 * The secret is the day's: an agent that left the ring reads nothing more after the day that follows.
 */
import * as z from "zod";
import { type Digest, fromBase64Url, toBase64Url } from "./digest.ts";
import type { RepositoryName } from "./names.ts";

export const DAY_MS = 86_400_000;

export const RingSecret = z.object({ day: z.int(), secret: z.string().min(32).max(128) });
export type RingSecret = z.infer<typeof RingSecret>;

export type TicketSubject = { repository: RepositoryName; sha256: Digest; size: number };

/** As the types of each runtime call it. */
type Key = Awaited<ReturnType<typeof importKey>>;

export class RingTickets {
  readonly #keys: ReadonlyMap<number, Key>;

  private constructor(keys: ReadonlyMap<number, Key>) {
    this.#keys = keys;
  }

  static async make(secrets: readonly RingSecret[]): Promise<RingTickets> {
    const keys = new Map<number, Key>();
    for (const { day, secret } of secrets) keys.set(day, await importKey(secret));
    return new RingTickets(keys);
  }

  /** Null when the secret of that day is not known. */
  async ticket(subject: TicketSubject, nowMs: number, untilMs: number): Promise<string | null> {
    const day = Math.floor(nowMs / DAY_MS);
    const key = this.#keys.get(day);
    if (key === undefined) return null;
    const end = Math.ceil(untilMs / 1000).toString(36);
    return `${day}.${end}.${toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", key, textOf(subject, end))))}`;
  }

  /** Null, or why the ticket is none for this. */
  async problem(ticket: string, subject: TicketSubject, nowMs: number): Promise<string | null> {
    const [, day, end = "", mac = ""] = /^(\d{1,6})\.([0-9a-z]{1,9})\.([A-Za-z0-9_-]{43})$/.exec(ticket) ?? [];
    if (day === undefined) return "it is no ticket";
    const key = this.#keys.get(Number(day));
    if (key === undefined) return "it is not of these days";
    const isRight = await crypto.subtle.verify("HMAC", key, fromBase64Url(mac) as Uint8Array<ArrayBuffer>, textOf(subject, end));
    if (!isRight) return "it is for another chunk, repository or group, or of another deployment";
    return Number.parseInt(end, 36) * 1000 < nowMs ? "it has expired" : null;
  }
}

function importKey(secret: string) {
  const bytes = fromBase64Url(secret) as Uint8Array<ArrayBuffer>;
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

const encoder = new TextEncoder();

function textOf({ repository, sha256, size }: TicketSubject, end: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`ferry chunk\n${end}\n${repository}\n${sha256}\n${size}`) as Uint8Array<ArrayBuffer>;
}
