/** People: who an identity provider says they are, and what roles that gives them. */
import * as z from "zod";
import { OperationId, RepositoryGlob } from "../names.ts";
import type { Action } from "./access.ts";
import type { RouteSpec } from "./route-spec.ts";

/** Grants of one deployment: every look-up of a session reads them all. */
export const GRANTS_MAX = 500;

export const Role = z.enum(["reader", "writer", "maintainer", "admin"]);
export type Role = z.infer<typeof Role>;

export const ROLE_ACTIONS: Record<Role, readonly Action[]> = {
  reader: ["pull"],
  writer: ["pull", "push"],
  maintainer: ["pull", "push", "tag", "delete"],
  admin: ["admin"],
};

/** Compared letter by letter. `email` counts only when the provider says that it is verified. */
const who = { claim: z.enum(["sub", "email", "groups"]), value: z.string().min(1).max(300) };

export const UserGrantRequest = z.strictObject({ ...who, role: Role, repositories: RepositoryGlob, operationId: OperationId });
export type UserGrantRequest = z.infer<typeof UserGrantRequest>;

export const UserGrantId = z.string().regex(/^[0-9a-f]{16}(?![\s\S])/);
export const UserGrant = z.object({
  id: UserGrantId,
  ...who,
  role: Role,
  repositories: RepositoryGlob,
  createdAt: z.string(),
  createdBy: z.string(),
});
export type UserGrant = z.infer<typeof UserGrant>;
export const UserGrantList = z.object({ grants: z.array(UserGrant) });

export const PEOPLE_ROUTES = {
  listUserGrants: {
    method: "GET",
    path: "/api/v1/users/grants",
    summary: "Roles of people",
    needs: "admin",
    deployment: true,
    status: 200,
    answer: UserGrantList,
  },
  grantUser: {
    method: "POST",
    path: "/api/v1/users/grants",
    summary: "Give a role to a person or a group",
    needs: "admin",
    deployment: true,
    status: 201,
    body: UserGrantRequest,
    answer: UserGrant,
  },
  revokeUserGrant: {
    method: "DELETE",
    path: "/api/v1/users/grants/:id",
    summary: "Take a role away",
    needs: "admin",
    deployment: true,
    status: 204,
    params: z.object({ id: UserGrantId }),
    query: z.strictObject({ operationId: OperationId }),
    answer: z.null(),
  },
} as const satisfies Record<string, RouteSpec>;
