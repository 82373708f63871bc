/**
 * Every object key, relative to a store's prefix. Nobody else spells one.
 *
 *   sys/format.json                                  format version, bucket id, result of the last probe
 *   sys/log/<seq12>.json                             system log: repositories, tokens (create-only, hash-chained)
 *   sys/audit/events/<time17>-<writer>-<seq6>-<sha256>.json   audit events of one isolate, named by time and content (create-only)
 *   sys/audit/seals/<hour10>.json                    what an hour's events were, chained (create-only)
 *   chunks/<2 hex>/<sha256>~<tag>                    raw bytes; the tag is the upload's and attempt's own, so no key is ever reused
 *   recipes/<2 hex>/<sha256>.json                    canonical JSON, named by its digest; never collected
 *   manifests/<sha256>.<attempt>.json                envelope {manifest, placement}; the digest covers `manifest`
 *   repositories/<repositoryId>/log/<seq12>.json     repository log (create-only, hash-chained); writing one is the commit point
 *   sessions/<repositoryId>/open/<session>.json      a named session: its upload, branch and number of parts (create-only)
 *   sessions/<repositoryId>/parts/<upload>/<part4>   files and chunk places of a sealed part (create-only; only the places may change)
 *   sessions/<repositoryId>/ends/<session>~<upload>  whether the session was aborted or decided for a commit (create-only)
 *   purges/<repositoryId>.<operationId>              note of a repository's purge that may have stopped half-way; gone when it is done
 *   recent/<minute10>/<repositoryId>.<seq12>         a record of this seq is about to be written: where recovery looks first; kept two days
 *   collect/flags/<run>.intent, <run>.final          collection's flags that commits must read: what a run wants to delete, what it will
 *   collect/run/<run>.json                           progress of a run
 *   collect/work/<run>/…                             what a run found so far: live-<part>-<N>, again-<part>-<N>, garbage-<part>, final-<part>
 *   claimed/<sha256>.<attempt>                       an envelope whose store has checked some chunks by MD5 only; gone once they were read
 *   verified/<sha256>.<attempt>                      what reading them told
 *   ready/<repositoryId>/<seq12>.<revision>.<attempt>   in a replica store: it holds all chunks of that revision, as this envelope says
 *   fsck/run/<run>.json                              progress and findings of a look for damage
 *   fsck/work/<run>/…                                what it has seen so far: named-<digit>-<name>
 *   imports/<repositoryId>/<import>.json             an import that is to be done (create-only; deleted when it is over)
 *   warm/<repositoryId>/<schedule>.json              schedule of warm-ups (create-only; deleted when it is ended)
 *   staging/<slot>/<piece5>                          bytes of a file whose SHA-256 is only claimed; gone a day later, whatever became of them
 *   staging/<slot>/{slot,redo,absorbed}.json         what the slot is for; how often its chunks were condemned; the chunks that it became
 *   probe/…                                          scratch objects of a probe; removed by it
 */
import type { SessionName } from "../../shared/contract/parts.ts";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import type { OperationId, RevisionId } from "../../shared/names.ts";

export const FORMAT_KEY = "sys/format.json";
export const SYSTEM_LOG_PREFIX = "sys/log/";
export const AUDIT_PREFIX = "sys/audit/events/";
export const SEAL_PREFIX = "sys/audit/seals/";
export const FLAG_PREFIX = "collect/flags/";
export const PROBE_PREFIX = "probe/";
export const IMPORT_PREFIX = "imports/";
export const WARM_PREFIX = "warm/";
export const CHUNK_PREFIX = "chunks/";
export const ENVELOPE_PREFIX = "manifests/";
export const RUN_PREFIX = "collect/run/";
export const PURGE_NOTE_PREFIX = "purges/";
export const RECENT_PREFIX = "recent/";
export const CLAIMED_PREFIX = "claimed/";
export const FSCK_RUN_PREFIX = "fsck/run/";
export const READY_PREFIX = "ready/";
export const STAGING_PREFIX = "staging/";
export const REPOSITORIES_PREFIX = "repositories/";
/** Objects below it serve for a week, and may be deleted in any order once they are older than two. */
export const SESSION_PREFIX = "sessions/";

export function importsPrefix(id: RepositoryId): string {
  return `${IMPORT_PREFIX}${id}/`;
}

export function importKey(id: RepositoryId, operationId: OperationId): string {
  return `${importsPrefix(id)}${operationId}.json`;
}

export function warmSchedulePrefix(id: RepositoryId): string {
  return `${WARM_PREFIX}${id}/`;
}

export function warmScheduleKey(id: RepositoryId, schedule: string): string {
  return `${warmSchedulePrefix(id)}${schedule}.json`;
}

export function systemLogKey(seq: number): string {
  return `${SYSTEM_LOG_PREFIX}${seq12(seq)}.json`;
}

export function auditKey(name: string): string {
  return `${AUDIT_PREFIX}${name}.json`;
}

export function sealKey(hour: string): string {
  return `${SEAL_PREFIX}${hour}.json`;
}

export function repositoryLogPrefix(id: RepositoryId): string {
  return `${REPOSITORIES_PREFIX}${id}/log/`;
}

/** Null for what is no record of a repository. */
export function repositoryOfKey(key: string): RepositoryId | null {
  const [, id] = /^repositories\/([0-9a-f]{16})\/log\/\d{12}\.json$/.exec(key) ?? [];
  return id === undefined ? null : (id as RepositoryId);
}

/** @param minute whole minutes since 1970 */
export function recentPrefix(minute: number): string {
  return `${RECENT_PREFIX}${String(minute).padStart(10, "0")}/`;
}

export function recentKey(minute: number, id: RepositoryId, seq: number): string {
  return `${recentPrefix(minute)}${id}.${seq12(seq)}`;
}

/** Null for anything else. */
export function recentOfKey(key: string): { minute: number; id: RepositoryId; seq: number } | null {
  const [, minute, id, seq] = /^recent\/(\d{10})\/([0-9a-f]{16})\.(\d{12})$/.exec(key) ?? [];
  return id === undefined ? null : { minute: Number(minute), id: id as RepositoryId, seq: Number(seq) };
}

export function repositoryLogKey(id: RepositoryId, seq: number): string {
  return `${repositoryLogPrefix(id)}${seq12(seq)}.json`;
}

/** Seq of a log key of either kind. Throws RangeError on anything else: a stray object in a log is damage, not noise. */
export function seqOfLogKey(key: string): number {
  const [, digits] = /\/log\/(\d{12})\.json$/.exec(key) ?? [];
  if (digits === undefined) throw new RangeError(`${key} is not a log key`);
  return Number(digits);
}

/** Path below `chunks/`. */
export function chunkPath(sha256: Digest, tag: string): string {
  return `${sha256.slice(0, 2)}/${sha256}~${tag}`;
}

export function chunkKey(sha256: Digest, tag: string): string {
  return CHUNK_PREFIX + chunkPath(sha256, tag);
}

export function sessionPrefix(id: RepositoryId): string {
  return `${SESSION_PREFIX}${id}/open/`;
}

export function sessionKey(id: RepositoryId, session: SessionName): string {
  return `${sessionPrefix(id)}${session}.json`;
}

/** @param upload the upload's id: 16 hex characters, of its own for each session. */
export function partPrefix(id: RepositoryId, upload: string): string {
  return `${SESSION_PREFIX}${id}/parts/${upload}/`;
}

export function partKey(id: RepositoryId, upload: string, part: number): string {
  return partPrefix(id, upload) + String(part).padStart(4, "0");
}

/** Throws RangeError on anything else. */
export function partOfKey(key: string): number {
  const [, digits] = /\/parts\/[0-9a-f]{16}\/(\d{4})$/.exec(key) ?? [];
  if (digits === undefined) throw new RangeError(`${key} is not a part's key`);
  return Number(digits);
}

export function sessionEndPrefix(id: RepositoryId): string {
  return `${SESSION_PREFIX}${id}/ends/`;
}

export function sessionEndKey(id: RepositoryId, session: SessionName, upload: string): string {
  return `${sessionEndPrefix(id)}${session}~${upload}`;
}

/** The session's name in a key of its opening or its end. */
export function sessionOfKey(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1).replace(/(\.json|~[0-9a-f]{16})$/, "");
}

export function purgeNoteKey(id: RepositoryId, operationId: OperationId): string {
  return `${PURGE_NOTE_PREFIX}${id}.${operationId}`;
}

export function recipeKey(recipe: Digest): string {
  return `recipes/${recipe.slice(0, 2)}/${recipe}.json`;
}

export function envelopeKey(manifest: Digest, attempt: string): string {
  return `manifests/${manifest}.${attempt}.json`;
}

function seq12(seq: number): string {
  return String(seq).padStart(12, "0");
}

export function readyPrefix(id: RepositoryId): string {
  return `${READY_PREFIX}${id}/`;
}

/** @param copy attempt in the name of the replica's envelope */
export function readyKey(id: RepositoryId, { seq, revision, copy }: { seq: number; revision: RevisionId; copy: string }): string {
  return `${readyRevisionPrefix(id, { seq, revision })}${copy}`;
}

export function readyRevisionPrefix(id: RepositoryId, { seq, revision }: { seq: number; revision: RevisionId }): string {
  return `${readyPrefix(id)}${seq12(seq)}.${revision}.`;
}

/** Null for anything else. */
export function readyOfKey(key: string): { seq: number; revision: RevisionId; copy: string } | null {
  const [, digits, revision, copy] = /^ready\/[0-9a-f]{16}\/(\d{12})\.([0-9a-f]{40})\.([0-9a-f]{16})$/.exec(key) ?? [];
  return copy === undefined ? null : { seq: Number(digits), revision: revision as RevisionId, copy };
}

/** What an envelope's key says. */
export type EnvelopeName = { manifest: Digest; attempt: string };

/** Throws RangeError on anything else: a stray object among envelopes is damage, not noise. */
export function envelopeOfKey(key: string): EnvelopeName {
  const [, manifest, attempt] = /^manifests\/([0-9a-f]{64})\.([0-9a-f]{16})\.json$/.exec(key) ?? [];
  if (manifest === undefined || attempt === undefined) throw new RangeError(`${key} is not an envelope's key`);
  return { manifest: manifest as Digest, attempt };
}

/** Throws RangeError on anything else. */
export function chunkOfKey(key: string): { sha256: Digest; tag: string } {
  const [, sha256, tag] = /^chunks\/[0-9a-f]{2}\/([0-9a-f]{64})~([0-9a-f]{16})$/.exec(key) ?? [];
  if (sha256 === undefined || tag === undefined) throw new RangeError(`${key} is not a chunk's key`);
  return { sha256: sha256 as Digest, tag };
}

export function intentKey(run: string): string {
  return `${FLAG_PREFIX}${run}.intent`;
}

export function finalKey(run: string): string {
  return `${FLAG_PREFIX}${run}.final`;
}

export function runKey(run: string): string {
  return `${RUN_PREFIX}${run}.json`;
}

export function workPrefix(run: string): string {
  return `collect/work/${run}/`;
}

export function workKey(run: string, name: string): string {
  return workPrefix(run) + name;
}

/** @param name of the envelope */
export function claimedKey({ manifest, attempt }: EnvelopeName): string {
  return `${CLAIMED_PREFIX}${manifest}.${attempt}`;
}

/** Null for anything else. */
export function claimedOfKey(key: string): EnvelopeName | null {
  const [, manifest, attempt] = /^claimed\/([0-9a-f]{64})\.([0-9a-f]{16})$/.exec(key) ?? [];
  return manifest === undefined || attempt === undefined ? null : { manifest: manifest as Digest, attempt };
}

export function verifiedKey({ manifest, attempt }: EnvelopeName): string {
  return `verified/${manifest}.${attempt}`;
}

export function fsckRunKey(run: string): string {
  return `${FSCK_RUN_PREFIX}${run}.json`;
}

export function fsckWorkPrefix(run: string): string {
  return `fsck/work/${run}/`;
}

/** @param slot 16 hex characters */
export function stagingPrefix(slot: string): string {
  return `${STAGING_PREFIX}${slot}/`;
}

/** @param piece counted from 1 */
export function stagedPieceKey(slot: string, piece: number): string {
  return stagingPrefix(slot) + String(piece).padStart(5, "0");
}

export function stagingNoteKey(slot: string, note: "slot" | "redo" | "absorbed"): string {
  return `${stagingPrefix(slot)}${note}.json`;
}
