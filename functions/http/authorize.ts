/** Who asks, and whether that caller may do what a route needs. For the routes of the table this is the only place where that is asked. */
import * as z from "zod";
import type { RouteSpec } from "../../shared/contract/routes.ts";
import { FerryError } from "../../shared/errors.ts";
import { RepositoryName, StoreId } from "../../shared/names.ts";
import { demand, demandDeployment, demandStore } from "../registry/access.ts";
import type { Caller } from "../registry/ports.ts";
import type { EdgeContext } from "./edge.ts";
import { parsed } from "./input.ts";
import { sessionCaller } from "./session-cookie.ts";

const NOBODY: Caller = { tokenId: "", name: "nobody", kind: "person", scopes: [], networks: [], expiresAt: null };

export async function authenticated(c: EdgeContext, route: RouteSpec): Promise<Caller> {
  if (route.needs === "public") return NOBODY;
  const header = c.req.header("authorization");
  if (header === undefined || header === "") {
    const session = await sessionCaller(c);
    if (session === null) throw new FerryError("TOKEN_MISSING");
    return session;
  }
  const [scheme = "", bearer = "", ...rest] = header.split(" ");
  if (scheme.toLowerCase() !== "bearer" || rest.length > 0) throw new FerryError("TOKEN_INVALID");
  return c.get("services").authenticate(bearer, c.get("address"));
}

const Named = z.object({ repository: RepositoryName });

/** The repository of the path, for routes that ask for a right to one. */
export function repositoryIn(c: EdgeContext, route: RouteSpec): RepositoryName | undefined {
  if (route.needs === "public" || route.needs === "token" || route.deployment) return undefined;
  const { namespace, name } = c.req.param();
  return parsed(Named, { repository: `${namespace}/${name}` }, "path").repository;
}

/** Throws when the caller may not do what the route needs: with this repository, or, without one, with the deployment. */
export function demandRight(c: EdgeContext, route: RouteSpec, caller: Caller, repository: RepositoryName | undefined): void {
  if (route.needs === "public" || route.needs === "token") return;
  if (repository !== undefined) demand(caller, route.needs, repository);
  else demandDeployment(caller, route.needs, StoreId.safeParse(c.req.param("store")).data);
}

/** For routes that sign requests to a store: the right must reach it, whether it is named or not. Throws PERMISSION_DENIED. */
export function demandSigning(
  c: EdgeContext,
  route: RouteSpec,
  caller: Caller,
  repository: RepositoryName,
  store: StoreId | undefined,
): void {
  if (route.needs === "public" || route.needs === "token") return;
  demandStore(caller, route.needs, repository, store ?? c.get("services").ports.stores.home.profile.id);
}
