/**
 * Another issuer's token for a short token of ours. Which trust a token fits is looked for only when its issuer's signature is verified, so
 * a made-up token learns nothing of the trusts but which issuers there are. The token that is given is in no log: it ends within the hour,
 * or with the index, and its holder exchanges again.
 */
import type { ExchangeRequest, IdentityGrant } from "../../shared/contract/identity.ts";
import { fromBase64Url, sha256, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { subscriberOf } from "../../shared/networks.ts";
import { isoTime } from "../../shared/time.ts";
import { makeShortToken } from "../../shared/token.ts";
import type { FailureLimit } from "./failure-limit.ts";
import type { Caller, Claims, Ports } from "./ports.ts";
import type { RateLimits } from "./rate-limits.ts";
import { matchesClaims, type Trust } from "./trusts.ts";

const NAME_MAX = 200;

/** One for each isolate. */
export class IdentityExchange {
  readonly #ports: Ports;
  readonly #failures: FailureLimit;
  readonly #rates: RateLimits;

  constructor(ports: Ports, failures: FailureLimit, rates: RateLimits) {
    this.#ports = ports;
    this.#failures = failures;
    this.#rates = rates;
  }

  /** Throws IDENTITY_INVALID, IDENTITY_UNAVAILABLE, RATE_LIMITED. @param address of the client; null when it is not known */
  async exchange(request: ExchangeRequest, address: string | null): Promise<IdentityGrant> {
    this.#failures.refuse(address);
    await this.#rates.spendOf((address === null ? null : subscriberOf(address)) ?? "unknown", this.#ports.limits.exchangesPerMinute);
    try {
      const { trust, claims } = await findTrust(this.#ports, request);
      return await grant(this.#ports, trust, claims);
    } catch (error) {
      if (error instanceof FerryError && error.code === "IDENTITY_INVALID") await this.#failures.count(address);
      throw error;
    }
  }
}

/** The first in the order of the settings that the token fits. */
async function findTrust(ports: Ports, { token, audience }: ExchangeRequest): Promise<{ trust: Trust; claims: Claims }> {
  const issuer = issuerIn(token);
  const candidates = ports.identities.trusts.filter((trust) => trust.issuer === issuer && (audience ?? trust.audience) === trust.audience);
  if (candidates.length === 0)
    throw invalid(audience === undefined ? "its issuer is not trusted" : "its issuer is not trusted for this audience");
  let refusal = invalid("it fits no trust");
  for (const group of groupsOf(candidates)) {
    const claims = await verified(ports, group, token);
    if (claims instanceof FerryError) refusal = claims;
    else {
      const trust = group.find((one) => audiencesIn(claims).includes(one.audience) && matchesClaims(one.claims, claims));
      if (trust !== undefined) return { trust, claims };
      refusal = invalid("its claims fit no trust of its issuer");
    }
  }
  throw refusal;
}

/** Those whose tokens are verified alike. */
function groupsOf(trusts: readonly Trust[]): [Trust, ...Trust[]][] {
  const groups = new Map<string, [Trust, ...Trust[]]>();
  for (const trust of trusts) {
    const key = JSON.stringify([trust.jwksUrl, trust.algorithms, trust.maxAgeSeconds]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [trust]);
    else group.push(trust);
  }
  return [...groups.values()];
}

async function verified(ports: Ports, group: readonly [Trust, ...Trust[]], token: string): Promise<Claims | FerryError> {
  const [{ issuer, jwksUrl, algorithms, maxAgeSeconds }] = group;
  const audiences = group.map((trust) => trust.audience);
  const result = await ports.identities.verify({ issuer, jwksUrl, algorithms, maxAgeSeconds, audiences }, token);
  return "claims" in result ? result.claims : invalid(result.problem);
}

function audiencesIn({ aud }: Claims): readonly unknown[] {
  return Array.isArray(aud) ? aud : [aud];
}

async function grant(ports: Ports, { name, issuer, grants }: Trust, claims: Claims): Promise<IdentityGrant> {
  const seconds = grants.maxSeconds;
  // The same for each exchange of one identity: what it began it goes on with, and its limits count together.
  const id = toHex((await ports.keyed.mac("identity", issuer, claims.sub)).subarray(0, 8));
  const caller: Caller = {
    tokenId: id,
    name: `${name}:${claims.sub}`.slice(0, NAME_MAX).toWellFormed(),
    kind: "identity",
    scopes: grants.scopes,
    networks: grants.networks,
    expiresAt: isoTime(ports.clock.now() + seconds * 1000),
  };
  const token = makeShortToken(ports.random.bytes(32));
  await ports.shortTokens.keep(await sha256(token), caller, seconds);
  const { name: told, scopes } = caller;
  return { token, id, name: told, scopes: [...scopes], expiresAt: caller.expiresAt ?? "", expiresInSeconds: seconds };
}

/** What a token says of its issuer, not verified: enough to know whose keys to ask for. */
function issuerIn(token: string): string | null {
  try {
    const claims: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fromBase64Url(token.split(".")[1] ?? "")),
    );
    const issuer = typeof claims === "object" && claims !== null && "iss" in claims ? claims.iss : null;
    return typeof issuer === "string" ? issuer : null;
  } catch {
    return null;
  }
}

function invalid(problem: string): FerryError {
  return new FerryError("IDENTITY_INVALID", { problem });
}
