/**
 * Commits what is pending on a branch: the files of its head and the changes over them become a revision, chunked, deduplicated and sent by
 * the transfer engine as any push. What the head has is not read: its chunks are there. When another push moves the branch meanwhile, the
 * changes are laid over its new head.
 */
import { lstatSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { FerryClient } from "../../shared/client.ts";
import { type ContentReport, REPORT_FILES_MAX } from "../../shared/contract/content.ts";
import { RECIPE_READ_PAGE_MAX } from "../../shared/contract/downloads.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { type ContentEntry, type FileEntry, parseManifest } from "../../shared/manifest.ts";
import { OperationId, type RepositoryName, type RevisionId } from "../../shared/names.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../../shared/recipe.ts";
import type {
  LocalChunk,
  MoveOptions,
  ScannedFile,
  ScanOptions,
  SendTask,
  Source,
  SourceEntry,
  SourceFile,
  StoreAnswer,
} from "../../shared/transfer/ports.ts";
import { Progress } from "../../shared/transfer/progress.ts";
import { push } from "../../shared/transfer/push.ts";
import { RetryBudget } from "../../shared/transfer/retry.ts";
import { Width } from "../../shared/transfer/width.ts";
import { MiB } from "../../shared/units.ts";
import { inspectFiles } from "../node/inspect-files.ts";
import { MACHINE } from "../node/machine.ts";
import { Movers } from "../node/movers.ts";
import { stampOf } from "../node/walk.ts";
import type { ChunkAccess } from "./chunk-access.ts";
import type { Change, PendingBranch } from "./s3-pending.ts";

const CONNECTIONS = { start: 4, min: 2, max: 16 };
const STALL_SECONDS = 20;
const LOOK_AHEAD_BYTES = 128 * MiB;
const ATTEMPTS_MAX = 20;
const THREADS_MAX = 2;
/** How often the branch may move under a commit. */
const MOVES_MAX = 8;

export type Committed = { revision: RevisionSummary; isNew: boolean };
export type Committing = {
  client: FerryClient;
  chunks: ChunkAccess;
  /** Where the cache has a chunk. */
  chunkPath: (sha256: Digest) => string;
  branch: PendingBranch;
  message: string;
  signal: AbortSignal;
};

/** Throws what a push throws. When the head has all of it already, the head is the answer. */
export async function commitPending(committing: Committing): Promise<Committed> {
  const { branch } = committing;
  const held = branch.hold();
  try {
    const done = await overHead(committing, held.changes);
    await branch.committed(held.changes);
    return done;
  } finally {
    held.release();
  }
}

async function overHead(committing: Committing, changes: readonly Change[]): Promise<Committed> {
  for (let moves = 0; ; moves++) {
    try {
      return await pushOver(committing, changes);
    } catch (error) {
      if (!(error instanceof FerryError && error.code === "BRANCH_MOVED") || moves >= MOVES_MAX) throw error;
    }
  }
}

async function pushOver(committing: Committing, changes: readonly Change[]): Promise<Committed> {
  const { client, branch, message, signal } = committing;
  const head = await headOf(client, branch, signal);
  const directBytes = 0;
  const transport = { kind: "raw" as const, connections: CONNECTIONS.max, stallSeconds: STALL_SECONDS, bandwidthBytesPerSecond: undefined };
  const movers = await Movers.make({ transport, directBytes }, Math.min(THREADS_MAX, availableParallelism()));
  try {
    const source = new PendingSource(committing, movers, head, changes);
    let isNew = true;
    const result = await push(
      {
        client,
        request: {
          repository: branch.repository,
          branch: branch.branch,
          message,
          source: { job: "s3" },
          sources: [],
          create: true,
          parent: head?.revision.revision ?? null,
          inspect: (_, stop) => source.inspect(stop),
          once: async (manifest) => {
            isNew = head?.revision.manifest !== manifest;
            return head !== null && !isNew ? { revision: head.revision } : { operationId: OperationId.parse(MACHINE.operationId()) };
          },
        },
        source,
        machine: MACHINE,
        progress: new Progress(() => {}),
        budget: new RetryBudget(),
        width: new Width(CONNECTIONS, false),
        scans: movers.width,
        lookAheadBytes: LOOK_AHEAD_BYTES,
        attemptsMax: ATTEMPTS_MAX,
      },
      signal,
    );
    return { revision: result.revision, isNew };
  } finally {
    await movers.close();
  }
}

type Head = { revision: RevisionSummary; files: readonly FileEntry[] };

async function headOf(client: FerryClient, { repository, branch }: PendingBranch, signal: AbortSignal): Promise<Head | null> {
  try {
    const { refs } = await client.call("describeRepository", { repository }, signal);
    const ref = refs.branches[branch];
    return ref === undefined ? null : await manifestOf(client, repository, ref, signal);
  } catch (error) {
    if (error instanceof FerryError && error.code === "REPOSITORY_UNKNOWN") return null;
    throw error;
  }
}

async function manifestOf(client: FerryClient, repository: RepositoryName, ref: RevisionId, signal: AbortSignal): Promise<Head> {
  const answer = await client.call("manifest", { repository, params: { ref } }, signal);
  const { files } = await parseManifest(answer.manifest, answer.revision.manifest);
  return { revision: answer.revision, files };
}

/** A file whose chunks a revision has. */
type Kept = { entry: ContentEntry; repository: RepositoryName; revision: RevisionId };
type KeptChunk = { size: number; repository: RepositoryName; revision: RevisionId };

class PendingSource implements Source {
  readonly #committing: Committing;
  readonly #movers: Movers;
  readonly #head: Head | null;
  readonly #changes: readonly Change[];
  readonly #kept = new Map<string, Kept>();
  readonly #keptChunks = new Map<Digest, KeptChunk>();
  readonly #recipes = new Map<Digest, Recipe>();

  constructor(committing: Committing, movers: Movers, head: Head | null, changes: readonly Change[]) {
    this.#committing = committing;
    this.#movers = movers;
    this.#head = head;
    this.#changes = changes;
  }

  async list(): Promise<SourceEntry[]> {
    const changed = new Set(this.#changes.map(({ path }) => path));
    const entries: SourceEntry[] = [];
    for (const file of this.#head?.files ?? []) {
      if (changed.has(file.path)) continue;
      if (file.mode === "link") entries.push({ kind: "link", path: file.path, target: file.target });
      else if (this.#head !== null)
        entries.push(this.#keep(file, { repository: this.#committing.branch.repository, revision: this.#head.revision.revision }));
    }
    for (const change of this.#changes) {
      if (change.kind === "put") entries.push(this.#spooled(change));
      if (change.kind === "copy") entries.push(await this.#copied(change));
    }
    await this.#readRecipes();
    return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** What is new here; what the head's uploader said of the rest counts on. Null: of the rest nobody said anything. */
  async inspect(signal: AbortSignal): Promise<ContentReport | null> {
    const files = this.#changes.flatMap((change) => (change.kind === "put" ? [this.#spooled(change)] : []));
    const isCopied = this.#changes.some(({ kind }) => kind === "copy");
    const before = this.#head?.revision.content;
    if (isCopied || (this.#kept.size > 0 && before === undefined)) return null;
    const { report } = await inspectFiles(files, signal);
    if (before === undefined) return report;
    const gone = new Set(this.#changes.map(({ path }) => path));
    return {
      v: 1,
      files: before.files + report.files,
      unsafe: before.unsafe + report.unsafe,
      dangerous: before.dangerous + report.dangerous,
      secrets: before.secrets + report.secrets,
      listed: [...before.listed.filter(({ path }) => !gone.has(path)), ...report.listed].slice(0, REPORT_FILES_MAX),
    };
  }

  async scan(file: SourceFile, options: ScanOptions): Promise<ScannedFile> {
    const kept = this.#kept.get(file.path);
    if (kept === undefined) return this.#movers.run(file.sizeBytes, (mover) => mover.scan(file, options));
    const { sha256, chunk, recipe: digest, size } = kept.entry;
    const recipe = digest === undefined ? null : (this.#recipes.get(digest) ?? null);
    const chunks = recipe?.chunks ?? (chunk === undefined ? [] : [[chunk, size] as [Digest, number]]);
    for (const [of, sizeBytes] of chunks) await options.onChunk({ sha256: of, size: sizeBytes, ranges: [[0, sizeBytes]] });
    return { sha256, recipe };
  }

  /** A chunk of a head is sent only when the registry does not take its word for it. */
  async send(task: SendTask, options: MoveOptions): Promise<StoreAnswer> {
    const kept = this.#keptChunks.get(task.chunk.sha256);
    if (kept === undefined || !this.#kept.has(task.file.path))
      return this.#movers.run(task.chunk.size, (mover) => mover.send(task, options));
    const file = await this.#committing.chunks.open({ sha256: task.chunk.sha256, ...kept }, options.signal);
    try {
      const local = this.#committing.chunkPath(task.chunk.sha256);
      const sent = { ...task, file: { ...task.file, local, sizeBytes: kept.size, stamp: stampAt(local) } };
      return await this.#movers.run(task.chunk.size, (mover) => mover.send(sent, options));
    } finally {
      file.close();
    }
  }

  async holds(file: SourceFile, chunk: LocalChunk, signal: AbortSignal): Promise<boolean> {
    return this.#kept.has(file.path) || this.#movers.run(chunk.size, (mover) => mover.holds({ file, chunk }, signal));
  }

  #spooled(change: Change & { kind: "put" }): SourceFile {
    const local = this.#committing.branch.objectPath(change);
    return { kind: "file", path: change.path, local, sizeBytes: change.size, executable: false, stamp: stampAt(local) };
  }

  #keep(entry: ContentEntry, of: Omit<Kept, "entry">): SourceFile {
    this.#kept.set(entry.path, { entry, ...of });
    return { kind: "file", path: entry.path, local: "", sizeBytes: entry.size, executable: entry.mode === "executable", stamp: "" };
  }

  async #copied({ path, from, sha256 }: Change & { kind: "copy" }): Promise<SourceFile> {
    const { client, signal } = this.#committing;
    const { files } = await manifestOf(client, from.repository, from.revision, signal);
    const entry = files.find((file) => file.path === from.path);
    if (entry === undefined || entry.mode === "link" || entry.sha256 !== sha256)
      throw new FerryError("FILE_UNKNOWN", { revision: from.revision, path: from.path });
    return this.#keep({ ...entry, path }, from);
  }

  async #readRecipes(): Promise<void> {
    const wanted = new Map<string, Kept[]>();
    for (const kept of this.#kept.values()) {
      const { entry, repository, revision } = kept;
      if (entry.chunk !== undefined) this.#keptChunks.set(entry.chunk, { size: entry.size, repository, revision });
      if (entry.recipe !== undefined) wanted.set(`${repository} ${revision}`, [...(wanted.get(`${repository} ${revision}`) ?? []), kept]);
    }
    for (const group of wanted.values()) {
      const [first] = group;
      const digests = [...new Set(group.flatMap(({ entry }) => entry.recipe ?? []))];
      for (let at = 0; first !== undefined && at < digests.length; at += RECIPE_READ_PAGE_MAX)
        await this.#readPage(first, digests.slice(at, at + RECIPE_READ_PAGE_MAX));
    }
  }

  async #readPage({ repository, revision }: Kept, digests: readonly Digest[]): Promise<void> {
    const { client, signal } = this.#committing;
    const answer = await client.call("readRecipes", { repository, params: { ref: revision }, body: { recipes: [...digests] } }, signal);
    for (const [at, digest] of digests.entries()) {
      const recipe = answer.recipes[at];
      if (recipe === undefined || (await recipeDigest(encodeRecipe(recipe))) !== digest)
        throw new FerryError("DIGEST_INVALID", { what: "a recipe", expected: digest });
      this.#recipes.set(digest, recipe);
      for (const [sha256, size] of recipe.chunks) this.#keptChunks.set(sha256, { size, repository, revision });
    }
  }
}

function stampAt(path: string): string {
  return stampOf(lstatSync(path, { bigint: true }));
}
