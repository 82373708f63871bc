/**
 * Signatures: public keys in the deployment's log, signatures of manifests in the repository's. Each is checked when it comes and again
 * when something depends on it: an index, or a log in the hands of who holds the bucket's keys, is not what makes one good.
 */
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import {
  KEYS_MAX,
  type KeyRequest,
  type RevisionSignature,
  type SignatureList,
  type SigningKey,
  type SignRequest,
} from "../../shared/contract/signatures.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { matchesGlob, type OperationId, type RefName } from "../../shared/names.ts";
import { isSignedBy, keyIdOf } from "../../shared/signature.ts";
import { actOnce } from "./acts.ts";
import { demandLiving, livingState, namedRevision } from "./living.ts";
import { type Body, catchUp, withWhole } from "./log.ts";
import { repositoryLog, systemLog } from "./logs.ts";
import type { Caller, Ports, RepositoryState, RevisionEntry } from "./ports.ts";
import type { RepositoryRecord, SystemRecord } from "./records.ts";
import { resolveRevision } from "./revisions.ts";

/** As the bucket has them now: an index that was set back would know a revoked key as good. */
export async function knownKeys(ports: Ports): Promise<SigningKey[]> {
  const { seq } = await catchUp(systemLog(ports));
  return (await ports.system.atLeast(seq).directory()).keys;
}

/** Throws KEY_EXISTS, also for one that was revoked: it stays so. */
export async function addKey(
  ports: Ports,
  caller: Caller,
  { name, publicKey, operationId }: Omit<KeyRequest, "operationId"> & { operationId: OperationId },
): Promise<SigningKey> {
  const keyId = await keyIdOf(publicKey);
  const kind = { op: "key.add" as const, isSame: (record: { keyId: string }) => record.keyId === keyId };
  const act = { operationId, actor: caller.name };
  const record = await actOnce(systemLog(ports), act, kind, async (_, fenced): Promise<Body<SystemRecord>> => {
    const { keys } = await fenced.system.directory();
    if (keys.some(({ id }) => id === keyId)) throw new FerryError("KEY_EXISTS", { key: keyId });
    if (keys.length >= KEYS_MAX) throw new FerryError("REQUEST_INVALID", { problem: `a deployment has at most ${KEYS_MAX} keys` });
    return { op: "key.add", keyId, publicKey, name };
  });
  return { id: keyId, name: record.name, publicKey, createdAt: record.at, createdBy: record.actor, revokedAt: null };
}

/** Nothing happens when it is revoked already. Throws KEY_UNKNOWN. */
export async function revokeKey(ports: Ports, caller: Caller, keyId: string, operationId: OperationId): Promise<void> {
  const kind = { op: "key.revoke" as const, isSame: (record: { keyId: string }) => record.keyId === keyId };
  await actOnce(systemLog(ports), { operationId, actor: caller.name }, kind, async (_, fenced): Promise<Body<SystemRecord> | null> => {
    const key = findKey((await fenced.system.directory()).keys, keyId);
    return key.revokedAt === null ? { op: "key.revoke", keyId } : null;
  });
}

function findKey(keys: readonly SigningKey[], id: string): SigningKey {
  const key = keys.find((one) => one.id === id);
  if (key === undefined) throw new FerryError("KEY_UNKNOWN", { key: id });
  return key;
}

/** Throws KEY_UNKNOWN, KEY_REVOKED, SIGNATURE_INVALID. */
export async function addSignature(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  ref: string,
  { key: keyId, signature, operationId }: SignRequest,
): Promise<SignatureList> {
  const kind = { op: "sign" as const, isSame: (record: { keyId: string; signature: string }) => record.signature === signature };
  const log = repositoryLog(ports, repository.id);
  await actOnce(log, { operationId, actor: caller.name }, kind, async (_, fenced): Promise<Body<RepositoryRecord> | null> => {
    const { manifest } = demandLiving(await namedRevision(fenced, repository, await livingState(fenced, repository), ref));
    const key = findKey(await knownKeys(ports), keyId);
    if (key.revokedAt !== null) throw new FerryError("KEY_REVOKED", { key: keyId, at: key.revokedAt });
    if (!(await isSignedBy(key.publicKey, manifest, signature))) throw new FerryError("SIGNATURE_INVALID", { key: keyId, manifest });
    const known = await fenced.repositories.signatures(repository.id, manifest);
    return known.some((one) => one.keyId === keyId) ? null : { op: "sign", repositoryId: repository.id, manifest, keyId, signature };
  });
  return listSignatures(ports, repository, ref);
}

/** All that are good, or were until their key was revoked. */
export async function listSignatures(ports: Ports, repository: RepositorySummary, ref: string): Promise<SignatureList> {
  const { revision, manifest } = await resolveRevision(ports, repository, ref);
  return { revision, manifest, signatures: await goodSignatures(ports, repository, manifest) };
}

async function goodSignatures(ports: Ports, repository: RepositorySummary, manifest: Digest): Promise<RevisionSignature[]> {
  const keys = await knownKeys(ports);
  const entries = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.signatures(repository.id, manifest));
  const good: RevisionSignature[] = [];
  for (const { keyId, signature, by, at } of entries) {
    const key = keys.find(({ id }) => id === keyId);
    if (key !== undefined && (await isSignedBy(key.publicKey, manifest, signature))) good.push({ key, signature, by, at });
  }
  return good;
}

/** Asked right before a tag moves. Throws SIGNATURE_MISSING when a rule of the repository wants a signature that is not there. */
export async function demandSigned(
  ports: Ports,
  repository: RepositorySummary,
  { settings }: RepositoryState,
  tag: RefName,
  { revision, manifest }: RevisionEntry,
): Promise<void> {
  const rules = (settings.signedTags ?? []).filter((rule) => matchesGlob(rule.tags, tag));
  if (rules.length === 0) return;
  const keys = (await goodSignatures(ports, repository, manifest)).flatMap(({ key }) => (key.revokedAt === null ? [key.id] : []));
  for (const rule of rules) {
    if (rule.keys.length === 0 ? keys.length > 0 : rule.keys.some((key) => keys.includes(key))) continue;
    throw new FerryError("SIGNATURE_MISSING", {
      revision,
      keys: rule.keys.length === 0 ? "a key of this deployment" : rule.keys.join(", "),
    });
  }
}
