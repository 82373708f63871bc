/** Logs for tests: records that follow one another as those in a bucket do, with the hashes that a bucket would give. */
import { createHash } from "node:crypto";
import type * as z from "zod";
import type { Body } from "../../functions/registry/log.ts";
import { CommitRecord, encodeRecord, RepositoryRecord, SystemRecord } from "../../functions/registry/records.ts";
import type { Json } from "../../shared/canonical.ts";
import { RepositoryId, RepositorySettings } from "../../shared/contract/repositories.ts";
import { Digest, sha256 } from "../../shared/digest.ts";
import { OperationId, RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import { isoTime } from "../../shared/time.ts";

export type Entry<R> = { record: R; hash: Digest };

const FIRST_RECORD_MS = Date.UTC(2026, 0, 1);

/** One log. `name` makes its operations differ from those of others. */
export class Chain<R extends SystemRecord | RepositoryRecord> {
  readonly entries: Entry<R>[] = [];
  readonly #parse: (record: Json) => R;
  readonly #name: string;

  constructor(parse: (record: Json) => R, name: string) {
    this.#parse = parse;
    this.#name = name;
  }

  get seq(): number {
    return this.entries.length;
  }

  async add(body: Body<R>): Promise<Entry<R>> {
    const seq = this.seq + 1;
    const link = { v: 1, seq, prev: this.entries.at(-1)?.hash ?? null, operationId: operationOf(this.#name, seq) };
    const record = this.#parse({ ...body, ...link, at: isoTime(FIRST_RECORD_MS + seq * 1000), actor: `person ${seq % 3}` });
    const entry = { record, hash: await sha256(encodeRecord(record)) };
    this.entries.push(entry);
    return entry;
  }
}

export function systemChain(name = "system"): Chain<SystemRecord> {
  return new Chain((record) => SystemRecord.parse(record), name);
}

export function repositoryChain(name = "repository"): Chain<RepositoryRecord> {
  return new Chain((record) => RepositoryRecord.parse(record), name);
}

/** The operation id of a chain's record. */
export function operationOf(name: string, seq: number): OperationId {
  return OperationId.parse(hex(`operation ${name} ${seq}`, 32));
}

/** The same hex characters for the same seed. */
export function hex(seed: string, length: number): string {
  return createHash("sha256").update(seed).digest("hex").slice(0, length);
}

export const digestOf = (seed: string): Digest => Digest.parse(hex(seed, 64));
export const repositoryIdOf = (seed: string): RepositoryId => RepositoryId.parse(hex(seed, 16));
export const revisionOf = (seed: string): RevisionId => RevisionId.parse(hex(seed, 40));
export const nameOf = (name: string): RepositoryName => RepositoryName.parse(name);
export const refOf = (name: string): RefName => RefName.parse(name);

export function create(name: string, id = repositoryIdOf(name)): Body<SystemRecord> {
  return { op: "repository.create", repositoryId: id, repository: nameOf(name) };
}

export function remove(name: string, id = repositoryIdOf(name)): Body<SystemRecord> {
  return { op: "repository.delete", repositoryId: id, repository: nameOf(name) };
}

export function restore(name: string, id = repositoryIdOf(name)): Body<SystemRecord> {
  return { op: "repository.restore", repositoryId: id, repository: nameOf(name) };
}

export function rename(from: string, to: string, id = repositoryIdOf(from)): Body<SystemRecord> {
  return { op: "repository.rename", repositoryId: id, repository: nameOf(to), from: nameOf(from) };
}

export function purgeRepository(name: string, id = repositoryIdOf(name)): Body<SystemRecord> {
  return { op: "repository.purge", repositoryId: id };
}

export function makeToken(seed: string): Body<SystemRecord> {
  const scopes = [{ repositories: "team/*", actions: ["pull", "push"] as ("pull" | "push")[] }];
  const tokenId = hex(`id ${seed}`, 16);
  const networks = ["10.0.0.0/8"];
  return {
    op: "token.create",
    tokenId,
    tokenHash: digestOf(seed),
    name: `${seed} | "x"`,
    kind: "robot",
    scopes,
    networks,
    expiresAt: null,
  };
}

/** `secret` seeds the new one; `overlapSeconds` from the first record of the chain on. */
export function rotate(seed: string, secret: string, overlapSeconds: number): Body<SystemRecord> {
  const previousUntil = isoTime(FIRST_RECORD_MS + overlapSeconds * 1000);
  return { op: "token.rotate", tokenId: hex(`id ${seed}`, 16), tokenHash: digestOf(secret), previousUntil };
}

export function block(name: string, id = repositoryIdOf(name)): Body<SystemRecord> {
  return { op: "repository.block", repositoryId: id, repository: nameOf(name), reason: 'leaked | "x" y' };
}

export function unblock(name: string, id = repositoryIdOf(name)): Body<SystemRecord> {
  return { op: "repository.unblock", repositoryId: id, repository: nameOf(name) };
}

export function revoke(seed: string): Body<SystemRecord> {
  return { op: "token.revoke", tokenId: hex(`id ${seed}`, 16) };
}

/** A commit onto `branch`; the seed names the revision. */
export function commit(id: RepositoryId, branch: string, seed: string, parent: RevisionId | null = null): Body<CommitRecord> {
  return CommitRecord.omit({ v: true, seq: true, prev: true, operationId: true, at: true, actor: true }).parse({
    op: "commit",
    repositoryId: id,
    branch,
    revision: revisionOf(seed),
    parent,
    manifest: digestOf(`manifest ${seed}`),
    attempt: attemptOf(seed),
    message: `message of ${seed}: "quoted", später`,
    fileCount: 3,
    sizeBytes: 70_000_000_000,
    chunkCount: 1100,
    newBytes: Number.parseInt(hex(seed, 8), 16),
    newChunks: Number.parseInt(hex(seed, 2), 16),
    metrics: { loss: "0.031" },
    source: { host: "node-7", git: seed },
    origin: null,
    labels: { stage: "test", note: seed },
  });
}

export function tag(id: RepositoryId, name: string, seed: string): Body<RepositoryRecord> {
  return { op: "tag", repositoryId: id, tag: refOf(name), revision: revisionOf(seed), from: null, fromSeq: null, message: "" };
}

export function untag(id: RepositoryId, name: string, seed: string): Body<RepositoryRecord> {
  return { op: "untag", repositoryId: id, tag: refOf(name), from: revisionOf(seed) };
}

export function unbranch(id: RepositoryId, branch: string, seed: string): Body<RepositoryRecord> {
  return { op: "unbranch", repositoryId: id, branch: refOf(branch), from: revisionOf(seed) };
}

export function lock(id: RepositoryId, name: string): Body<RepositoryRecord> {
  return { op: "lock", repositoryId: id, tag: refOf(name) };
}

export function unlock(id: RepositoryId, name: string): Body<RepositoryRecord> {
  return { op: "unlock", repositoryId: id, tag: refOf(name) };
}

export function label(id: RepositoryId, seed: string, text: string): Body<RepositoryRecord> {
  return { op: "label", repositoryId: id, revision: revisionOf(seed), labels: { note: text }, metrics: { loss: "1e-3" } };
}

/** `by` seeds the attempt of the new envelope. */
export function adopt(id: RepositoryId, seed: string, by: string): Body<RepositoryRecord> {
  return { op: "adopt", repositoryId: id, revision: revisionOf(seed), manifest: digestOf(`manifest ${seed}`), attempt: attemptOf(by) };
}

export function settings(id: RepositoryId, changes: z.input<typeof RepositorySettings>): Body<RepositoryRecord> {
  return { op: "settings", repositoryId: id, settings: RepositorySettings.parse(changes) };
}

export const keyId = (seed: string): string => hex(`key ${seed}`, 32);
/** A text of a signature's form: indexes keep it, and look no closer. */
export const signatureText = (seed: string): string => hex(seed, 64) + hex(`${seed} `, 22);

export function addKey(seed: string): Body<SystemRecord> {
  return { op: "key.add", keyId: keyId(seed), publicKey: hex(seed, 43), name: `key ${seed}` };
}

export function revokeKey(seed: string): Body<SystemRecord> {
  return { op: "key.revoke", keyId: keyId(seed) };
}

export function grantUser(value: string): Body<SystemRecord> {
  return { op: "user.grant", grantId: hex(`grant ${value}`, 16), claim: "groups", value, role: "writer", repositories: "team/*" };
}

export function ungrantUser(value: string): Body<SystemRecord> {
  return { op: "user.revoke", grantId: hex(`grant ${value}`, 16) };
}

export function sign(id: RepositoryId, manifest: string, seed: string): Body<RepositoryRecord> {
  return {
    op: "sign",
    repositoryId: id,
    manifest: digestOf(manifest),
    keyId: keyId(seed),
    signature: signatureText(`${manifest} ${seed}`),
  };
}

/** Into the trash. */
export function trash(id: RepositoryId, ...seeds: string[]): Body<RepositoryRecord> {
  return { op: "delete", repositoryId: id, revisions: seeds.map(revisionOf), reason: "a test" };
}

export function untrash(id: RepositoryId, ...seeds: string[]): Body<RepositoryRecord> {
  return { op: "undelete", repositoryId: id, revisions: seeds.map(revisionOf) };
}

export function purge(id: RepositoryId, ...seeds: string[]): Body<RepositoryRecord> {
  return { op: "purge", repositoryId: id, revisions: seeds.map(revisionOf) };
}

export function end(id: RepositoryId): Body<RepositoryRecord> {
  return { op: "end", repositoryId: id };
}

/** The attempt that a commit of this seed names. */
export const attemptOf = (seed: string): string => hex(`attempt ${seed}`, 16);
