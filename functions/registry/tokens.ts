/** Tokens: made, rotated, revoked, listed. Only hashes are kept; a secret is shown once. */
import type { RotateRequest, TokenDescription, TokenRequest, TokenSecret } from "../../shared/contract/access.ts";
import { type Digest, sha256, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId } from "../../shared/names.ts";
import { epochMs, isoTime } from "../../shared/time.ts";
import { makeToken } from "../../shared/token.ts";
import { demandDeployment, excessOf } from "./access.ts";
import { append, findConfirmed, type Prepare, withWhole } from "./log.ts";
import { systemLog } from "./logs.ts";
import type { Caller, Ports, TokenEntry } from "./ports.ts";
import type { SystemRecord } from "./records.ts";

/** Never more than the maker's own token allows, nor longer. */
export async function createToken(ports: Ports, caller: Caller, request: TokenRequest): Promise<TokenSecret> {
  // What ends within the hour and is in no log leaves nothing in the log.
  if (caller.kind === "identity" || caller.kind === "session")
    throw new FerryError("PERMISSION_DENIED", { action: "make tokens in", repository: "this deployment" });
  const { name, kind, scopes } = request;
  const networks = request.networks ?? [...caller.networks];
  const problem = excessOf(caller, { scopes, networks });
  if (problem !== null) throw new FerryError("SCOPE_EXCEEDED", { problem });
  const expiresAt = expiryOf(caller, ports.clock.now(), request.expiresInSeconds);
  const tokenId = toHex(ports.random.bytes(8));
  const { token, tokenHash } = await newSecret(ports);
  const record = await appendOnce(ports, caller, async () => {
    return { op: "token.create", tokenId, tokenHash, name, kind, scopes, networks, expiresAt };
  });
  const times = { createdAt: record.at, createdBy: record.actor, expiresAt, revokedAt: null, rotatedAt: null };
  const entry: TokenEntry = { id: tokenId, name, kind, scopes, networks, ...times, secrets: [{ hash: tokenHash, until: null }] };
  return { token, description: descriptionOf(entry, null) };
}

/** Never later than the maker's own expiry. */
function expiryOf(caller: Caller, now: number, expiresInSeconds: number | undefined): string | null {
  const wanted = expiresInSeconds === undefined ? null : isoTime(now + expiresInSeconds * 1000);
  if (caller.expiresAt === null) return wanted;
  return wanted === null || wanted > caller.expiresAt ? caller.expiresAt : wanted;
}

/**
 * A new secret for a token; the old ones end after the overlap. Its own holder may do that, and an administrator of the deployment whose
 * own token covers it: the secret that is handed out would else be more than he has. A call that is repeated because its answer was lost
 * rotates once more, and takes nothing from the overlap.
 */
export async function rotateToken(ports: Ports, caller: Caller, tokenId: string, { overlapSeconds }: RotateRequest): Promise<TokenSecret> {
  if (caller.tokenId !== tokenId) demandDeployment(caller, "admin");
  const known = await getToken(ports, tokenId);
  if (caller.tokenId !== tokenId) refuseExcess(caller, known);
  const { token, tokenHash } = await newSecret(ports);
  await appendOnce(ports, caller, async (at, fenced) => {
    refuseEnded(await getToken(fenced, tokenId), at);
    return { op: "token.rotate", tokenId, tokenHash, previousUntil: isoTime(epochMs(at) + overlapSeconds * 1000) };
  });
  const [lastUsedMs = null] = await ports.uses.lastUsed([tokenId]);
  return { token, description: descriptionOf(await getToken(ports, tokenId), lastUsedMs) };
}

function refuseExcess(caller: Caller, token: TokenEntry): void {
  const problem = excessOf(caller, token);
  if (problem !== null) throw new FerryError("SCOPE_EXCEEDED", { problem });
  if (caller.expiresAt !== null && (token.expiresAt === null || token.expiresAt > caller.expiresAt))
    throw new FerryError("SCOPE_EXCEEDED", { problem: `use after ${caller.expiresAt}` });
}

/** A token that is over gets no new secret. */
function refuseEnded({ id, revokedAt, expiresAt }: TokenEntry, at: string): void {
  if (revokedAt !== null || (expiresAt !== null && expiresAt <= at)) throw new FerryError("TOKEN_ENDED", { id });
}

/** By its own holder, or an administrator of the deployment. Nothing happens when it is revoked already. */
export async function revokeToken(ports: Ports, caller: Caller, tokenId: string): Promise<void> {
  if (caller.tokenId !== tokenId) demandDeployment(caller, "admin");
  const known = await getToken(ports, tokenId);
  if (known.revokedAt !== null) return;
  await appendOnce(ports, caller, async () => ({ op: "token.revoke", tokenId }));
}

/** In order of creation. */
export async function listTokens(ports: Ports): Promise<TokenDescription[]> {
  const entries = await withWhole(systemLog(ports), () => ports.system.listTokens());
  const lastUsed = await ports.uses.lastUsed(entries.map(({ id }) => id));
  return entries.map((entry, at) => descriptionOf(entry, lastUsed[at] ?? null));
}

async function getToken(ports: Ports, id: string): Promise<TokenEntry> {
  const known = await findConfirmed(systemLog(ports), () => ports.system.findTokenById(id));
  if (known === null) throw new FerryError("TOKEN_UNKNOWN", { id });
  return known;
}

function descriptionOf({ secrets, ...entry }: TokenEntry, lastUsedMs: number | null): TokenDescription {
  return { ...entry, previousUntil: secrets[1]?.until ?? null, lastUsedAt: lastUsedMs === null ? null : isoTime(lastUsedMs) };
}

async function newSecret(ports: Ports): Promise<{ token: string; tokenHash: Digest }> {
  const token = makeToken(ports.random.bytes(32));
  return { token, tokenHash: await sha256(token) };
}

/** An act of its own each time: its secret is known to one answer alone. */
function appendOnce(ports: Ports, caller: Caller, prepare: Prepare<SystemRecord>): Promise<SystemRecord> {
  const operationId = OperationId.parse(toHex(ports.random.bytes(16)));
  return append(systemLog(ports), { operationId, actor: caller.name }, prepare);
}
