/** Exchange of another issuer's identity token (OIDC) for a short token of ours. */
import * as z from "zod";
import { Scope } from "./access.ts";

/** Longer ones are no identity tokens. */
export const IDENTITY_TOKEN_MAX = 16_384;

export const ExchangeRequest = z.strictObject({
  /** A signed JWT in its compact form. */
  token: z
    .string()
    .max(IDENTITY_TOKEN_MAX)
    .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?![\s\S])/, "not a signed JWT"),
  /** Only trusts of this audience; left out: of any. */
  audience: z.string().min(1).max(300).optional(),
});
export type ExchangeRequest = z.output<typeof ExchangeRequest>;

export const IdentityGrant = z.object({
  token: z.string(),
  id: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  expiresAt: z.string(),
  expiresInSeconds: z.int(),
});
export type IdentityGrant = z.infer<typeof IdentityGrant>;
