/** The identity provider that people log in with, from the deployment's settings. Its addresses come from there alone: nothing is discovered. */
import * as z from "zod";
import { Algorithm, SafeUrl } from "./trusts.ts";

export const LoginProvider = z.strictObject({
  /** As the claim `iss` says it, letter by letter. */
  issuer: z.string().min(1).max(300),
  authorizationUrl: SafeUrl,
  tokenUrl: SafeUrl,
  jwksUrl: SafeUrl,
  clientId: z.string().min(1).max(300),
  /** This deployment's own /auth/callback, as the provider knows it. */
  redirectUrl: SafeUrl.refine((url) => new URL(url).pathname === "/auth/callback", "this deployment's address with /auth/callback"),
  scope: z.string().max(500).default("openid email profile"),
  /** The claim that holds a person's groups. */
  groupsClaim: z.string().min(1).max(200).default("groups"),
  algorithms: z.array(Algorithm).min(1).default(["RS256", "ES256", "EdDSA"]),
  sessionSeconds: z.int().min(300).max(43_200).default(3_600),
});
export type LoginProvider = z.output<typeof LoginProvider>;

/** Takes the code of a login to the provider. */
export interface Redeemer {
  readonly provider: LoginProvider;
  /** The identity token; null: the provider does not take the code. Throws IDENTITY_UNAVAILABLE. */
  redeem(code: string, verifier: string): Promise<string | null>;
}
