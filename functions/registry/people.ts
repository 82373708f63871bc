/** Roles of people: who may do what, by what their identity provider says of them. Deny by default; what is granted is in the log. */
import type { Scope } from "../../shared/contract/access.ts";
import { GRANTS_MAX, ROLE_ACTIONS, type UserGrant, type UserGrantRequest } from "../../shared/contract/people.ts";
import { toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { OperationId } from "../../shared/names.ts";
import { excessOf } from "./access.ts";
import { actOnce } from "./acts.ts";
import { type Body, catchUp } from "./log.ts";
import { systemLog } from "./logs.ts";
import type { Caller, Person, Ports } from "./ports.ts";
import type { SystemRecord } from "./records.ts";

export async function listGrants(ports: Ports): Promise<UserGrant[]> {
  const { seq } = await catchUp(systemLog(ports));
  return (await ports.system.atLeast(seq).directory()).grants;
}

function scopeOf({ role, repositories }: Pick<UserGrant, "role" | "repositories">): Scope {
  return { repositories, actions: [...ROLE_ACTIONS[role]] };
}

/** Throws SCOPE_EXCEEDED: nobody gives more than he has, nor for use from where he may not ask. */
export async function grantUser(ports: Ports, caller: Caller, request: UserGrantRequest): Promise<UserGrant> {
  const { operationId, ...grant } = request;
  const problem = excessOf(caller, { scopes: [scopeOf(grant)], networks: [] });
  if (problem !== null) throw new FerryError("SCOPE_EXCEEDED", { problem });
  // The same for every retry.
  const grantId = toHex((await ports.keyed.mac("grant", operationId)).subarray(0, 8));
  const kind = { op: "user.grant" as const, isSame: (record: { grantId: string }) => record.grantId === grantId };
  const record = await actOnce(
    systemLog(ports),
    { operationId, actor: caller.name },
    kind,
    async (_, fenced): Promise<Body<SystemRecord>> => {
      const { grants } = await fenced.system.directory();
      if (grants.length >= GRANTS_MAX)
        throw new FerryError("REQUEST_INVALID", { problem: `a deployment has at most ${GRANTS_MAX} grants` });
      return { op: "user.grant", grantId, ...grant };
    },
  );
  return { id: grantId, ...grant, createdAt: record.at, createdBy: record.actor };
}

/** Ends within 60 s for sessions that are open. Nothing happens when there is none. */
export async function revokeGrant(ports: Ports, caller: Caller, grantId: string, operationId: OperationId): Promise<void> {
  const kind = { op: "user.revoke" as const, isSame: (record: { grantId: string }) => record.grantId === grantId };
  await actOnce(systemLog(ports), { operationId, actor: caller.name }, kind, async (_, fenced): Promise<Body<SystemRecord> | null> => {
    const { grants } = await fenced.system.directory();
    return grants.some(({ id }) => id === grantId) ? { op: "user.revoke", grantId } : null;
  });
}

/** What a person may do now. */
export function scopesFor({ sub, email, groups }: Person, grants: readonly UserGrant[]): Scope[] {
  const fits = ({ claim, value }: UserGrant) => (claim === "groups" ? groups.includes(value) : value === (claim === "sub" ? sub : email));
  return grants.filter(fits).map(scopeOf);
}
