/** Entries as texts in Redis. What can't be read was written by another version or a person: a new generation is the way out. */
import * as z from "zod";
import { TokenDescription } from "../../shared/contract/access.ts";
import { UserGrant } from "../../shared/contract/people.ts";
import { Block, type RepositoryId, RepositorySettings, RepositorySummary, RevisionSummary } from "../../shared/contract/repositories.ts";
import { SigningKey } from "../../shared/contract/signatures.ts";
import { Digest } from "../../shared/digest.ts";
import type { RevisionId } from "../../shared/names.ts";
import type {
  ChunkEntry,
  Directory,
  EnvelopeFate,
  Proof,
  RevisionEntry,
  SignatureEntry,
  TokenEntry,
  TrashedRepository,
} from "../registry/ports.ts";
import { unavailable } from "./commands.ts";
import { packHex, unpackHex } from "./packing.ts";

// ---- logs' indexes ----------------------------------------------------------------------------------------------------------

/** `<id> <time> <block> <creator>`: scripts read the id and replace the block; the creator's name is last, for it may hold spaces. */
export function encodeRepository({ id, createdAt, createdBy, blocked }: RepositorySummary): string {
  return `${id} ${createdAt} ${encodeBlock(blocked)} ${createdBy}`;
}

export function decodeRepository(repository: string, text: string): RepositorySummary {
  const [, id, createdAt, block = "", createdBy] = /^([^ ]+) ([^ ]+) ([^ ]+) ([\s\S]*)$/.exec(text) ?? [];
  const blocked = block === NO_BLOCK ? null : read(Block, parseJson(block));
  return read(RepositorySummary, { repository, id, createdAt, createdBy, blocked });
}

const NO_BLOCK = "-";

/** A text without the space that parts entries; other blanks of Unicode stay. */
export function encodeBlock(block: Block | null): string {
  return block === null ? NO_BLOCK : withoutSpaces(block);
}

/** The entry of the trash, as a script makes it: `<time> <who> <name>`, then the repository's own. */
export function decodeTrashed(text: string): TrashedRepository {
  const [, deletedAt = "", person = "", repository = "", rest = ""] = /^([^ ]+) ([^ ]+) ([^ ]+) ([\s\S]*)$/.exec(text) ?? [];
  return { ...decodeRepository(repository, rest), deletedAt, deletedBy: read(z.string(), parseJson(person)) };
}

/** A text without spaces. */
export function encodePerson(actor: string): string {
  return withoutSpaces(actor);
}

function withoutSpaces(value: unknown): string {
  return JSON.stringify(value).replaceAll(" ", "\\u0020");
}

const Token = TokenDescription.omit({ previousUntil: true, lastUsedAt: true }).extend({
  secrets: z.array(z.object({ hash: Digest, until: z.string().nullable() })).min(1),
});

/** What no later record changes; scripts put the rest before it. */
export function encodeToken({ secrets: _, revokedAt: __, rotatedAt: ___, ...entry }: TokenEntry): string {
  return JSON.stringify(entry);
}

/** `<revoked at>|<rotated at>|<hash>:<until> …|<entry>`, where each of the times may be empty. */
export function decodeToken(text: string): TokenEntry {
  const [, revokedAt = "", rotatedAt = "", secrets = "", entry = ""] = /^([^|]*)\|([^|]*)\|([^|]*)\|([\s\S]*)$/.exec(text) ?? [];
  return read(Token, {
    ...objectIn(entry),
    revokedAt: orNull(revokedAt),
    rotatedAt: orNull(rotatedAt),
    secrets: secrets.split(" ").map((secret) => {
      const at = secret.indexOf(":");
      return { hash: secret.slice(0, at), until: orNull(secret.slice(at + 1)) };
    }),
  });
}

function orNull(text: string): string | null {
  return text === "" ? null : text;
}

/** Fields and values of the system's head: keys, when they were revoked, grants. In the order of ids. */
export function decodeDirectory(fields: ReadonlyMap<string, string>): Directory {
  const keys: SigningKey[] = [];
  const grants: UserGrant[] = [];
  for (const [field, value] of [...fields].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const revokedAt = fields.get(`X${field.slice(1)}`) ?? null;
    if (field.startsWith("K:")) keys.push(read(SigningKey, { ...objectIn(value), revokedAt }));
    if (field.startsWith("G:")) grants.push(read(UserGrant, parseJson(value)));
  }
  return { keys, grants };
}

const SignatureLine = z.object({ keyId: z.string(), signature: z.string(), by: z.string(), at: z.string() });

/** `<key id> <entry>\n`, any number of times: scripts look for the id. */
export function decodeSignatures(text: string): SignatureEntry[] {
  return text.split("\n").flatMap((line) => (line === "" ? [] : [read(SignatureLine, parseJson(line.slice(line.indexOf(" ") + 1)))]));
}

const Revision = RevisionSummary.extend({ attempt: z.string() });
type Changes = Pick<RevisionEntry, "labels" | "metrics" | "modifiedBy" | "modifiedAt">;

/**
 * Three lines, for scripts can't read JSON. The first is what they read, parted by spaces: since when it is in the trash (nothing: it is
 * not), seq as 12 digits, attempt, sizeBytes, newBytes, newChunks, branch. The second is what a label record replaces; the third is the
 * rest. Without the revision, which is the field's name.
 */
export function encodeRevision(entry: RevisionEntry): string {
  const {
    revision: _,
    deletedAt,
    seq,
    attempt,
    sizeBytes,
    newBytes,
    newChunks,
    branch,
    labels,
    metrics,
    modifiedBy,
    modifiedAt,
    ...rest
  } = entry;
  const facts = [deletedAt ?? "", seq12(seq), attempt, sizeBytes, newBytes, newChunks, branch].join(" ");
  return [facts, encodeChanges({ labels, metrics, modifiedBy, modifiedAt }), JSON.stringify(rest)].join("\n");
}

export function encodeChanges({ labels, metrics, modifiedBy, modifiedAt }: Changes): string {
  return JSON.stringify({ labels, metrics, modifiedBy, modifiedAt });
}

export function decodeRevision(revision: RevisionId, text: string): RevisionEntry {
  const [facts = "", changes = "", rest = ""] = text.split("\n");
  const [deletedAt = "", seq, attempt, sizeBytes, newBytes, newChunks, branch] = facts.split(" ");
  const numbers = { seq: Number(seq), sizeBytes: Number(sizeBytes), newBytes: Number(newBytes), newChunks: Number(newChunks) };
  const names = { revision, attempt, branch, deletedAt: deletedAt === "" ? null : deletedAt };
  return read(Revision, { ...objectIn(rest), ...objectIn(changes), ...numbers, ...names });
}

/** Seq of the record that names it, then that of the record that ended it, once one did. */
export function decodeFate(text: string): EnvelopeFate {
  const [, commitSeq, purgeSeq] = /^(\d{1,15})(?: (\d{1,15}))?(?![\s\S])/.exec(text) ?? [];
  if (commitSeq === undefined) throw unreadable();
  return purgeSeq === undefined ? { state: "living" } : { state: "purged", commitSeq: Number(commitSeq), purgeSeq: Number(purgeSeq) };
}

/** Of a repository that never had any: what the schema gives. */
export function decodeSettings(text: string | null): RepositorySettings {
  return read(RepositorySettings, text === null ? {} : parseJson(text));
}

/** As a member of an order: sorts as the number does. */
export function seq12(seq: number): string {
  return String(seq).padStart(12, "0");
}

function read<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unreadable();
  return parsed.data;
}

export function unreadable() {
  return unavailable("it holds an entry that can't be read");
}

/** What is no JSON is nothing: the schema then says what is missing. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectIn(text: string): object {
  const value = parseJson(text);
  return typeof value === "object" && value !== null ? value : {};
}

// ---- chunks and proofs ------------------------------------------------------------------------------------------------------

const STATES = ["reserved", "proven", "had"] as const satisfies readonly Proof["state"][];

/** 42 hex digits as 28 characters: tag (16), holder (16), size (8), verified (2). With its key that is at most 130 bytes in Redis. */
export function encodeChunk({ tag, holder, size, verified }: ChunkEntry): string {
  return packHex(`${tag}${holder}${hex8(size)}0${bit(verified)}`);
}

/** Null for what can't be read: it is a hint, so the chunk is sent once more, and the entry is written anew. */
export function decodeChunk(text: string): ChunkEntry | null {
  const hex = unpackHex(text, 42);
  if (hex === null) return null;
  // Sixteen hex digits are all that an id is.
  const holder = hex.slice(16, 32) as RepositoryId;
  return { tag: hex.slice(0, 16), size: Number.parseInt(hex.slice(32, 40), 16), holder, verified: hex.endsWith("1") };
}

/** 36 hex digits as 24 characters: tag (16), attempt (8), size (8), state (1), fresh (1), verified (1), nothing (1). */
export function encodeProof({ state, tag, size, attempt, fresh, verified }: Proof): string {
  return packHex(`${tag}${hex8(attempt)}${hex8(size)}${STATES.indexOf(state)}${bit(fresh)}${bit(verified)}0`);
}

/** Null for what can't be read: the chunk is reserved and confirmed again. */
export function decodeProof(text: string): Proof | null {
  const hex = unpackHex(text, 36);
  const state = STATES[Number.parseInt(hex?.charAt(32) ?? "", 16)];
  if (hex === null || state === undefined) return null;
  const attempt = Number.parseInt(hex.slice(16, 24), 16);
  const size = Number.parseInt(hex.slice(24, 32), 16);
  return { state, tag: hex.slice(0, 16), size, attempt, fresh: hex.charAt(33) === "1", verified: hex.charAt(34) === "1" };
}

function bit(value: boolean): string {
  return value ? "1" : "0";
}

function hex8(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} does not fit into 4 bytes`);
  return value.toString(16).padStart(8, "0");
}
