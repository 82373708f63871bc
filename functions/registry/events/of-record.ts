/** What a log's record tells the world, or null: most records are nobody's news. Pure, so that every index tells the same. */
import { epochMs } from "../../../shared/time.ts";
import type { RepositoryRecord, SystemRecord } from "../records.ts";
import type { FerryEvent } from "./ports.ts";

const TEXT_MAX = 200;
/** Revisions that an event names; all of them are counted. */
const NAMED_MAX = 10;

export type RecordEvent = FerryEvent & { id: string; atMs: number };

export function eventOfRepository(record: RepositoryRecord): RecordEvent | null {
  const event = repositoryEvent(record);
  if (event === null) return null;
  const { repositoryId, seq, at } = record;
  return { ...event, id: `${repositoryId}-${seq}`, atMs: epochMs(at), repositoryId };
}

export function eventOfSystem(record: SystemRecord): RecordEvent | null {
  const event = systemEvent(record);
  return event === null ? null : { ...event, id: `sys-${record.seq}`, atMs: epochMs(record.at) };
}

function repositoryEvent(record: RepositoryRecord): FerryEvent | null {
  const by = cut(record.actor);
  switch (record.op) {
    case "commit": {
      const { branch, revision, parent, fileCount, sizeBytes, newBytes } = record;
      const about = { branch, revision, parent: parent ?? "", files: fileCount, sizeBytes, newBytes, message: cut(record.message), by };
      return { type: "revision.committed", about };
    }
    case "tag":
      return { type: "tag.moved", about: { tag: record.tag, revision: record.revision, from: record.from ?? "", by } };
    case "untag":
      return { type: "tag.removed", about: { tag: record.tag, from: record.from, by } };
    case "delete":
      return { type: "revision.trashed", about: { ...named(record.revisions), reason: cut(record.reason), by } };
    case "undelete":
      return { type: "revision.restored", about: { ...named(record.revisions), by } };
    case "purge":
      return { type: "revision.purged", about: { ...named(record.revisions), by } };
    default:
      return null;
  }
}

function systemEvent(record: SystemRecord): FerryEvent | null {
  const by = cut(record.actor);
  switch (record.op) {
    case "repository.create":
      return { type: "repository.created", repositoryId: record.repositoryId, repository: record.repository, about: { by } };
    case "repository.delete":
      return { type: "repository.deleted", repositoryId: record.repositoryId, repository: record.repository, about: { by } };
    case "repository.restore":
      return { type: "repository.restored", repositoryId: record.repositoryId, repository: record.repository, about: { by } };
    case "repository.rename": {
      const { repositoryId, repository, from } = record;
      return { type: "repository.renamed", repositoryId, repository, about: { from, by } };
    }
    case "repository.purge":
      return { type: "repository.purged", repositoryId: record.repositoryId, about: { by } };
    case "repository.block": {
      const { repositoryId, repository } = record;
      return { type: "repository.blocked", repositoryId, repository, about: { reason: cut(record.reason), by } };
    }
    case "repository.unblock":
      return { type: "repository.unblocked", repositoryId: record.repositoryId, repository: record.repository, about: { by } };
    case "token.create":
      return { type: "token.created", about: { token: record.tokenId, name: cut(record.name), by } };
    case "token.revoke":
      return { type: "token.revoked", about: { token: record.tokenId, by } };
    default:
      return null;
  }
}

function named(revisions: readonly string[]): { count: number; revisions: string } {
  return { count: revisions.length, revisions: revisions.slice(0, NAMED_MAX).join(" ") };
}

function cut(text: string): string {
  return text.slice(0, TEXT_MAX).toWellFormed();
}
