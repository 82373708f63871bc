/** Tokens and what they may do. */
import * as z from "zod";
import { RepositoryGlob, StoreId } from "../names.ts";

export const Action = z.enum(["pull", "push", "tag", "delete", "admin"]);
export type Action = z.infer<typeof Action>;

/** What a token may do where. `admin` on `*` is the whole deployment. */
export const Scope = z.strictObject({
  repositories: RepositoryGlob,
  actions: z.array(Action).min(1).max(5),
  stores: z.array(StoreId).max(64).optional(),
});
export type Scope = z.infer<typeof Scope>;

export const TokenRequest = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: z.array(Scope).min(1).max(32),
  expiresInSeconds: z
    .int()
    .min(60)
    .max(366 * 86_400)
    .optional(),
});
export type TokenRequest = z.infer<typeof TokenRequest>;

export const TokenId = z.string().regex(/^[0-9a-f]{16}(?![\s\S])/);

export const TokenDescription = z.object({
  id: TokenId,
  name: z.string(),
  scopes: z.array(Scope),
  createdAt: z.string(),
  createdBy: z.string(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
});
export type TokenDescription = z.infer<typeof TokenDescription>;

/** The only answer that ever holds a token's secret. */
export const TokenSecret = z.object({ token: z.string(), description: TokenDescription });
export type TokenSecret = z.infer<typeof TokenSecret>;

export const TokenList = z.object({ tokens: z.array(TokenDescription) });
export const WhoAmI = z.object({ id: z.string(), name: z.string(), scopes: z.array(Scope), expiresAt: z.string().nullable() });
export type WhoAmI = z.infer<typeof WhoAmI>;
