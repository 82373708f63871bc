/**
 * What the domain needs from the world, as small roles. Each says how it fails; an adapter keeps that promise or throws.
 * Common to all: a call that got no clear answer throws INDEX_UNAVAILABLE or STORAGE_UNAVAILABLE; it never returns as if it knew.
 */
import type { Scope, TokenDescription, WhoAmI } from "../../shared/contract/access.ts";
import type { DownloadBatch } from "../../shared/contract/downloads.ts";
import type { StoredHooks } from "../../shared/contract/hooks.ts";
import type { UserGrant } from "../../shared/contract/people.ts";
import type { StoredPolicy } from "../../shared/contract/replication.ts";
import type {
  Refs,
  RepositoryId,
  RepositorySettings,
  RepositorySummary,
  RevisionSummary,
  Usage,
} from "../../shared/contract/repositories.ts";
import type { SigningKey } from "../../shared/contract/signatures.ts";
import type { ProbeResult, SetupResult } from "../../shared/contract/stores.ts";
import type { TicketBatch, TicketMode } from "../../shared/contract/uploads.ts";
import type { Digest } from "../../shared/digest.ts";
import type { OperationId, RefName, RepositoryName, RevisionId, StoreId } from "../../shared/names.ts";
import type { Margins } from "./collect/margins.ts";
import type { Counters } from "./counters.ts";
import type { Events } from "./events/ports.ts";
import type { Deliveries, Outbound } from "./hooks/ports.ts";
import type { Limits } from "./limits.ts";
import type { RepositoryRecord, SystemRecord } from "./records.ts";
import type { ReplicaJobs } from "./replicate/ports.ts";
import type { Trust } from "./trusts.ts";

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

export interface Random {
  bytes(count: number): Uint8Array;
}

/** Keyed digests with the deployment's secret. */
export interface Keyed {
  /** HMAC-SHA256 of the parts, joined unambiguously; 32 bytes. */
  mac(...parts: string[]): Promise<Uint8Array>;
  /** The same for many last parts at once: the cheap way to tag a page of chunks. */
  macs(prefix: readonly string[], lasts: readonly string[]): Promise<Uint8Array[]>;
}

// ---- buckets ----------------------------------------------------------------------------------------------------------------

export type ObjectInfo = { key: string; sizeBytes: number; modifiedAtMs: number };

/** Small objects of one store, by keys relative to its prefix. Reads see every completed write. */
export interface Bucket {
  /** Writes only if the key is free. "exists" says that it is not, whoever wrote it. After a throw it may have been written. */
  create(key: string, bytes: Uint8Array): Promise<"created" | "exists">;
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array | null>;
  head(key: string): Promise<ObjectInfo | null>;
  /** Keys with `prefix` in order, after `after` (exclusive), at most `limit` (1 to 1000). */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<{ objects: ObjectInfo[]; more: boolean }>;
  /** Missing keys are fine. */
  delete(keys: readonly string[]): Promise<void>;
}

/** `tag` makes the key unique to an upload and attempt (DESIGN: no key is ever reused). */
export type ChunkPlace = { sha256: Digest; size: number; tag: string; md5?: string | undefined };

export type ChunkContent = { sha256: Digest; sizeBytes: number };

/** A SHA-256 that is fed piece by piece. What is fed may be changed once `update` resolved. */
export interface RunningHash {
  update(bytes: Uint8Array): Promise<void> | void;
  digest(): Promise<Digest>;
}

/** Of small texts, many at a time. The bytes may be changed once the call returned. */
export interface Digests {
  sha256(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** HMAC-SHA256 with this key. */
  hmac(key: Uint8Array): Promise<(bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>>;
}

/** SHA-256 of a stream, by whatever the runtime does that with. Throws what the stream throws. */
export interface Hasher {
  sha256(stream: ReadableStream<Uint8Array>): Promise<ChunkContent>;
  start(): RunningHash;
}

export type WriteMode = Exclude<TicketMode, "md5"> | "unchecked";

/**
 * Copies a chunk within one endpoint. False: the store would not, and somebody has to carry the bytes. Nobody looks at them, and few stores
 * refuse a key that is taken: what is copied has been found right at the source, whose keys never change.
 */
export type ChunkCopier = (from: { sha256: Digest; tag: string }, place: ChunkPlace) => Promise<boolean>;

/** Chunks of one store: nothing of their content passes here, but through a Hasher. */
export interface ChunkStore {
  /** Create-only tickets. Costs no I/O. */
  tickets(mode: TicketMode, places: readonly ChunkPlace[]): Promise<TicketBatch>;
  /** Presigned GETs. Costs no I/O. */
  downloads(places: readonly { sha256: Digest; tag: string }[]): Promise<DownloadBatch>;
  /** Reads a chunk object to its end and tells what it holds, null when absent. Takes no more memory for a larger one. */
  content(place: { sha256: Digest; tag: string }): Promise<ChunkContent | null>;
  /** The chunk's bytes, unread, for whoever copies it; null when absent. With `size` it may come by a cheaper way. */
  read(place: { sha256: Digest; tag: string; size?: number }): Promise<ReadableStream<Uint8Array> | null>;
  /**
   * Writes a chunk create-only from a stream of its length, as no ticket's holder but we ourselves: by a check of its content that the store
   * is proven to make, or without one (`unchecked`). "refused": the content is not what it is called, and nothing was stored.
   */
  write(mode: WriteMode, place: ChunkPlace, body: ReadableStream<Uint8Array>): Promise<"stored" | "exists" | "refused">;
  /** How this store copies chunks of `source` by itself; null: it can't, not being at the same endpoint under the same keys. */
  copierFrom(source: ChunkStore): ChunkCopier | null;
  /** Length in bytes of each chunk object, null when absent. At most 6 requests at once. */
  lengths(places: readonly ChunkPlace[]): Promise<(number | null)[]>;
}

/** Objects of any size of one store, by keys relative to its prefix (unreserved characters and "/" only), as streams. */
export interface Objects {
  /** That range of an object, null when there is no such object. The range lies inside it. */
  open(key: string, range: { offset: number; length: number }, signal: AbortSignal): Promise<ReadableStream<Uint8Array> | null>;
  /** Presigned PUTs of bytes that nobody has vouched for, of exactly these lengths. Costs no I/O. */
  putUrls(items: readonly { key: string; sizeBytes: number }[], seconds: number): Promise<string[]>;
}

/**
 * `near`: names of networks that it is close to. `reach`: "agent" when only agents beside it can move its chunks. `origin`: where signed
 * URLs lead, when they lead to one place.
 */
export type StoreProfile = {
  id: StoreId;
  provider: string;
  endpoint: string;
  region: string;
  bucket: string;
  prefix: string;
  near?: readonly string[] | undefined;
  reach?: "edge" | "agent" | undefined;
  origin?: string;
};

export interface Store {
  readonly profile: StoreProfile;
  readonly bucket: Bucket;
  readonly chunks: ChunkStore;
  readonly objects: Objects;
  /** The last probe's result, kept in the bucket; null when it was never probed. */
  probed(): Promise<ProbeResult | null>;
  /** Tries what the store enforces, and keeps the result. Takes seconds. */
  probe(): Promise<ProbeResult>;
  /** Applies CORS and lifecycle rules where the store lets us. */
  setup(): Promise<SetupResult>;
}

export interface Stores {
  readonly home: Store;
  all(): readonly Store[];
  /** Throws STORE_UNKNOWN. */
  get(id: string): Store;
}

// ---- index ------------------------------------------------------------------------------------------------------------------

/** How far an index has applied a log: the newest record's seq and SHA-256. Seq 0 with null: an empty log. */
export type LogHead = { seq: number; hash: Digest | null };
/** A record and the SHA-256 of its bytes. */
export type Hashed<R> = { record: R; hash: Digest };

/** `seq`: of the record that carries an operation, among the newest 256 up to `headSeq`; null: not among them. */
export type FoundOperation = { seq: number | null; headSeq: number };

/**
 * Both indexes below: a record is applied if its seq is head + 1, skipped if it is not newer, refused (INDEX_REBUILDING) if it would
 * leave a gap. What they answer is whole: an index that finds itself incomplete (keys lost, replay unfinished) throws INDEX_REBUILDING
 * and never says "there is none". Applying is atomic and safe to repeat.
 */
export interface SystemIndex {
  /** Null when there is no whole index here: replay the log from the start. Never throws INDEX_REBUILDING. */
  head(): Promise<LogHead | null>;
  /**
   * Prepares a replay that ends at `tailSeq`: drops what there is unless it is sound. Until the end is applied reads throw
   * INDEX_REBUILDING. Answers where the replay stands, so that several replayers, or requests, help one another.
   */
  begin(tailSeq: number): Promise<LogHead>;
  apply(record: SystemRecord, hash: Digest): Promise<void>;
  /** Records that follow one another, in few calls. After a throw some of the first may be applied. */
  applyMany(records: readonly Hashed<SystemRecord>[]): Promise<void>;
  findRepository(name: RepositoryName): Promise<RepositorySummary | null>;
  /** Names of living repositories; absent from the map: none, or one whose downloads are blocked. */
  namesOf(ids: readonly RepositoryId[]): Promise<Map<RepositoryId, RepositoryName>>;
  /** What a repository that had this name is called now; null when none had it, or it is not living. */
  findMoved(name: RepositoryName): Promise<RepositoryName | null>;
  /** A repository in the trash, by id. */
  findTrashed(id: RepositoryId): Promise<TrashedRepository | null>;
  /** The trash, in order of id, after `after`. */
  listTrash(query: { after?: string | undefined; limit: number }): Promise<TrashedRepository[]>;
  /** In order of name, after `after`. */
  listRepositories(query: { after?: string | undefined; limit: number }): Promise<RepositorySummary[]>;
  /** By any of its secrets, also one that ended since. */
  findToken(hash: Digest): Promise<TokenEntry | null>;
  findTokenById(id: string): Promise<TokenEntry | null>;
  listTokens(): Promise<TokenEntry[]>;
  /** Public keys, revoked ones too, and roles of people: each in the order of their ids. */
  directory(): Promise<Directory>;
  /** What replication goes by. */
  standing(): Promise<Standing>;
  /** Webhooks and sources; their secrets sealed. */
  hooks(): Promise<StoredHooks>;
  findOperation(operationId: OperationId): Promise<FoundOperation>;
  /** The same index, for reads that throw INDEX_REBUILDING when it is, or has gone back to, before `seq`. */
  atLeast(seq: number): SystemIndex;
}

/** `home`: the store that was promoted last, null when none was. */
export type Standing = { policies: StoredPolicy[]; home: { store: StoreId; epoch: number } | null };

export type Directory = { keys: SigningKey[]; grants: UserGrant[] };

export type TrashedRepository = RepositorySummary & { deletedAt: string; deletedBy: string };

/** `secrets`: the newest first, which has no end of its own; at most 8. */
export type TokenEntry = Omit<TokenDescription, "lastUsedAt" | "previousUntil"> & { secrets: Secret[] };
export type Secret = { hash: Digest; until: string | null };

/** `by`: who brought it. */
export type SignatureEntry = { keyId: string; signature: string; by: string; at: string };

/** A revision and where its envelope is. */
export type RevisionEntry = RevisionSummary & { attempt: string };

/** `tagSeqs`: seq of the record that set each tag. `deploys`: stores that labels ask for revisions in. `ended`: purged for good. */
export type RepositoryState = Refs & {
  seq: number;
  /** Without those in the trash. */
  revisionCount: number;
  tagSeqs: Record<string, number>;
  lockedTags: string[];
  deploys: Record<RevisionId, StoreId[]>;
  settings: RepositorySettings;
  usage: Usage;
  ended: boolean;
};

/** `purged`: seq of the commit or adoption that named it, and of the purge, or the adoption of another one, that ended it. */
export type EnvelopeFate = { state: "living" } | { state: "purged"; commitSeq: number; purgeSeq: number } | { state: "ended"; seq: number };

export interface RepositoryIndex {
  head(id: RepositoryId): Promise<LogHead | null>;
  /** Of many repositories, in few calls. */
  heads(ids: readonly RepositoryId[]): Promise<(LogHead | null)[]>;
  begin(id: RepositoryId, tailSeq: number): Promise<LogHead>;
  apply(record: RepositoryRecord, hash: Digest): Promise<void>;
  /** Records of one repository that follow one another, in few calls. After a throw some of the first may be applied. */
  applyMany(records: readonly Hashed<RepositoryRecord>[]): Promise<void>;
  /** All that is not about single revisions, at one moment. */
  refs(id: RepositoryId): Promise<RepositoryState>;
  /** What became of an envelope, by the attempt in its name; null: the index knows no record that names it. */
  envelopeFate(id: RepositoryId, attempt: string): Promise<EnvelopeFate | null>;
  findRevision(id: RepositoryId, revision: RevisionId): Promise<RevisionEntry | null>;
  /** Of a manifest, of which a repository may have several revisions: one for each key, in the order they came. */
  signatures(id: RepositoryId, manifest: Digest): Promise<SignatureEntry[]>;
  /** Branch first, then tag; null: neither. Read where writes are acknowledged, never at a lagging copy. */
  resolveName(id: RepositoryId, name: RefName): Promise<RevisionId | null>;
  /** Newest first, of one branch or all, with a seq below `before`; those in the trash too, but none that were purged. */
  listRevisions(
    id: RepositoryId,
    query: { branch?: RefName | undefined; before?: number | undefined; limit: number },
  ): Promise<RevisionEntry[]>;
  findOperation(id: RepositoryId, operationId: OperationId): Promise<FoundOperation>;
  /** As SystemIndex has it; for reads of one repository. */
  atLeast(seq: number): RepositoryIndex;
}

/** Where one copy of a chunk is, and one repository that holds it. Only a hint for dedup: losing it costs an upload. */
export type ChunkEntry = { tag: string; size: number; holder: RepositoryId; verified: boolean };

export interface ChunkIndex {
  /** At most 16 commands for any number of digests up to a page. */
  find(digests: readonly Digest[]): Promise<(ChunkEntry | null)[]>;
  add(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<void>;
  /** Adds those whose chunks have no entry yet; how many that were. */
  addMissing(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<number>;
  /** Forgets everything. */
  clear(): Promise<void>;
  /** Forgets entries that still have these tags. An entry written meanwhile may be lost with them: a hint less. */
  remove(entries: readonly { sha256: Digest; tag: string }[]): Promise<void>;
}

/**
 * Short texts that recovery notes in the index about the index itself. They are lost, or set back, together with what they speak of: an
 * index that still holds a note holds all that was written before it.
 */
export interface Notes {
  /** Read where writes are acknowledged. */
  read(name: string): Promise<string | null>;
  /** Writes `text` if the note still says `expected` (null: there is none). False: it does not, and nothing changed. */
  swap(name: string, expected: string | null, text: string): Promise<boolean>;
}

/** Short texts under names. A board on which nobody wrote for its time is gone. Losing one costs what its writers tell anew. */
export interface Boards {
  write(board: string, texts: Readonly<Record<string, string>>, seconds: number): Promise<void>;
  /** Each board's texts by name; empty for one that is not there. */
  read(boards: readonly string[]): Promise<Map<string, string>[]>;
  wipe(board: string, names: readonly string[]): Promise<void>;
}

/** Time-limited claims on work that is safe, but wasteful, to do twice. */
export interface Leases {
  /** A fencing number that grows with every claim; null while another owner holds it. The owner itself extends its claim. */
  acquire(name: string, owner: string, ttlMs: number): Promise<number | null>;
  release(name: string, owner: string): Promise<void>;
}

/**
 * What an upload knows about a chunk. `proven`: seen in the store under this upload's own key. `had`: answered as `have`.
 * `reserved`: a ticket was given. `fresh`: the index had no entry then, so the commit adds one.
 */
export type Proof = { state: "reserved" | "proven" | "had"; tag: string; size: number; attempt: number; fresh: boolean; verified: boolean };

/** State of uploads, kept 24 h after the last touch. Losing it costs a repeated reserve and confirm, never bytes. */
export interface Uploads {
  proofs(uploadId: string, digests: readonly Digest[]): Promise<(Proof | null)[]>;
  record(uploadId: string, proofs: ReadonlyMap<Digest, Proof>): Promise<void>;
  addRecipes(uploadId: string, recipes: readonly Digest[]): Promise<void>;
  missingRecipes(uploadId: string, recipes: readonly Digest[]): Promise<Digest[]>;
  /** The caller's unfinished upload of a branch, to be offered again. */
  current(key: UploadKey): Promise<string | null>;
  /** False, and nothing is kept, while the caller has `max` others that were begun within the last day and not forgotten. */
  remember(key: UploadKey, upload: string, atMs: number, max: number): Promise<boolean>;
  forget(key: UploadKey): Promise<void>;
}

export type UploadKey = { repositoryId: RepositoryId; branch: RefName; principal: string };

// ---- callers ----------------------------------------------------------------------------------------------------------------

/**
 * Who asks: a checked token, or nobody. `tokenId` stays when the secret changes: uploads belong to it, limits count by it.
 * `networks`: from where the token may be used; empty: from anywhere.
 */
export type Caller = {
  tokenId: string;
  name: string;
  kind: WhoAmI["kind"];
  scopes: readonly Scope[];
  networks: readonly string[];
  expiresAt: string | null;
  /** Of a session: who it is, for whose roles the scopes are looked up. */
  person?: Person | undefined;
};
export type Person = { sub: string; email: string | null; groups: string[] };

/** When tokens were used last. In no log: losing it costs knowledge, no right. */
export interface TokenUses {
  /** Keeps the time, unless one is there that is less than an hour older. */
  note(tokenId: string, atMs: number): Promise<void>;
  /** Milliseconds since 1970; null: not known. */
  lastUsed(tokenIds: readonly string[]): Promise<(number | null)[]>;
}

/** Callers behind short tokens, which end by themselves and are in no log: losing one costs its holder another exchange. */
export interface ShortTokens {
  keep(hash: Digest, caller: Caller, seconds: number): Promise<void>;
  find(hash: Digest): Promise<Caller | null>;
}

/** How a token is verified: for one of the audiences, by a key that is at this address now. */
export type Verification = Pick<Trust, "issuer" | "jwksUrl" | "algorithms" | "maxAgeSeconds"> & { audiences: readonly string[] };
export type Claims = { readonly sub: string; readonly [claim: string]: unknown };
export type Verified = { claims: Claims } | { problem: string };

/** Whom the deployment trusts to say who somebody is. */
export interface Identities {
  readonly trusts: readonly Trust[];
  /** The claims of a token that is signed by the issuer, for one of the audiences, and valid now. Throws IDENTITY_UNAVAILABLE. */
  verify(how: Verification, token: string): Promise<Verified>;
}

/** `least` must be there; up to `most` is taken. More than a minute's worth counts as a minute's worth. */
export type Want = { bucket: string; perMinute: number; least: number; most: number };
/** `left` after it. `waitMs`: until `least` would be there, 0 when it was taken. `fullMs`: until the bucket is full again. */
export type Taken = { taken: number; left: number; waitMs: number; fullMs: number };

/** Token buckets: each fills at its rate and holds what comes in a minute. Losing them costs a minute without limits. */
export interface Meters {
  /** From every bucket, or from none when one has too little. */
  take(wants: readonly Want[], nowMs: number): Promise<Taken[]>;
}

/** A pure cache of immutable bytes by key (envelopes, recipes, log records): may forget at any time. */
export interface ImmutableCache {
  get<T>(key: string): T | undefined;
  set<T>(key: string, value: T, sizeBytes: number): void;
}

export type Ports = {
  clock: Clock;
  random: Random;
  keyed: Keyed;
  stores: Stores;
  system: SystemIndex;
  repositories: RepositoryIndex;
  chunks: ChunkIndex;
  uploads: Uploads;
  leases: Leases;
  uses: TokenUses;
  shortTokens: ShortTokens;
  meters: Meters;
  identities: Identities;
  notes: Notes;
  boards: Boards;
  margins: Margins;
  limits: Limits;
  cache: ImmutableCache;
  hasher: Hasher;
  /** Hints about the chunks of a store that is not home. */
  chunksAt(store: StoreId): ChunkIndex;
  jobs: ReplicaJobs;
  events: Events;
  deliveries: Deliveries;
  counters: Counters;
  outbound: Outbound;
  /** The home store is a replica of another deployment's, which alone writes, until it is promoted. */
  follower: boolean;
};
