/**
 * The index ports in memory: real implementations for domain tests, held to test/suites/metadata.ts like those on Redis.
 * Answers are copies, so nobody changes the index by changing an answer.
 */
import { eventOfRepository, eventOfSystem } from "../../functions/registry/events/of-record.ts";
import type { ChunkEntry, ChunkIndex, Clock, Leases, Notes, Proof, UploadKey, Uploads } from "../../functions/registry/ports.ts";
import type { Digest } from "../../shared/digest.ts";
import type { StoreId } from "../../shared/names.ts";
import { MemoryMeters, MemoryShortTokens, MemoryTokenUses } from "./memory-access.ts";
import { MemoryBoards } from "./memory-boards.ts";
import { MemoryCounters } from "./memory-counters.ts";
import { MemoryEvents } from "./memory-events.ts";
import { MemoryDeliveries } from "./memory-hooks.ts";
import { MemoryReplicaJobs } from "./memory-jobs.ts";
import { MemoryRepositoryIndex } from "./memory-repositories.ts";
import { MemorySystemIndex } from "./memory-system.ts";

const UPLOAD_TTL_MS = 24 * 3_600_000;

export class MemoryChunkIndex implements ChunkIndex {
  readonly entries = new Map<Digest, ChunkEntry>();

  async find(digests: readonly Digest[]): Promise<(ChunkEntry | null)[]> {
    return digests.map((digest) => structuredClone(this.entries.get(digest) ?? null));
  }

  async add(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<void> {
    for (const { sha256, ...entry } of entries) this.entries.set(sha256, structuredClone(entry));
  }

  async addMissing(entries: readonly (ChunkEntry & { sha256: Digest })[]): Promise<number> {
    let added = 0;
    for (const entry of entries) {
      if (this.entries.has(entry.sha256)) continue;
      await this.add([entry]);
      added++;
    }
    return added;
  }

  async clear(): Promise<void> {
    this.entries.clear();
  }

  async remove(entries: readonly { sha256: Digest; tag: string }[]): Promise<void> {
    for (const { sha256, tag } of entries) if (this.entries.get(sha256)?.tag === tag) this.entries.delete(sha256);
  }
}

type UploadState = { proofs: Map<Digest, Proof>; recipes: Set<Digest>; untilMs: number };

export class MemoryUploads implements Uploads {
  readonly uploads = new Map<string, UploadState>();
  /** By principal: when each was begun. */
  readonly begun = new Map<string, Map<string, number>>();
  readonly unfinished = new Map<string, { upload: string; untilMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async proofs(uploadId: string, digests: readonly Digest[]): Promise<(Proof | null)[]> {
    const proofs = this.#touch(uploadId)?.proofs;
    return digests.map((digest) => structuredClone(proofs?.get(digest) ?? null));
  }

  async record(uploadId: string, proofs: ReadonlyMap<Digest, Proof>): Promise<void> {
    const state = this.#open(uploadId);
    for (const [digest, proof] of proofs) state.proofs.set(digest, structuredClone(proof));
  }

  async addRecipes(uploadId: string, recipes: readonly Digest[]): Promise<void> {
    const state = this.#open(uploadId);
    for (const recipe of recipes) state.recipes.add(recipe);
  }

  async missingRecipes(uploadId: string, recipes: readonly Digest[]): Promise<Digest[]> {
    const known = this.#touch(uploadId)?.recipes;
    return recipes.filter((recipe) => known?.has(recipe) !== true);
  }

  async current(key: UploadKey): Promise<string | null> {
    const kept = this.unfinished.get(nameOf(key));
    if (kept === undefined || kept.untilMs <= this.#clock.now()) return null;
    kept.untilMs = this.#clock.now() + UPLOAD_TTL_MS;
    return kept.upload;
  }

  async remember(key: UploadKey, upload: string, atMs: number, max: number): Promise<boolean> {
    const begun = this.begun.get(key.principal) ?? new Map<string, number>();
    for (const [name, beganMs] of begun) if (beganMs <= atMs - UPLOAD_TTL_MS) begun.delete(name);
    if (!begun.has(nameOf(key)) && begun.size >= max) return false;
    this.begun.set(key.principal, begun.set(nameOf(key), atMs));
    this.unfinished.set(nameOf(key), { upload, untilMs: this.#clock.now() + UPLOAD_TTL_MS });
    return true;
  }

  async forget(key: UploadKey): Promise<void> {
    this.unfinished.delete(nameOf(key));
    this.begun.get(key.principal)?.delete(nameOf(key));
  }

  #open(uploadId: string): UploadState {
    const state = this.#touch(uploadId) ?? { proofs: new Map(), recipes: new Set(), untilMs: this.#clock.now() + UPLOAD_TTL_MS };
    this.uploads.set(uploadId, state);
    return state;
  }

  #touch(uploadId: string): UploadState | null {
    const state = this.uploads.get(uploadId);
    if (state === undefined || state.untilMs <= this.#clock.now()) return null;
    state.untilMs = this.#clock.now() + UPLOAD_TTL_MS;
    return state;
  }
}

function nameOf(key: UploadKey): string {
  return `${key.repositoryId}:${key.branch}:${key.principal}`;
}

export class MemoryLeases implements Leases {
  readonly held = new Map<string, { owner: string; number: number; untilMs: number }>();
  readonly numbers = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async acquire(name: string, owner: string, ttlMs: number): Promise<number | null> {
    const held = this.#holder(name);
    if (held !== null && held.owner !== owner) return null;
    const number = held?.number ?? (this.numbers.get(name) ?? 0) + 1;
    this.numbers.set(name, number);
    this.held.set(name, { owner, number, untilMs: this.#clock.now() + ttlMs });
    return number;
  }

  async release(name: string, owner: string): Promise<void> {
    if (this.#holder(name)?.owner === owner) this.held.delete(name);
  }

  #holder(name: string) {
    const held = this.held.get(name);
    return held === undefined || held.untilMs <= this.#clock.now() ? null : held;
  }
}

export class MemoryNotes implements Notes {
  readonly notes = new Map<string, string>();

  async read(name: string): Promise<string | null> {
    return this.notes.get(name) ?? null;
  }

  async swap(name: string, expected: string | null, text: string): Promise<boolean> {
    const said = this.notes.get(name) ?? null;
    if (said !== expected && said !== text) return false;
    this.notes.set(name, text);
    return true;
  }
}

export type MemoryIndexes = {
  system: MemorySystemIndex;
  repositories: MemoryRepositoryIndex;
  chunks: MemoryChunkIndex;
  uploads: MemoryUploads;
  leases: MemoryLeases;
  notes: MemoryNotes;
  boards: MemoryBoards;
  uses: MemoryTokenUses;
  shortTokens: MemoryShortTokens;
  meters: MemoryMeters;
  storeChunks: Map<StoreId, MemoryChunkIndex>;
  chunksAt(store: StoreId): MemoryChunkIndex;
  jobs: MemoryReplicaJobs;
  events: MemoryEvents;
  deliveries: MemoryDeliveries;
  counters: MemoryCounters;
  /** As if Redis were new. */
  wipe(): void;
  /** As if one key had vanished. Spelled as in functions/metadata/keys.ts without the prefix: `sys`, `sys:names`, `repo:<id>:order`, … */
  loseKey(key: string): void;
  /** Returns what rolls the logs' indexes and the notes back to now, consistently: only a comparison with the bucket can find that. */
  snapshot(): () => void;
};

export function memoryIndexes({ clock }: { clock: Clock }): MemoryIndexes {
  const storeChunks = new Map<StoreId, MemoryChunkIndex>();
  const events = new MemoryEvents();
  const indexes = {
    storeChunks,
    chunksAt: (store: StoreId) => {
      const index = storeChunks.get(store) ?? new MemoryChunkIndex();
      storeChunks.set(store, index);
      return index;
    },
    jobs: new MemoryReplicaJobs(),
    events,
    deliveries: new MemoryDeliveries(clock),
    counters: new MemoryCounters(clock),
    system: new MemorySystemIndex((record) => events.tell(eventOfSystem(record))),
    repositories: new MemoryRepositoryIndex((record) => events.tell(eventOfRepository(record))),
    chunks: new MemoryChunkIndex(),
    uploads: new MemoryUploads(clock),
    leases: new MemoryLeases(clock),
    notes: new MemoryNotes(),
    boards: new MemoryBoards(clock),
    uses: new MemoryTokenUses(),
    shortTokens: new MemoryShortTokens(clock),
    meters: new MemoryMeters(),
  };
  return {
    ...indexes,
    wipe: () => wipe(indexes),
    loseKey: (key) => loseKey(indexes, key),
    snapshot: () => snapshot(indexes),
  };
}

type Parts = Omit<MemoryIndexes, "wipe" | "loseKey" | "snapshot">;

function wipe({
  storeChunks,
  jobs,
  events,
  deliveries,
  counters,
  system,
  repositories,
  chunks,
  uploads,
  leases,
  notes,
  boards,
  uses,
  shortTokens,
  meters,
}: Parts): void {
  system.log.lose("head");
  repositories.logs.clear();
  chunks.entries.clear();
  for (const index of storeChunks.values()) index.entries.clear();
  jobs.stores.clear();
  events.events.length = 0;
  deliveries.entries.clear();
  deliveries.came.clear();
  counters.counts.clear();
  uploads.uploads.clear();
  uploads.unfinished.clear();
  uploads.begun.clear();
  leases.held.clear();
  leases.numbers.clear();
  notes.notes.clear();
  boards.boards.clear();
  uses.times.clear();
  shortTokens.kept.clear();
  meters.fullAtMs.clear();
}

function loseKey(parts: Parts, key: string): void {
  const [kind, name = "", part] = key.split(":");
  if (kind === "sys") parts.system.log.lose(name === "" ? "head" : name);
  else if (kind === "repo") parts.repositories.logs.get(name)?.lose(part ?? "head");
  else if (kind === "chunks")
    for (const digest of parts.chunks.entries.keys()) digest.startsWith(name) && parts.chunks.entries.delete(digest);
  else if (kind === "upload" && part === "recipes") parts.uploads.uploads.get(name)?.recipes.clear();
  else if (kind === "upload") parts.uploads.uploads.get(name)?.proofs.clear();
  else if (kind === "upload-of") parts.uploads.unfinished.delete(key.slice("upload-of:".length));
  else if (kind === "lease" && part === "fence") parts.leases.numbers.delete(name);
  else if (kind === "board") parts.boards.boards.delete(key.slice("board:".length));
  else if (kind === "note") parts.notes.notes.delete(name);
  else if (kind === "uploads-of") parts.uploads.begun.delete(name);
  else if (kind === "uses") parts.uses.times.clear();
  else if (kind === "short") for (const hash of parts.shortTokens.kept.keys()) hash === name && parts.shortTokens.kept.delete(hash);
  else if (kind === "meter") parts.meters.fullAtMs.delete(key.slice("meter:".length));
  else if (kind === "lease") parts.leases.held.delete(name);
  else throw new RangeError(`${key} is no key of the index`);
}

function snapshot({ system, repositories, notes }: Parts): () => void {
  const said = new Map(notes.notes);
  const undos = [system.log.snapshot(), ...[...repositories.logs.values()].map((log) => log.snapshot())];
  const logs = new Map(repositories.logs);
  return () => {
    for (const undo of undos) undo();
    notes.notes.clear();
    for (const [name, text] of said) notes.notes.set(name, text);
    repositories.logs.clear();
    for (const [id, log] of logs) repositories.logs.set(id, log);
  };
}
