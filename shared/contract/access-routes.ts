/** Rows of the route table: tokens, and who is kept from what. */
import * as z from "zod";
import { RotateRequest, TokenId, TokenList, TokenRequest, TokenSecret, WhoAmI } from "./access.ts";
import { AuditBatchPage, AuditBatchQuery, AuditPage, AuditQuery, AuditSealPage, AuditSealQuery } from "./audit.ts";
import { ExchangeRequest, IdentityGrant } from "./identity.ts";
import { BlockRequest, REPOSITORY_PATH, RepositorySummary, UnblockQuery } from "./repositories.ts";
import type { RouteSpec } from "./route-spec.ts";

const token = z.object({ id: TokenId });

export const ACCESS_ROUTES = {
  whoAmI: { method: "GET", path: "/api/v1/whoami", summary: "The token that asks", needs: "token", status: 200, answer: WhoAmI },
  listTokens: {
    method: "GET",
    path: "/api/v1/tokens",
    summary: "Tokens of this deployment",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: TokenList,
  },
  createToken: {
    method: "POST",
    path: "/api/v1/tokens",
    summary: "Make a token; its secret is shown once",
    needs: "token",
    status: 201,
    body: TokenRequest,
    answer: TokenSecret,
  },
  rotateToken: {
    method: "POST",
    path: "/api/v1/tokens/:id/rotate",
    summary: "Give a token a new secret, shown once; the old ones end after the overlap",
    needs: "token",
    status: 200,
    params: token,
    body: RotateRequest,
    answer: TokenSecret,
  },
  revokeToken: {
    method: "DELETE",
    path: "/api/v1/tokens/:id",
    summary: "Revoke a token",
    needs: "token",
    status: 204,
    params: token,
    answer: z.null(),
  },

  listAudit: {
    method: "GET",
    path: "/api/v1/audit",
    summary: "Who did what: events of the audit trail",
    needs: "admin",
    deployment: true,
    status: 200,
    query: AuditQuery,
    answer: AuditPage,
  },
  readAuditBatches: {
    method: "GET",
    path: "/api/v1/audit/batches",
    summary: "Batches of the audit trail as they are stored, to check them",
    needs: "admin",
    deployment: true,
    status: 200,
    query: AuditBatchQuery,
    answer: AuditBatchPage,
  },
  readAuditSeals: {
    method: "GET",
    path: "/api/v1/audit/seals",
    summary: "Seals of the audit trail as they are stored, to check them",
    needs: "admin",
    deployment: true,
    status: 200,
    query: AuditSealQuery,
    answer: AuditSealPage,
  },

  exchangeIdentity: {
    method: "POST",
    path: "/api/v1/identity/exchange",
    summary: "A short token for an identity token of an issuer that is trusted",
    needs: "public",
    status: 200,
    body: ExchangeRequest,
    answer: IdentityGrant,
  },

  blockRepository: {
    method: "PUT",
    path: `${REPOSITORY_PATH}/block`,
    summary: "Stop all downloads of a repository; URLs that are out live at most 15 minutes more",
    needs: "admin",
    status: 200,
    body: BlockRequest,
    answer: RepositorySummary,
  },
  unblockRepository: {
    method: "DELETE",
    path: `${REPOSITORY_PATH}/block`,
    summary: "Allow downloads of a repository again",
    needs: "admin",
    status: 204,
    query: UnblockQuery,
    answer: z.null(),
  },
} as const satisfies Record<string, RouteSpec>;
