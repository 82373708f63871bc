/**
 * Login of people: authorization code with PKCE, state and nonce (OpenID Connect Core 3.1). What was begun is remembered by the browser, in a
 * cookie that is signed here, so that a login costs no state until somebody is known. A session is an opaque secret of which the index
 * keeps the hash, with an end; what it may do is looked up with the roles of its person, so that a role taken away is gone within 60 s.
 */
import * as z from "zod";
import { fromBase64Url, fromHex, sha256, toBase64Url, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { subscriberOf } from "../../shared/networks.ts";
import { isoTime } from "../../shared/time.ts";
import { isToken, makeShortToken } from "../../shared/token.ts";
import { equalTexts } from "./authenticate.ts";
import type { FailureLimit } from "./failure-limit.ts";
import type { Redeemer } from "./login-provider.ts";
import type { Caller, Claims, Person, Ports } from "./ports.ts";
import type { RateLimits } from "./rate-limits.ts";

export const LOGIN_SECONDS = 600;
const NAME_MAX = 200;
const GROUPS_MAX = 200;
const TOKEN_AGE_SECONDS = 600;
/** A place here, never another host: `//x`, `/\x` and what a browser would make of a control character are none. */
const PLACE = /^\/(?![/\\])[\w\-./~%?&=+:@,]{0,500}(?![\s\S])/;

const Begun = z.strictObject({ state: z.string(), nonce: z.string(), verifier: z.string(), place: z.string(), untilMs: z.int() });

export type Session = { secret: string; csrf: string; seconds: number; caller: Caller; place: string };

/** One for each isolate. */
export class PeopleLogin {
  readonly #ports: Ports;
  readonly #redeemer: Redeemer;
  readonly #failures: FailureLimit;
  readonly #rates: RateLimits;

  constructor(ports: Ports, redeemer: Redeemer, { failures, rates }: { failures: FailureLimit; rates: RateLimits }) {
    this.#ports = ports;
    this.#redeemer = redeemer;
    this.#failures = failures;
    this.#rates = rates;
  }

  /** Where the browser goes, and what it brings back. @param place where it goes in the end; what is no place here is `/` */
  async begin(place: string | undefined): Promise<{ url: string; cookie: string }> {
    const { clientId, redirectUrl, scope, authorizationUrl } = this.#redeemer.provider;
    const random = () => toBase64Url(this.#ports.random.bytes(32));
    const [state, nonce, verifier] = [random(), random(), random()];
    const untilMs = this.#ports.clock.now() + LOGIN_SECONDS * 1000;
    const begun = { state, nonce, verifier, place: place !== undefined && PLACE.test(place) ? place : "/", untilMs };
    const url = new URL(authorizationUrl);
    const challenge = toBase64Url(fromHex(await sha256(verifier)));
    const asked = { response_type: "code", client_id: clientId, redirect_uri: redirectUrl, scope, state, nonce };
    for (const [name, value] of Object.entries({ ...asked, code_challenge: challenge, code_challenge_method: "S256" }))
      url.searchParams.set(name, value);
    const text = toBase64Url(new TextEncoder().encode(JSON.stringify(begun)));
    return { url: url.href, cookie: `${text}.${await this.#mac("login", text)}` };
  }

  /** Throws IDENTITY_INVALID, IDENTITY_UNAVAILABLE, RATE_LIMITED. @param address of the client; null when it is not known */
  async finish(
    given: { code?: string | undefined; state?: string | undefined; cookie?: string | undefined },
    address: string | null,
  ): Promise<Session> {
    this.#failures.refuse(address);
    await this.#rates.spendOf((address === null ? null : subscriberOf(address)) ?? "unknown", this.#ports.limits.exchangesPerMinute);
    try {
      const begun = await this.#begun(given.cookie);
      if (given.code === undefined || given.state === undefined || !equalTexts(given.state, begun.state))
        throw invalid("the login is another one");
      const token = await this.#redeemer.redeem(given.code, begun.verifier);
      if (token === null) throw invalid("the identity provider does not take its code");
      return await this.#open(await this.#claims(token, begun.nonce), begun.place);
    } catch (error) {
      if (error instanceof FerryError && error.code === "IDENTITY_INVALID") await this.#failures.count(address);
      throw error;
    }
  }

  async #begun(cookie: string | undefined): Promise<z.infer<typeof Begun>> {
    const [text = "", mac = ""] = (cookie ?? "").slice(0, 4_000).split(".");
    if (text === "" || !equalTexts(mac, await this.#mac("login", text))) throw invalid("no login was begun in this browser");
    const begun = Begun.parse(JSON.parse(new TextDecoder().decode(fromBase64Url(text))));
    if (begun.untilMs <= this.#ports.clock.now()) throw invalid("the login took too long");
    return begun;
  }

  async #claims(token: string, nonce: string): Promise<Claims> {
    const { issuer, jwksUrl, algorithms, clientId } = this.#redeemer.provider;
    const how = { issuer, jwksUrl, algorithms, maxAgeSeconds: TOKEN_AGE_SECONDS, audiences: [clientId] };
    const result = await this.#ports.identities.verify(how, token);
    if (!("claims" in result)) throw invalid(result.problem);
    const { claims } = result;
    if (claims["nonce"] !== nonce) throw invalid("it is of another login");
    if (claims["azp"] !== undefined && claims["azp"] !== clientId) throw invalid("it is made for another client");
    return claims;
  }

  async #open(claims: Claims, place: string): Promise<Session> {
    const { provider } = this.#redeemer;
    const seconds = provider.sessionSeconds;
    const person = personIn(claims, provider.groupsClaim);
    const caller: Caller = {
      tokenId: toHex((await this.#ports.keyed.mac("person", provider.issuer, claims.sub)).subarray(0, 8)),
      name: (person.email ?? claims.sub).slice(0, NAME_MAX).toWellFormed(),
      kind: "session",
      scopes: [],
      networks: [],
      expiresAt: isoTime(this.#ports.clock.now() + seconds * 1000),
      person,
    };
    const secret = makeShortToken(this.#ports.random.bytes(32));
    await this.#ports.shortTokens.keep(await sha256(secret), caller, seconds);
    return { secret, csrf: await this.csrfOf(secret), seconds, caller, place };
  }

  /** Refused everywhere after 30 s. */
  async end(secret: string): Promise<void> {
    if (!isToken(secret)) return;
    const hash = await sha256(secret);
    const caller = await this.#ports.shortTokens.find(hash);
    if (caller?.kind === "session") await this.#ports.shortTokens.keep(hash, { ...caller, expiresAt: isoTime(0) }, 1);
  }

  /** What a page of ours sends with a write: another site can make a browser send the cookie, but can't read or guess this. */
  csrfOf(secret: string): Promise<string> {
    return this.#mac("csrf", secret);
  }

  async isProven(secret: string, csrf: string | undefined): Promise<boolean> {
    return csrf !== undefined && equalTexts(csrf, await this.csrfOf(secret));
  }

  async #mac(what: string, text: string): Promise<string> {
    return toBase64Url(await this.#ports.keyed.mac(`session ${what}`, text));
  }
}

function personIn(claims: Claims, groupsClaim: string): Person {
  const { email, email_verified: isVerified } = claims;
  const groups = claims[groupsClaim];
  return {
    sub: claims.sub,
    email: typeof email === "string" && isVerified === true ? email : null,
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === "string").slice(0, GROUPS_MAX) : [],
  };
}

function invalid(problem: string): FerryError {
  return new FerryError("IDENTITY_INVALID", { problem });
}
