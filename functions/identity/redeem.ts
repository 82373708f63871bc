/** The back channel of a login: the code for an identity token, at the provider's own address (RFC 6749 §4.1.3, RFC 7636 §4.5). */
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import type { LoginProvider, Redeemer } from "../registry/login-provider.ts";

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 65_536;

const Answer = z.object({ id_token: z.string().max(16_384) });

/** @param clientSecret null: a public client, of which PKCE alone says that it began the login */
export function redeemer(provider: LoginProvider, clientSecret: string | null, world: { fetch: typeof fetch }): Redeemer {
  const redeem = async (code: string, verifier: string): Promise<string | null> => {
    const { clientId, redirectUrl, tokenUrl, issuer } = provider;
    const form = { grant_type: "authorization_code", code, redirect_uri: redirectUrl, code_verifier: verifier, client_id: clientId };
    const body = new URLSearchParams(clientSecret === null ? form : { ...form, client_secret: clientSecret });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const response = await world.fetch(tokenUrl, {
        method: "POST",
        body,
        redirect: "manual",
        signal,
        headers: { accept: "application/json" },
      });
      const text = (await response.text()).slice(0, ANSWER_BYTES_MAX);
      if (response.status >= 400 && response.status < 500) return null;
      return Answer.parse(JSON.parse(text)).id_token;
    } catch (cause) {
      // What it says may hold the code or the secret.
      throw new FerryError("IDENTITY_UNAVAILABLE", { issuer }, { cause });
    }
  };
  return { provider, redeem };
}
