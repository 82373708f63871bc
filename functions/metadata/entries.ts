/** What a log record leaves in an index: pure projections, the same for every implementation of the ports. */
import type { UserGrant } from "../../shared/contract/people.ts";
import type { Block, RepositorySummary } from "../../shared/contract/repositories.ts";
import type { SigningKey } from "../../shared/contract/signatures.ts";
import type { RevisionEntry, SignatureEntry, TokenEntry } from "../registry/ports.ts";
import type { CommitRecord, RepositoryRecord, SystemRecord } from "../registry/records.ts";

type CreateRecord = Extract<SystemRecord, { op: "repository.create" }>;
type BlockRecord = Extract<SystemRecord, { op: "repository.block" }>;
type KeyRecord = Extract<SystemRecord, { op: "key.add" }>;
type GrantRecord = Extract<SystemRecord, { op: "user.grant" }>;
type SignRecord = Extract<RepositoryRecord, { op: "sign" }>;
type LabelRecord = Extract<RepositoryRecord, { op: "label" }>;
type TokenRecord = Extract<SystemRecord, { op: "token.create" }>;

export function repositoryOf(record: CreateRecord): RepositorySummary {
  return { repository: record.repository, id: record.repositoryId, createdAt: record.at, createdBy: record.actor, blocked: null };
}

export function blockOf({ at, actor, reason }: BlockRecord): Block {
  return { at, by: actor, reason };
}

export function keyOf({ keyId, name, publicKey, at, actor }: KeyRecord): SigningKey {
  return { id: keyId, name, publicKey, createdAt: at, createdBy: actor, revokedAt: null };
}

export function grantOf({ grantId, claim, value, role, repositories, at, actor }: GrantRecord): UserGrant {
  return { id: grantId, claim, value, role, repositories, createdAt: at, createdBy: actor };
}

export function signatureOf({ keyId, signature, actor, at }: SignRecord): SignatureEntry {
  return { keyId, signature, by: actor, at };
}

export function tokenOf(record: TokenRecord): TokenEntry {
  return {
    id: record.tokenId,
    name: record.name,
    kind: record.kind,
    scopes: record.scopes,
    networks: record.networks,
    createdAt: record.at,
    createdBy: record.actor,
    expiresAt: record.expiresAt,
    revokedAt: null,
    rotatedAt: null,
    secrets: [{ hash: record.tokenHash, until: null }],
  };
}

export function revisionOf(record: CommitRecord): RevisionEntry {
  return {
    revision: record.revision,
    seq: record.seq,
    branch: record.branch,
    parent: record.parent,
    manifest: record.manifest,
    attempt: record.attempt,
    author: record.actor,
    time: record.at,
    message: record.message,
    fileCount: record.fileCount,
    sizeBytes: record.sizeBytes,
    chunkCount: record.chunkCount,
    newBytes: record.newBytes,
    newChunks: record.newChunks,
    labels: record.labels,
    metrics: record.metrics,
    source: record.source,
    origin: record.origin,
    ...(record.content === undefined ? {} : { content: record.content }),
    modifiedBy: null,
    modifiedAt: null,
    deletedAt: null,
  };
}

/** What a label record makes of a revision. */
export function changesOf({
  labels,
  metrics,
  actor,
  at,
}: LabelRecord): Pick<RevisionEntry, "labels" | "metrics" | "modifiedBy" | "modifiedAt"> {
  return { labels, metrics, modifiedBy: actor, modifiedAt: at };
}
