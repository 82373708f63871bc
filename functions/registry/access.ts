/** Who may do what: the one place where a scope is held against an act. Deny by default. */
import type { Action, Scope } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import { matchesGlob, type RepositoryName, type StoreId } from "../../shared/names.ts";
import { coversNetwork, isInNetwork } from "../../shared/networks.ts";
import type { Caller } from "./ports.ts";

/** `admin` on a repository includes every other action on it. `store`: the one whose bytes it is about, for acts that are about bytes. */
export function may(caller: Caller, action: Action, repository: RepositoryName, store?: StoreId): boolean {
  return caller.scopes.some((scope) => allows(scope, action) && reaches(scope, store) && matchesGlob(scope.repositories, repository));
}

/** Whether the caller may act on the deployment itself: a scope over everything; one that names stores is good for acts on those. */
export function mayDeployment(caller: Caller, action: Action, store?: StoreId): boolean {
  return caller.scopes.some((scope) => {
    const isWide = store === undefined ? scope.stores === undefined : reaches(scope, store);
    return isWide && coversAll(scope) && allows(scope, action);
  });
}

/**
 * Throws unless the caller may. Somebody who may not even pull learns nothing: the answer is that of a repository that isn't there.
 */
export function demand(caller: Caller, action: Action, repository: RepositoryName): void {
  if (may(caller, action, repository)) return;
  if (action !== "pull" && may(caller, "pull", repository)) throw new FerryError("PERMISSION_DENIED", { action, repository });
  throw new FerryError("REPOSITORY_UNKNOWN", { repository });
}

/** Throws unless the caller, who may do this with the repository, may do it with bytes of this store. */
export function demandStore(caller: Caller, action: Action, repository: RepositoryName, store: StoreId): void {
  if (may(caller, action, repository, store)) return;
  throw new FerryError("PERMISSION_DENIED", { action, repository: `${repository} at store ${store}` });
}

export function demandDeployment(caller: Caller, action: Action, store?: StoreId): void {
  if (mayDeployment(caller, action, store)) return;
  throw new FerryError("PERMISSION_DENIED", { action, repository: store === undefined ? "this deployment" : `store ${store}` });
}

/** Whether the caller has any right at this store. */
export function reachesStore(caller: Caller, store: StoreId): boolean {
  return caller.scopes.some((scope) => reaches(scope, store));
}

/** @param address null when it is not known: no network holds it. */
export function mayFrom({ networks }: Caller, address: string | null): boolean {
  return networks.length === 0 || (address !== null && networks.some((network) => isInNetwork(network, address)));
}

/** What a token may do and from where. */
export type Grant = { scopes: readonly Scope[]; networks: readonly string[] };

/** Why `wanted` may not be given by `caller`, or null. A scope is given only whole, by one scope of the maker that covers it. */
export function excessOf(caller: Grant, wanted: Grant): string | null {
  for (const scope of wanted.scopes) {
    if (!caller.scopes.some((own) => covers(own, scope))) return `${scope.actions.join("+")} on ${scope.repositories}`;
  }
  if (caller.networks.length === 0) return null;
  if (wanted.networks.length === 0) return "use from anywhere";
  const outside = wanted.networks.find((network) => !caller.networks.some((own) => coversNetwork(own, network)));
  return outside === undefined ? null : `use from ${outside}`;
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

function reaches(scope: Scope, store: StoreId | undefined): boolean {
  return store === undefined || scope.stores === undefined || scope.stores.includes(store);
}

function allows(scope: Scope, action: Action): boolean {
  return scope.actions.includes(action) || scope.actions.includes("admin");
}
