/**
 * The registry as a door's catalog. For a whole snapshot_download the index is asked a few times, not for every file: what a revision's id
 * names does not change, so it is remembered for some seconds, and with it that the repository is not blocked or deleted. What a branch or
 * a tag names is always asked.
 */
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { type ContentEntry, contentEntries } from "../../shared/manifest.ts";
import { RefName, type RepositoryName, RevisionId } from "../../shared/names.ts";
import type { ByteRange, Extent } from "../../shared/ranges.ts";
import { piecesOf } from "../../shared/ranges.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import type { EdgeContext, Services } from "../http/edge.ts";
import { spend } from "../http/spend.ts";
import { demand, demandStore } from "../registry/access.ts";
import { demandUnblocked } from "../registry/blocks.ts";
import { findRecipe, type OpenEnvelope } from "../registry/envelopes.ts";
import { walkHistory } from "../registry/history.ts";
import { chunkKey } from "../registry/layout.ts";
import { livingState } from "../registry/living.ts";
import type { Caller, Ports, RevisionEntry } from "../registry/ports.ts";
import { getOrFollow } from "../registry/rename.ts";
import { listRepositories } from "../registry/repositories.ts";
import { envelopeOf, resolveRevision } from "../registry/revisions.ts";
import type { Catalog, CatalogFile, CatalogRevision, Person, Snapshot, Source } from "./catalog.ts";

const REMEMBERED_MS = 10_000;
const REMEMBERED_MAX = 1_000;
const HISTORY_MAX = 10_000;

type Found = { repository: RepositorySummary; revision: RevisionEntry };
type Remembered = Map<string, Found & { untilMs: number }>;
/** A snapshot, with what only the catalog needs of it. */
type OwnSnapshot = Snapshot & { envelope: OpenEnvelope; entry(path: string): ContentEntry | null };

/** What each deployment in this isolate remembers. */
const remembered = new WeakMap<Ports, Remembered>();

export class RegistryCatalog implements Catalog {
  readonly person: Person;
  protected readonly services: Services;
  protected readonly ports: Ports;
  protected readonly caller: Caller;
  protected readonly context: EdgeContext;

  constructor(services: Services, caller: Caller, c: EdgeContext) {
    this.services = services;
    this.ports = services.ports;
    this.caller = caller;
    this.person = personOf(caller);
    this.context = c;
  }

  async demand(repository: RepositoryName, action: "pull" | "push"): Promise<void> {
    demand(this.caller, action, repository);
    await getOrFollow(this.ports, this.caller, repository);
  }

  async snapshot(name: RepositoryName, ref: string): Promise<OwnSnapshot> {
    demand(this.caller, "pull", name);
    const { repository, revision } = await this.#find(name, ref);
    const files = await this.#filesOf(repository, revision);
    return { ...files, repository: name, createdAt: repository.createdAt, revision: revisionOf(revision) };
  }

  async #find(name: RepositoryName, ref: string): Promise<Found> {
    const memory = memoryOf(this.ports);
    const key = `${name}@${ref}`;
    const nowMs = this.ports.clock.now();
    const known = memory.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known;
    const repository = await getOrFollow(this.ports, this.caller, name);
    demandUnblocked(repository);
    const found = { repository, revision: await resolveRevision(this.ports, repository, ref) };
    if (memory.size >= REMEMBERED_MAX) memory.clear();
    if (RevisionId.safeParse(ref).success) memory.set(key, { ...found, untilMs: nowMs + REMEMBERED_MS });
    return found;
  }

  /** What was remembered of a repository is no longer so. */
  protected forget(name: RepositoryName): void {
    const memory = memoryOf(this.ports);
    for (const key of memory.keys()) if (key.startsWith(`${name}@`)) memory.delete(key);
  }

  async #filesOf(
    repository: RepositorySummary,
    revision: RevisionEntry,
  ): Promise<Pick<OwnSnapshot, "files" | "find" | "envelope" | "entry">> {
    const key = `hub:${revision.manifest}.${revision.attempt}`;
    const known = this.ports.cache.get<Pick<OwnSnapshot, "files" | "find" | "envelope" | "entry">>(key);
    if (known !== undefined) return known;
    const envelope = await envelopeOf(this.ports, repository, revision);
    const files = contentEntries(envelope.manifest);
    const byPath = new Map(files.map((file) => [file.path, file]));
    const entry = (path: string) => byPath.get(path) ?? null;
    const made = { files, envelope, find: entry, entry };
    this.ports.cache.set(key, made, 200 * files.length);
    return made;
  }

  async names(name: RepositoryName): Promise<{ branches: Record<string, string>; tags: Record<string, string> }> {
    demand(this.caller, "pull", name);
    const { branches, tags } = await livingState(this.ports, await getOrFollow(this.ports, this.caller, name));
    return { branches, tags };
  }

  async history(name: RepositoryName, ref: string, { cursor, limit }: { cursor: string | undefined; limit: number }) {
    demand(this.caller, "pull", name);
    const { repository, revision } = await this.#find(name, ref);
    const all: RevisionEntry[] = [];
    const walk = { branch: RefName.parse(revision.branch), before: revision.seq + 1, limit: HISTORY_MAX };
    for await (const page of walkHistory(this.ports, repository.id, walk)) all.push(...page.filter((entry) => entry.deletedAt === null));
    const rest = cursor === undefined ? all : all.filter(({ seq }) => seq < Number(cursor));
    const page = rest.slice(0, limit);
    const next = rest.length > limit ? String(page.at(-1)?.seq ?? "") : null;
    return { revisions: page.map(revisionOf), next, total: all.length };
  }

  async list({ namespace, search, cursor, limit }: Parameters<Catalog["list"]>[0]) {
    const page = await listRepositories(this.ports, this.caller, { namespace, cursor, limit });
    const wanted = search?.toLowerCase();
    const repositories = page.repositories.filter(({ repository }) => wanted === undefined || repository.toLowerCase().includes(wanted));
    return { repositories, next: page.next };
  }

  async link(snapshot: OwnSnapshot, file: CatalogFile): Promise<string | null> {
    const { chunk } = entryOf(snapshot, file);
    if (chunk === undefined) return null;
    const { home } = this.ports.stores;
    demandStore(this.caller, "pull", snapshot.repository, home.profile.id);
    await spend(this.context, this.caller, { requests: 0, urls: 1 });
    const batch = await home.chunks.downloads([{ sha256: chunk, tag: placeOf(snapshot, chunk).tag }]);
    const [item] = batch.items;
    return item === undefined ? null : downloadUrl(batch, item);
  }

  async pieces(snapshot: OwnSnapshot, file: CatalogFile, range: ByteRange): Promise<Extent<Source>[]> {
    demandStore(this.caller, "pull", snapshot.repository, this.ports.stores.home.profile.id);
    return piecesOf(await this.#extentsOf(snapshot, entryOf(snapshot, file)), range);
  }

  async #extentsOf(snapshot: OwnSnapshot, { chunk, recipe: digest, size }: ContentEntry): Promise<Extent<Source>[]> {
    if (size === 0) return [];
    if (chunk !== undefined) return [{ of: sourceOf(snapshot, chunk), offset: 0, length: size }];
    const recipe = digest === undefined ? null : await findRecipe(this.ports, digest);
    if (recipe === null) throw new FerryError("LOG_DAMAGED", { repository: snapshot.repository, problem: `recipe ${digest} is missing` });
    const sources = recipe.chunks.map(([sha256]) => sourceOf(snapshot, sha256));
    return recipe.extents.flatMap(([at, offset, length]) => {
      const of = sources[at];
      return of === undefined ? [] : [{ of, offset, length }];
    });
  }

  async open({ id, sizeBytes }: Source, range: { offset: number; length: number }, signal: AbortSignal) {
    const { profile, objects } = this.ports.stores.home;
    const stream = await objects.open(id, range, signal);
    if (stream !== null) return stream;
    throw new FerryError("STORAGE_UNAVAILABLE", { store: profile.id, problem: `an object of ${sizeBytes} bytes is missing` });
  }

  startHash() {
    return this.ports.hasher.start();
  }
}

function memoryOf(ports: Ports): Remembered {
  const known = remembered.get(ports) ?? new Map();
  remembered.set(ports, known);
  return known;
}

function personOf({ name, kind, scopes }: Caller): Person {
  const namespaces = scopes.flatMap(({ repositories }) => /^([A-Za-z0-9._-]+)\//.exec(repositories)?.[1] ?? []);
  const mayWrite = scopes.some(({ actions }) => actions.includes("push") || actions.includes("admin"));
  return { name, isRobot: kind !== "person", mayWrite, namespaces: [...new Set(namespaces)] };
}

function revisionOf({ revision, message, time, author }: RevisionEntry): CatalogRevision {
  return { id: revision, message, time, author };
}

function entryOf(snapshot: OwnSnapshot, { path }: CatalogFile): ContentEntry {
  const entry = snapshot.entry(path);
  if (entry === null) throw new FerryError("FILE_UNKNOWN", { revision: snapshot.revision.id, path });
  return entry;
}

function placeOf({ envelope, repository }: OwnSnapshot, chunk: Digest): { size: number; tag: string } {
  const place = envelope.places.get(chunk);
  if (place === undefined) throw new FerryError("LOG_DAMAGED", { repository, problem: `chunk ${chunk} has no place` });
  return place;
}

function sourceOf(snapshot: OwnSnapshot, chunk: Digest): Source {
  const { size, tag } = placeOf(snapshot, chunk);
  return { id: chunkKey(chunk, tag), sizeBytes: size, sha256: chunk };
}
