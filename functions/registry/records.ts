/**
 * What the bucket holds: log records and envelopes, as they are written and read. They are the truth; the index is made from them.
 * A reader that meets an unknown `v` or `op` stops; it never skips (a skipped record is a lost revision).
 */
import * as z from "zod";
import { canonical, type Json } from "../../shared/canonical.ts";
import { Scope, TokenId, TokenKind } from "../../shared/contract/access.ts";
import { ContentReport } from "../../shared/contract/content.ts";
import { StoredHooks } from "../../shared/contract/hooks.ts";
import { Role } from "../../shared/contract/people.ts";
import { POLICIES_MAX, StoredPolicy } from "../../shared/contract/replication.ts";
import { Labels, Metrics, Origin, RepositoryId, RepositorySettings, Source } from "../../shared/contract/repositories.ts";
import { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { Manifest } from "../../shared/manifest.ts";
import { OperationId, RefName, RepositoryGlob, RepositoryName, RevisionId, StoreId } from "../../shared/names.ts";
import { Network } from "../../shared/networks.ts";
import { KeyId, PublicKey, Signature } from "../../shared/signature.ts";

/** Each record names its predecessor's SHA-256: the log is a chain, and a change anywhere shows. `prev` is null for seq 1. */
const link = {
  v: z.literal(1),
  seq: z.int().min(1),
  prev: Digest.nullable(),
  operationId: OperationId,
  at: z.iso.datetime(),
  actor: z.string(),
};
const repositoryLink = { ...link, repositoryId: RepositoryId };

/** With a manifest's digest, names the envelope: manifests/<manifest>.<attempt>.json. */
const Attempt = z.string().regex(/^[0-9a-f]{16}(?![\s\S])/);

/** Revisions that one record may name. */
export const REVISIONS_MAX = 1000;

export const CommitRecord = z.strictObject({
  ...repositoryLink,
  op: z.literal("commit"),
  branch: RefName,
  revision: RevisionId,
  parent: RevisionId.nullable(),
  manifest: Digest,
  attempt: Attempt,
  message: z.string(),
  fileCount: z.int(),
  sizeBytes: z.int(),
  chunkCount: z.int(),
  newBytes: z.int(),
  newChunks: z.int(),
  labels: Labels,
  metrics: Metrics,
  /** Where it came from, as its maker says: host, job, git commit, framework. */
  source: Source,
  /** The revision whose manifest this is, when no bytes were sent for it: a clone or a restored one. */
  origin: Origin.nullable(),
  /** What its uploader says is in the files. */
  content: ContentReport.optional(),
});
export type CommitRecord = z.infer<typeof CommitRecord>;

export const RepositoryRecord = z.discriminatedUnion("op", [
  CommitRecord,
  z.strictObject({
    ...repositoryLink,
    op: z.literal("tag"),
    tag: RefName,
    revision: RevisionId,
    from: RevisionId.nullable(),
    /** Seq of the record that pointed the tag at `from`: the tag's history is a chain of these. */
    fromSeq: z.int().nullable(),
    message: z.string(),
  }),
  z.strictObject({ ...repositoryLink, op: z.literal("untag"), tag: RefName, from: RevisionId }),
  /** A locked tag can't be moved or removed. */
  z.strictObject({ ...repositoryLink, op: z.literal("lock"), tag: RefName }),
  z.strictObject({ ...repositoryLink, op: z.literal("unlock"), tag: RefName }),
  z.strictObject({ ...repositoryLink, op: z.literal("unbranch"), branch: RefName, from: RevisionId }),
  /** Replaces a revision's labels and metrics. */
  z.strictObject({ ...repositoryLink, op: z.literal("label"), revision: RevisionId, labels: Labels, metrics: Metrics }),
  /** From now on this envelope of the same manifest tells where the revision's chunks are: some were lost, and are elsewhere (fsck/mend.ts). */
  z.strictObject({ ...repositoryLink, op: z.literal("adopt"), revision: RevisionId, manifest: Digest, attempt: Attempt }),
  /** A signature of a manifest: of each revision here that has it, now or later. */
  z.strictObject({ ...repositoryLink, op: z.literal("sign"), manifest: Digest, keyId: KeyId, signature: Signature }),
  /** Replaces the repository's settings. */
  z.strictObject({ ...repositoryLink, op: z.literal("settings"), settings: RepositorySettings }),
  /** Into the trash; still a root of collection. */
  z.strictObject({
    ...repositoryLink,
    op: z.literal("delete"),
    revisions: z.array(RevisionId).min(1).max(REVISIONS_MAX),
    reason: z.string(),
  }),
  z.strictObject({ ...repositoryLink, op: z.literal("undelete"), revisions: z.array(RevisionId).min(1).max(REVISIONS_MAX) }),
  /** For good. Only what is in the trash can be purged. */
  z.strictObject({ ...repositoryLink, op: z.literal("purge"), revisions: z.array(RevisionId).min(1).max(REVISIONS_MAX) }),
  /** The repository was purged: the last record of its log. */
  z.strictObject({ ...repositoryLink, op: z.literal("end") }),
]);
export type RepositoryRecord = z.infer<typeof RepositoryRecord>;

export const SystemRecord = z.discriminatedUnion("op", [
  z.strictObject({ ...link, op: z.literal("repository.create"), repositoryId: RepositoryId, repository: RepositoryName }),
  /** Into the trash: the name is free again, the repository's log and chunks stay. */
  z.strictObject({ ...link, op: z.literal("repository.delete"), repositoryId: RepositoryId, repository: RepositoryName }),
  /** Out of the trash, under a name that is free. */
  z.strictObject({ ...link, op: z.literal("repository.restore"), repositoryId: RepositoryId, repository: RepositoryName }),
  /** Another name; the old one leads to it until somebody else takes it. */
  z.strictObject({
    ...link,
    op: z.literal("repository.rename"),
    repositoryId: RepositoryId,
    repository: RepositoryName,
    from: RepositoryName,
  }),
  /** For good; the repository's own log is ended after this. */
  z.strictObject({ ...link, op: z.literal("repository.purge"), repositoryId: RepositoryId }),
  /** The kill switch: no downloads, until the unblock. */
  z.strictObject({
    ...link,
    op: z.literal("repository.block"),
    repositoryId: RepositoryId,
    repository: RepositoryName,
    reason: z.string(),
  }),
  z.strictObject({ ...link, op: z.literal("repository.unblock"), repositoryId: RepositoryId, repository: RepositoryName }),
  z.strictObject({
    ...link,
    op: z.literal("token.create"),
    tokenId: TokenId,
    tokenHash: Digest,
    name: z.string(),
    kind: TokenKind.default("person"),
    scopes: z.array(Scope),
    networks: z.array(Network).default([]),
    expiresAt: z.iso.datetime().nullable(),
  }),
  /** A new secret; all that are valid now end at `previousUntil` at the latest. */
  z.strictObject({ ...link, op: z.literal("token.rotate"), tokenId: TokenId, tokenHash: Digest, previousUntil: z.iso.datetime() }),
  z.strictObject({ ...link, op: z.literal("token.revoke"), tokenId: TokenId }),
  /** A public key whose signatures count here, until it is revoked. */
  z.strictObject({ ...link, op: z.literal("key.add"), keyId: KeyId, publicKey: PublicKey, name: z.string() }),
  z.strictObject({ ...link, op: z.literal("key.revoke"), keyId: KeyId }),
  /** A role for whom the identity provider says this claim of. */
  z.strictObject({
    ...link,
    op: z.literal("user.grant"),
    grantId: z.string(),
    claim: z.enum(["sub", "email", "groups"]),
    value: z.string(),
    role: Role,
    repositories: RepositoryGlob,
  }),
  z.strictObject({ ...link, op: z.literal("user.revoke"), grantId: z.string() }),
  /** All policies of replication, as they are from now on. */
  z.strictObject({ ...link, op: z.literal("policies"), policies: z.array(StoredPolicy).max(POLICIES_MAX) }),
  /** All webhooks and sources, as they are from now on. */
  z.strictObject({ ...link, op: z.literal("hooks"), ...StoredHooks.shape }),
  /** From now on this store is home; a deployment with another one writes no more. */
  z.strictObject({ ...link, op: z.literal("promote"), store: StoreId, epoch: z.int().min(1) }),
]);
export type SystemRecord = z.infer<typeof SystemRecord>;

/** 8 bytes as 16 hex characters; with the chunk's digest it names one S3 object. */
export const Tag16 = z.string().regex(/^[0-9a-f]{16}(?![\s\S])/);

/** Where this store keeps each chunk of a manifest: digest, size in bytes, tag; sorted by digest, every chunk once. */
export const Placement = z.array(z.tuple([Digest, z.int(), Tag16]));
export type Placement = z.infer<typeof Placement>;

export const Envelope = z.strictObject({ v: z.literal(1), repositoryId: RepositoryId, manifest: Manifest, placement: Placement });
export type Envelope = z.infer<typeof Envelope>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Canonical bytes of a record or envelope: the same in every store. */
export function encodeRecord(record: Json): Uint8Array {
  return encoder.encode(canonical(record));
}

/** Parses what a bucket gave. Throws LOG_DAMAGED naming `key`. */
export function decodeRecord<S extends z.ZodType>(schema: S, bytes: Uint8Array, key: string): z.infer<S> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new FerryError("LOG_DAMAGED", { repository: key, problem: "it is not JSON" }, { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new FerryError("LOG_DAMAGED", { repository: key, problem: z.prettifyError(parsed.error).slice(0, 300) });
  return parsed.data;
}
