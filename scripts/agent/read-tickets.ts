/**
 * Tickets for requests that come without their caller's token: sealed, the token lies in them itself, so that the registry is asked for the
 * caller's rights as ever. Only this process opens them, and not for long.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import { RepositoryName } from "../../shared/names.ts";

const LIFE_MS = 15 * 60_000;
const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const Sealed = z.strictObject({ token: z.string(), repository: RepositoryName, revision: z.string(), untilMs: z.int() });
export type Spot = Pick<z.infer<typeof Sealed>, "repository" | "revision">;

export class TicketBox {
  readonly #key = randomBytes(32);
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  seal(token: string, { repository, revision }: Spot): { ticket: string; until: string } {
    const untilMs = this.#nowMs() + LIFE_MS;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    const text = JSON.stringify({ token, repository, revision, untilMs } satisfies z.infer<typeof Sealed>);
    const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { ticket: sealed.toString("base64url"), until: new Date(untilMs).toISOString() };
  }

  /** Throws TOKEN_INVALID. */
  open(ticket: string): Spot & { token: string } {
    const bytes = Buffer.from(ticket, "base64url");
    const { untilMs, ...spot } = Sealed.parse(this.#text(bytes));
    if (untilMs < this.#nowMs()) throw new FerryError("TOKEN_INVALID");
    return spot;
  }

  #text(bytes: Buffer): unknown {
    try {
      const opener = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      opener.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      const body = bytes.subarray(NONCE_BYTES, Math.max(NONCE_BYTES, bytes.length - TAG_BYTES));
      return JSON.parse(Buffer.concat([opener.update(body), opener.final()]).toString());
    } catch (cause) {
      throw new FerryError("TOKEN_INVALID", {}, { cause });
    }
  }
}
