/**
 * Entries as texts in Redis. Digests, tags and ids are packed as base64url, since Redis keeps what is written, and a chunk index holds
 * tens of millions of them. What can't be read was written by another version or a person: a new generation is the way out.
 */
import * as z from "zod";
import { TokenDescription } from "../../shared/contract/access.ts";
import { RepositoryId, RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import { type Digest, fromBase64Url, fromHex, toBase64Url, toHex } from "../../shared/digest.ts";
import type { RevisionId } from "../../shared/names.ts";
import type { ChunkEntry, Proof, RevisionEntry, TokenEntry } from "../registry/ports.ts";
import { unavailable } from "./commands.ts";

/** 43 characters instead of 64. */
export function packDigest(digest: string): string {
  return toBase64Url(fromHex(digest));
}

// ---- logs' indexes ----------------------------------------------------------------------------------------------------------

/** `<id> <time> <creator>`: the id first, for a script reads it; the creator's name last, for it may hold spaces. */
export function encodeRepository({ id, createdAt, createdBy }: RepositorySummary): string {
  return `${id} ${createdAt} ${createdBy}`;
}

export function decodeRepository(repository: string, text: string): RepositorySummary {
  const [, id, createdAt, createdBy] = /^(\S+) (\S+) ([\s\S]*)$/.exec(text) ?? [];
  return read(RepositorySummary, { repository, id, createdAt, createdBy });
}

/** Without the hash, which is the field's name, and the time of revocation, which a script writes before a `|`. */
export function encodeToken({ hash: _, revokedAt: __, ...entry }: TokenEntry): string {
  return JSON.stringify(entry);
}

export function decodeToken(hash: Digest, text: string): TokenEntry {
  const at = text.indexOf("|");
  return { hash, ...read(TokenDescription, { ...parseJson(text.slice(at + 1)), revokedAt: at > 0 ? text.slice(0, at) : null }) };
}

const RevisionRest = RevisionSummary.omit({ revision: true }).extend({ attempt: z.string() });

/** Without the revision, which is the field's name. */
export function encodeRevision({ revision: _, ...entry }: RevisionEntry): string {
  return JSON.stringify(entry);
}

export function decodeRevision(revision: RevisionId, text: string): RevisionEntry {
  return { revision, ...read(RevisionRest, parseJson(text)) };
}

function read<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unavailable("it holds an entry that can't be read");
  return parsed.data;
}

function parseJson(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

// ---- chunks and proofs ------------------------------------------------------------------------------------------------------

const VERIFIED = 1;
const FRESH = 2;
const STATES = ["reserved", "proven", "had"] as const satisfies readonly Proof["state"][];

/** 21 bytes as 28 characters: tag (8), holder (8), size (4, big-endian), flags (1). With its key that is at most 130 bytes in Redis. */
export function encodeChunk({ tag, holder, size, verified }: ChunkEntry): string {
  const bytes = new Uint8Array(21);
  bytes.set(fromHex(tag), 0);
  bytes.set(fromHex(holder), 8);
  putUint32(bytes, 16, size);
  bytes[20] = verified ? VERIFIED : 0;
  return toBase64Url(bytes);
}

/** Null for what can't be read: it is a hint, so the chunk is sent once more, and the entry is written anew. */
export function decodeChunk(text: string): ChunkEntry | null {
  const bytes = unpack(text, 28);
  if (bytes === null) return null;
  const holder = RepositoryId.parse(toHex(bytes.subarray(8, 16)));
  return { tag: toHex(bytes.subarray(0, 8)), size: uint32(bytes, 16), holder, verified: bytes[20] === VERIFIED };
}

/** 13 bytes as 18 characters: tag (8), attempt (4, big-endian), state and flags (1). */
export function encodeProof({ state, tag, attempt, fresh, verified }: Proof): string {
  const bytes = new Uint8Array(13);
  bytes.set(fromHex(tag), 0);
  putUint32(bytes, 8, attempt);
  bytes[12] = (STATES.indexOf(state) << 2) | (fresh ? FRESH : 0) | (verified ? VERIFIED : 0);
  return toBase64Url(bytes);
}

/** Null for what can't be read: the chunk is reserved and confirmed again. */
export function decodeProof(text: string): Proof | null {
  const bytes = unpack(text, 18);
  const flags = bytes?.[12] ?? 0;
  const state = STATES[flags >> 2];
  if (bytes === null || state === undefined) return null;
  const tag = toHex(bytes.subarray(0, 8));
  return { state, tag, attempt: uint32(bytes, 8), fresh: (flags & FRESH) !== 0, verified: (flags & VERIFIED) !== 0 };
}

function unpack(text: string, length: number): Uint8Array | null {
  return text.length === length && /^[\w-]+$/.test(text) ? fromBase64Url(text) : null;
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} does not fit into 4 bytes`);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value);
}

function uint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}
