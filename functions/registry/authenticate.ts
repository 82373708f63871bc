/**
 * Who asks: what a caller brings, held against what is known of tokens.
 *
 * An isolate remembers callers for 30 s, so a request in the usual case asks nobody. A look-up believes the index only when that was
 * compared with the bucket less than 30 s ago: an index that was set back (a failover that lost writes) would know a revoked token as
 * valid. So a token that was revoked, or whose revocation was lost and is still in the log, is refused after 60 s at the latest.
 */
import { type Digest, sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { epochMs } from "../../shared/time.ts";
import { isShortToken, isToken } from "../../shared/token.ts";
import { mayFrom } from "./access.ts";
import type { FailureLimit } from "./failure-limit.ts";
import { catchUp, findConfirmed, withWhole } from "./log.ts";
import { systemLog } from "./logs.ts";
import { scopesFor } from "./people.ts";
import type { Caller, Ports, TokenEntry } from "./ports.ts";

const REMEMBERED_MS = 30_000;
const CONFIRMED_MS = 30_000;
const REMEMBERED_MAX = 10_000;
const USE_NOTED_MS = 3_600_000;

/** The deployment's own first administrator, from its settings. */
export type Bootstrap = Caller & { hash: Digest };

/** A token that was looked up and refused: the cause of such errors, for the audit trail alone. `caller`: whose it is or was. */
export class Refused extends Error {
  readonly caller: Caller | null;

  constructor(caller: Caller | null) {
    super("refused");
    this.caller = caller;
  }
}

/** One for each isolate. */
export class Authentication {
  readonly #ports: Ports;
  readonly #bootstrap: Bootstrap;
  readonly #failures: FailureLimit;
  /** By hash of the secret. Refusals are never remembered. */
  readonly #known = new Map<Digest, { caller: Caller; untilMs: number }>();
  readonly #notedMs = new Map<string, number>();
  #confirmed = { seq: 0, atMs: Number.NEGATIVE_INFINITY };

  constructor(ports: Ports, bootstrap: Bootstrap, failures: FailureLimit) {
    this.#ports = ports;
    this.#bootstrap = bootstrap;
    this.#failures = failures;
  }

  /**
   * The caller behind a bearer token. Throws TOKEN_INVALID; absence is confirmed in the bucket first, since a lost index must not lock
   * people out. A text without the token's form and checksum is refused before anything is asked. Throws ADDRESS_DENIED for a token that
   * may not be used from there, RATE_LIMITED for an address that brought too many wrong ones.
   * @param address of the client; null when it is not known
   */
  async callerOf(bearer: string, address: string | null): Promise<Caller> {
    if (!isToken(bearer)) throw new FerryError("TOKEN_INVALID");
    const hash = await sha256(bearer);
    const known = this.#known.get(hash);
    const caller =
      known !== undefined && known.untilMs > this.#ports.clock.now() ? known.caller : await this.#lookUp(bearer, hash, address);
    if (!mayFrom(caller, address)) await this.#refuseAddress(caller, address);
    return caller;
  }

  /** Counts as a wrong token does: whoever stole it would else have each try written into the trail. */
  async #refuseAddress(caller: Caller, address: string | null): Promise<never> {
    this.#failures.refuse(address);
    await this.#failures.count(address);
    throw new FerryError("ADDRESS_DENIED", { address: address ?? "an unknown address" }, { cause: new Refused(caller) });
  }

  async #lookUp(bearer: string, hash: Digest, address: string | null): Promise<Caller> {
    this.#failures.refuse(address);
    const nowMs = this.#ports.clock.now();
    const found = await this.#find(bearer, hash);
    if (found === null || found.untilMs <= nowMs) {
      await this.#failures.count(address);
      throw new FerryError("TOKEN_INVALID", {}, { cause: new Refused(found?.caller ?? null) });
    }
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.set(hash, { caller: found.caller, untilMs: Math.min(nowMs + REMEMBERED_MS, found.untilMs) });
    await this.#noteUse(found.caller, nowMs);
    return found.caller;
  }

  /** `untilMs`: when this secret ends; in the past for a token that was revoked. */
  async #find(bearer: string, hash: Digest): Promise<{ caller: Caller; untilMs: number } | null> {
    if (equalTexts(hash, this.#bootstrap.hash)) return { caller: callerIn(this.#bootstrap), untilMs: Number.POSITIVE_INFINITY };
    const short = isShortToken(bearer) ? await this.#ports.shortTokens.find(hash) : null;
    if (short !== null) return { caller: await this.#withRoles(short), untilMs: endOf(short.expiresAt) };
    const system = this.#ports.system.atLeast(await this.#confirmedSeq());
    const entry = await findConfirmed(systemLog(this.#ports), () => system.findToken(hash));
    const secret = entry?.secrets.find((known) => known.hash === hash);
    if (entry === null || secret === undefined) return null;
    const untilMs = entry.revokedAt === null ? Math.min(endOf(entry.expiresAt), endOf(secret.until)) : 0;
    return { caller: callerOfToken(entry), untilMs };
  }

  /** What a person may do is what the roles say that are known now. */
  async #withRoles(caller: Caller): Promise<Caller> {
    const { person } = caller;
    if (person === undefined) return caller;
    const system = this.#ports.system.atLeast(await this.#confirmedSeq());
    const { grants } = await withWhole(systemLog(this.#ports), () => system.directory());
    return { ...caller, scopes: scopesFor(person, grants) };
  }

  /** Of the log in the bucket, less than 30 s ago: an index that goes back before it says nothing. */
  async #confirmedSeq(): Promise<number> {
    const atMs = this.#ports.clock.now();
    if (atMs - this.#confirmed.atMs >= CONFIRMED_MS) this.#confirmed = { seq: (await catchUp(systemLog(this.#ports))).seq, atMs };
    return this.#confirmed.seq;
  }

  /** An index that takes no writes (it is full) must not keep anybody out. */
  async #noteUse({ tokenId, kind }: Caller, nowMs: number): Promise<void> {
    if (kind === "identity" || kind === "session" || kind === "bootstrap" || nowMs - (this.#notedMs.get(tokenId) ?? 0) < USE_NOTED_MS)
      return;
    if (this.#notedMs.size >= REMEMBERED_MAX) this.#notedMs.clear();
    this.#notedMs.set(tokenId, nowMs);
    await this.#ports.uses.note(tokenId, nowMs).catch((error: unknown) => {
      if (!(error instanceof FerryError)) throw error;
    });
  }
}

function callerOfToken({ id, name, kind, scopes, networks, expiresAt }: TokenEntry): Caller {
  return { tokenId: id, name, kind, scopes, networks, expiresAt };
}

function callerIn({ hash: _, ...caller }: Bootstrap): Caller {
  return caller;
}

function endOf(iso: string | null): number {
  return iso === null ? Number.POSITIVE_INFINITY : epochMs(iso);
}

/** In time that depends on the length alone. */
export function equalTexts(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
