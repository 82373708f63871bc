/**
 * Verification of identity tokens with jose, made strict. What a token says of its own key (`jwk`, `jku`, `x5u`) is never looked at: keys
 * come from the address in the settings alone, cached for 10 minutes, and asked for again at most every 30 s when a token names one that
 * is not there. jose takes tokens without `exp` and of any issuer and audience unless it is told otherwise; here it is told.
 */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { FerryError } from "../../shared/errors.ts";
import type { Clock, Identities, Verification, Verified } from "../registry/ports.ts";
import type { Trust } from "../registry/trusts.ts";

const CACHED_MS = 600_000;
const COOLDOWN_MS = 30_000;
const TIMEOUT_MS = 5_000;
/** Clocks of issuers may differ by this. */
const TOLERANCE_SECONDS = 30;

type World = { clock: Clock; fetch: typeof fetch };

export function identities(trusts: readonly Trust[], world: World): Identities {
  const keysAt = new Map<string, JWTVerifyGetKey>();
  const keysOf = (issuer: string, url: string) => {
    const keys = keysAt.get(url) ?? remoteKeys(issuer, url, world);
    keysAt.set(url, keys);
    return keys;
  };
  return { trusts, verify: (how, token) => verify(keysOf(how.issuer, how.jwksUrl), how, token, world.clock.now()) };
}

function remoteKeys(issuer: string, url: string, { fetch }: World): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    cacheMaxAge: CACHED_MS,
    cooldownDuration: COOLDOWN_MS,
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: (input, init) => fetch(input, init),
  });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported) throw error;
      throw new FerryError("IDENTITY_UNAVAILABLE", { issuer }, { cause: error });
    }
  };
}

async function verify(keys: JWTVerifyGetKey, how: Verification, token: string, nowMs: number): Promise<Verified> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: [...how.algorithms],
      issuer: how.issuer,
      audience: [...how.audiences],
      requiredClaims: ["exp", "iat", "sub"],
      maxTokenAge: how.maxAgeSeconds,
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(nowMs),
    });
    const { sub } = payload;
    return typeof sub === "string" && sub !== "" ? { claims: { ...payload, sub } } : { problem: "its claim sub is missing" };
  } catch (error) {
    if (error instanceof errors.JOSEError) return { problem: problemOf(error) };
    throw error;
  }
}

/** In words of ours: what jose says may hold the token's own. */
function problemOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return "it has expired, or is too old";
  if (error instanceof errors.JWTClaimValidationFailed) return CLAIM_PROBLEMS[error.claim] ?? "a claim that is needed is missing or wrong";
  if (error instanceof errors.JOSEAlgNotAllowed) return "it is signed in a way that is not allowed";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is not its issuer's";
  if (error instanceof errors.JWKSNoMatchingKey) return "it is signed by no key that its issuer has now";
  if (error instanceof errors.JWKSMultipleMatchingKeys) return "it does not say which of its issuer's keys signed it";
  return "it is not a signed JWT that can be read";
}

const CLAIM_PROBLEMS: Record<string, string> = {
  aud: "it is made for another audience",
  iss: "its issuer is another one",
  exp: "its claim exp is missing or wrong",
  iat: "its claim iat is missing or wrong",
  nbf: "it is not valid yet",
  sub: "its claim sub is missing",
};
