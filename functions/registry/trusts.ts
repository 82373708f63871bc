/**
 * Whom a deployment trusts to say who somebody is, from its settings: an issuer and the place of its keys, the audience that a token must
 * be made for, the claims it must hold, and what it is then granted.
 */
import * as z from "zod";
import { Scope } from "../../shared/contract/access.ts";
import { Network } from "../../shared/networks.ts";

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Keys fetched over plain http could be anybody's. */
function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  return (protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname))) && username === "" && password === "";
}

/** A `*` stands for a whole part between two separators, so that no pattern ends openly: `repo:team/*:ref:refs/heads/main`. */
const SEPARATORS = /([:/])/;

function isPattern(text: string): boolean {
  const parts = text.split(SEPARATORS);
  return parts.every((part, at) => !part.includes("*") || (part === "*" && at > 0 && at < parts.length - 1));
}

/** Texts are exact, or patterns; members of objects are matched in turn, other members may be there. */
export type ClaimPattern = string | number | boolean | { [key: string]: ClaimPattern };
const ClaimPattern: z.ZodType<ClaimPattern> = z.lazy(() =>
  z.union([
    z.string().refine(isPattern, "a '*' stands for a whole part between two of ':' and '/', never at an end"),
    z.number(),
    z.boolean(),
    ClaimPatterns,
  ]),
);
const ClaimPatterns = z
  .record(z.string(), ClaimPattern)
  .refine((claims) => Object.keys(claims).length > 0, "at least one claim: all of an issuer's tokens would fit");

export const SafeUrl = z.string().max(2_000).refine(isSafeUrl, "an https address");

export const Algorithm = z.enum(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]);

/** Of one repository or a glob of them; not of the deployment, and not of whole repositories' rules. */
const GrantedScope = Scope.refine(({ repositories }) => repositories.includes("/"), "repositories as namespace/name").refine(
  ({ actions }) => !actions.includes("admin"),
  "all actions but admin",
);

export const Trust = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?(?![\s\S])/, "lower-case letters, digits and '-', at most 32"),
  /** As the claim `iss` says it, letter by letter. */
  issuer: z.string().min(1).max(300),
  jwksUrl: SafeUrl,
  /** One of the claim `aud`, letter by letter: usually this deployment's own address. */
  audience: z.string().min(1).max(300),
  claims: ClaimPatterns,
  algorithms: z.array(Algorithm).min(1).default(["RS256", "ES256", "EdDSA"]),
  /** Since the token was made. */
  maxAgeSeconds: z.int().min(60).max(86_400).default(3_600),
  grants: z.strictObject({
    scopes: z.array(GrantedScope).min(1).max(32),
    networks: z.array(Network).max(32).default([]),
    maxSeconds: z.int().min(60).max(3_600).default(3_600),
  }),
});
export type Trust = z.output<typeof Trust>;

export const Trusts = z
  .array(Trust)
  .max(200)
  .refine((trusts) => new Set(trusts.map(({ name }) => name)).size === trusts.length, "two have one name");

/** Whether a token's claims, or a part of them, are as a trust wants them. */
export function matchesClaims(pattern: ClaimPattern, value: unknown): boolean {
  if (typeof pattern === "string") return typeof value === "string" && matchesText(pattern, value);
  if (typeof pattern !== "object") return value === pattern;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const held = value as Record<string, unknown>;
  return Object.entries(pattern).every(([key, part]) => Object.hasOwn(held, key) && matchesClaims(part, held[key]));
}

function matchesText(pattern: string, text: string): boolean {
  if (!pattern.includes("*")) return pattern === text;
  const [wanted, given] = [pattern.split(SEPARATORS), text.split(SEPARATORS)];
  return wanted.length === given.length && wanted.every((part, at) => part === given[at] || (part === "*" && given[at] !== ""));
}
