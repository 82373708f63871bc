/** Who may do what: the one place where a scope is held against an act. Deny by default. */
import type { Action, Scope } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import { matchesGlob, type RepositoryName } from "../../shared/names.ts";
import type { Caller } from "./ports.ts";

/** `admin` on a repository includes every other action on it. */
export function may(caller: Caller, action: Action, repository: RepositoryName): boolean {
  return caller.scopes.some((scope) => allows(scope, action) && matchesGlob(scope.repositories, repository));
}

/** Whether the caller may act on the deployment itself: a scope over everything. */
export function mayDeployment(caller: Caller, action: Action): boolean {
  return caller.scopes.some((scope) => coversAll(scope) && allows(scope, action));
}

/**
 * Throws unless the caller may. Somebody who may not even pull learns nothing: the answer is that of a repository that isn't there.
 */
export function demand(caller: Caller, action: Action, repository: RepositoryName): void {
  if (may(caller, action, repository)) return;
  if (action !== "pull" && may(caller, "pull", repository)) throw new FerryError("PERMISSION_DENIED", { action, repository });
  throw new FerryError("REPOSITORY_UNKNOWN", { repository });
}

export function demandDeployment(caller: Caller, action: Action): void {
  if (!mayDeployment(caller, action)) throw new FerryError("PERMISSION_DENIED", { action, repository: "this deployment" });
}

/** Why `wanted` may not be given by `caller`, or null. A scope is given only whole, by one scope of the maker that covers it. */
export function excessOf(caller: Caller, wanted: readonly Scope[]): string | null {
  for (const scope of wanted) {
    if (!caller.scopes.some((own) => covers(own, scope))) return `${scope.actions.join("+")} on ${scope.repositories}`;
  }
  return null;
}

function covers(own: Scope, wanted: Scope): boolean {
  const actions = wanted.actions.every((action) => allows(own, action));
  const stores = own.stores === undefined || (wanted.stores?.every((store) => own.stores?.includes(store)) ?? false);
  return actions && stores && coversGlob(own.repositories, wanted.repositories);
}

/** Treats the wanted glob's own '*' as text that only a '*' of ours can cover: never wider than true containment. */
function coversGlob(own: string, wanted: string): boolean {
  return own === "*" || own === "**" || (wanted !== "*" && wanted !== "**" && matchesGlob(own, wanted));
}

function coversAll(scope: Scope): boolean {
  return scope.repositories === "*" || scope.repositories === "**";
}

function allows(scope: Scope, action: Action): boolean {
  return scope.actions.includes(action) || scope.actions.includes("admin");
}
