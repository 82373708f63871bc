/** Tokens: made, revoked, and held against what a caller brings. Only hashes are kept; a secret is shown once. */
import type { TokenDescription, TokenRequest, TokenSecret } from "../../shared/contract/access.ts";
import { sha256, toHex } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId } from "../../shared/names.ts";
import { isoTime } from "../../shared/time.ts";
import { isToken, makeToken } from "../../shared/token.ts";
import { excessOf } from "./access.ts";
import { append, type Body, findConfirmed, withWhole } from "./log.ts";
import { systemLog } from "./logs.ts";
import type { Caller, Ports, TokenEntry } from "./ports.ts";
import type { SystemRecord } from "./records.ts";

export async function createToken(ports: Ports, caller: Caller, request: TokenRequest): Promise<TokenSecret> {
  const problem = excessOf(caller, request.scopes);
  if (problem !== null) throw new FerryError("SCOPE_EXCEEDED", { problem });
  const now = ports.clock.now();
  const expiresAt = expiryOf(caller, now, request.expiresInSeconds);
  const token = makeToken(ports.random.bytes(32));
  const tokenHash = await sha256(token);
  const tokenId = toHex(ports.random.bytes(8));
  const operationId = OperationId.parse(toHex(ports.random.bytes(16)));
  const { name, scopes } = request;
  const { at } = await append(
    systemLog(ports),
    { operationId, actor: caller.name },
    async (): Promise<Body<SystemRecord>> => ({
      op: "token.create",
      tokenId,
      tokenHash,
      name,
      scopes,
      expiresAt,
    }),
  );
  return { token, description: { id: tokenId, name, scopes, createdAt: at, createdBy: caller.name, expiresAt, revokedAt: null } };
}

/** Never later than the maker's own expiry. */
function expiryOf(caller: Caller, now: number, expiresInSeconds: number | undefined): string | null {
  const wanted = expiresInSeconds === undefined ? null : isoTime(now + expiresInSeconds * 1000);
  if (caller.expiresAt === null) return wanted;
  return wanted === null || wanted > caller.expiresAt ? caller.expiresAt : wanted;
}

export async function revokeToken(ports: Ports, caller: Caller, tokenId: string): Promise<void> {
  const operationId = OperationId.parse(toHex(ports.random.bytes(16)));
  const known = (await listTokens(ports)).find((token) => token.id === tokenId);
  if (known === undefined) throw new FerryError("TOKEN_UNKNOWN", { id: tokenId });
  if (known.revokedAt !== null) return;
  await append(
    systemLog(ports),
    { operationId, actor: caller.name },
    async (): Promise<Body<SystemRecord>> => ({ op: "token.revoke", tokenId }),
  );
}

export async function listTokens(ports: Ports): Promise<TokenDescription[]> {
  const entries = await withWhole(systemLog(ports), () => ports.system.listTokens());
  return entries.map(({ hash: _, ...description }) => description);
}

/**
 * The caller behind a bearer token. Throws TOKEN_INVALID; absence is confirmed in the bucket first, since a lost index must not lock
 * people out. A text without the token's form and checksum is refused before anything is asked.
 */
export async function authenticate(ports: Ports, bearer: string, bootstrap: Caller & { hash: string }): Promise<Caller> {
  if (!isToken(bearer)) throw new FerryError("TOKEN_INVALID");
  const hash = await sha256(bearer);
  if (equalTexts(hash, bootstrap.hash)) return bootstrap;
  const entry = await findConfirmed(systemLog(ports), () => ports.system.findToken(hash));
  if (entry === null || !isValid(entry, isoTime(ports.clock.now()))) throw new FerryError("TOKEN_INVALID");
  return { tokenId: entry.id, name: entry.name, scopes: entry.scopes, expiresAt: entry.expiresAt };
}

function isValid(entry: TokenEntry, now: string): boolean {
  return entry.revokedAt === null && (entry.expiresAt === null || entry.expiresAt > now);
}

/** In time that depends on the length alone. */
function equalTexts(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
