/** Tokens and what they may do. */
import * as z from "zod";
import { RepositoryGlob, StoreId } from "../names.ts";
import { Network } from "../networks.ts";

export const Action = z.enum(["pull", "push", "tag", "delete", "admin"]);
export type Action = z.infer<typeof Action>;

/** What a token may do where. `admin` on `*` is the whole deployment. */
export const Scope = z.strictObject({
  repositories: RepositoryGlob,
  actions: z.array(Action).min(1).max(5),
  stores: z.array(StoreId).max(64).optional(),
});
export type Scope = z.infer<typeof Scope>;

/** A robot's token always has an end. */
export const TokenKind = z.enum(["person", "robot"]);
export type TokenKind = z.infer<typeof TokenKind>;

export const TokenRequest = z
  .strictObject({
    name: z.string().min(1).max(100),
    kind: TokenKind.default("person"),
    scopes: z.array(Scope).min(1).max(32),
    /** From where it may be used; left out: from where its maker's may. */
    networks: z.array(Network).min(1).max(32).optional(),
    expiresInSeconds: z
      .int()
      .min(60)
      .max(366 * 86_400)
      .optional(),
  })
  .refine(({ kind, expiresInSeconds }) => kind !== "robot" || expiresInSeconds !== undefined, {
    path: ["expiresInSeconds"],
    error: "a robot's token needs an end",
  });
export type TokenRequest = z.output<typeof TokenRequest>;

/** How long the secrets before the new one stay valid; 0: they end at once. */
export const RotateRequest = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(0),
});
export type RotateRequest = z.output<typeof RotateRequest>;

export const TokenId = z.string().regex(/^[0-9a-f]{16}(?![\s\S])/);

export const TokenDescription = z.object({
  id: TokenId,
  name: z.string(),
  kind: TokenKind,
  scopes: z.array(Scope),
  /** Empty: from anywhere. */
  networks: z.array(Network),
  createdAt: z.string(),
  createdBy: z.string(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
  rotatedAt: z.string().nullable(),
  /** Until when secrets from before the last rotation are valid. */
  previousUntil: z.string().nullable(),
  /** Within an hour; null when it never was, or when the index was lost since. */
  lastUsedAt: z.string().nullable(),
});
export type TokenDescription = z.infer<typeof TokenDescription>;

/** The only answer that ever holds a token's secret. */
export const TokenSecret = z.object({ token: z.string(), description: TokenDescription });
export type TokenSecret = z.infer<typeof TokenSecret>;

export const TokenList = z.object({ tokens: z.array(TokenDescription) });
export const WhoAmI = z.object({
  id: z.string(),
  name: z.string(),
  /** `session`: a person who logged in. `identity`: a short token that was exchanged for another issuer's. `bootstrap`: the deployment's own setting. */
  kind: z.enum([...TokenKind.options, "session", "identity", "bootstrap"]),
  scopes: z.array(Scope),
  networks: z.array(Network),
  expiresAt: z.string().nullable(),
});
export type WhoAmI = z.infer<typeof WhoAmI>;
