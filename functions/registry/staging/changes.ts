/**
 * Commits that are told as changes of what a branch has: files whose bytes come along or lie in slots, files that are there already under
 * another path, and paths that go. One revision at the end, or none.
 */
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { type Digest, sha256, toHex } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type ContentEntry, contentEntries, type FileEntry } from "../../../shared/manifest.ts";
import { OperationId, type RefName, type RevisionId } from "../../../shared/names.ts";
import { commitRevision } from "../commit.ts";
import type { OpenEnvelope } from "../envelopes.ts";
import { walkHistory } from "../history.ts";
import { livingState, valueAt } from "../living.ts";
import type { Caller, Ports } from "../ports.ts";
import { envelopeOf, resolveRevision } from "../revisions.ts";
import { openOwnSession } from "../sessions.ts";
import { openUpload } from "../upload.ts";
import { absorbFile } from "./absorb.ts";
import { type AbsorbedNote, absorbSlot, adoptProofs, redoSlot } from "./absorbed.ts";
import { findSlot, type Slot } from "./slots.ts";

export type Change =
  | { kind: "bytes"; path: string; bytes: Uint8Array }
  | { kind: "named"; path: string; sha256: Digest }
  | { kind: "remove"; path: string }
  | { kind: "removeFolder"; path: string };

export type ChangeRequest = { branch: RefName; parent: RevisionId | null | undefined; message: string };

/** Of a file that is named and not uploaded: where it may be. */
const REVISIONS_SEARCHED = 50;
const RACES_MAX = 5;

/** A change, once what it brings is stored. */
type Settled = { path: string; entry: Omit<ContentEntry, "path"> } | Extract<Change, { kind: "remove" | "removeFolder" }>;
type Head = { revision: RevisionId | null; files: readonly FileEntry[] };

/**
 * The revision that the branch has then: a new one, or its head when nothing changes. Throws BRANCH_MOVED when the head is not the parent
 * that was named; without one, of two that commit at once each commits on top of the other. Throws FILE_UNSTAGED, FILE_UNKNOWN.
 */
export async function commitChanges(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  request: ChangeRequest,
  changes: AsyncIterable<Change>,
): Promise<RevisionId> {
  const { branch, parent } = request;
  let head = await headOf(ports, repository, branch);
  refuseMoved(branch, head, parent);
  const work = new Work(ports, caller, repository, (await openUpload(ports, caller, repository, branch)).upload, head);
  const settled: Settled[] = [];
  for await (const change of changes) settled.push(await work.settle(change));
  for (let race = 1; ; race++) {
    const files = applied(head, settled);
    if (head.revision !== null && files === null) return head.revision;
    try {
      return await work.commit(request, head, files ?? [...head.files]);
    } catch (error) {
      const isRace = error instanceof FerryError && error.code === "BRANCH_MOVED" && parent === undefined && race < RACES_MAX;
      if (!isRace) throw error;
      head = await headOf(ports, repository, branch);
    }
  }
}

function refuseMoved(branch: RefName, { revision }: Head, parent: RevisionId | null | undefined): void {
  if (parent === undefined || parent === revision) return;
  throw new FerryError("BRANCH_MOVED", { branch, current: revision ?? "nothing", expected: parent ?? "nothing" });
}

async function headOf(ports: Ports, repository: RepositorySummary, branch: RefName): Promise<Head> {
  const { branches } = await livingState(ports, repository);
  const revision = valueAt(branches, branch) ?? null;
  if (revision !== null) {
    const { manifest } = await envelopeOf(ports, repository, await resolveRevision(ports, repository, revision));
    return { revision, files: manifest.files };
  }
  // A branch of a repository that has others is made on purpose, never by a slip in its name.
  if (Object.keys(branches).length > 0) throw new FerryError("BRANCH_UNKNOWN", { repository: repository.repository, branch });
  return { revision, files: [] };
}

/** Null when they change nothing. */
function applied({ revision, files }: Head, changes: readonly Settled[]): FileEntry[] | null {
  const byPath = new Map(files.map((file) => [file.path, file]));
  let isChanged = false;
  for (const change of changes) {
    if ("entry" in change) {
      isChanged ||= !isSame(byPath.get(change.path), change.entry);
      byPath.set(change.path, { ...change.entry, path: change.path });
      continue;
    }
    const prefix = `${change.path.replace(/\/+$/, "")}/`;
    const gone = change.kind === "remove" ? [change.path] : [...byPath.keys()].filter((path) => path.startsWith(prefix));
    for (const path of gone.length === 0 ? [change.path] : gone)
      if (!byPath.delete(path)) throw new FerryError("FILE_UNKNOWN", { revision: revision ?? "none", path: path.slice(0, 1024) });
    isChanged = true;
  }
  return isChanged ? [...byPath.values()] : null;
}

function isSame(was: FileEntry | undefined, is: Settled extends infer S ? Extract<S, { entry: unknown }>["entry"] : never): boolean {
  return was !== undefined && was.mode !== "link" && was.size === is.size && was.sha256 === is.sha256;
}

class Work {
  readonly #ports: Ports;
  readonly #caller: Caller;
  readonly #repository: RepositorySummary;
  readonly #upload: string;
  readonly #head: Head;
  readonly #slots: { slot: Slot; note: AbsorbedNote }[] = [];

  constructor(ports: Ports, caller: Caller, repository: RepositorySummary, upload: string, head: Head) {
    this.#ports = ports;
    this.#caller = caller;
    this.#repository = repository;
    this.#upload = upload;
    this.#head = head;
  }

  async settle(change: Change): Promise<Settled> {
    if (change.kind === "bytes") return this.#bytes(change.path, change.bytes);
    if (change.kind === "named") return { path: change.path, entry: await this.#named(change.sha256) };
    return change;
  }

  async #bytes(path: string, bytes: Uint8Array): Promise<Settled> {
    const open = () => ({
      sizeBytes: bytes.length,
      read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    });
    const absorbing = { upload: this.#upload, attempt: 1, sha256: await sha256(bytes), sizeBytes: bytes.length, open };
    const { chunks: _, ...file } = await absorbFile(this.#ports, this.#caller, this.#repository, absorbing);
    return { path, entry: { mode: "file", ...file } };
  }

  async #named(digest: Digest): Promise<Omit<ContentEntry, "path">> {
    const here = contentEntries({ v: 1, files: [...this.#head.files] }).find((file) => file.sha256 === digest);
    if (here !== undefined) return withoutPath(here);
    const slot = await findSlot(this.#ports, this.#caller, this.#repository, digest);
    if (slot === null) return this.#fromHistory(digest);
    const note = await absorbSlot(this.#ports, this.#caller, this.#repository, slot);
    await adoptProofs(this.#ports, await this.#uploadId(), note);
    this.#slots.push({ slot, note });
    const { size, chunk, recipe } = note;
    return { mode: "file", sha256: digest, size, ...(chunk === undefined ? {} : { chunk }), ...(recipe === undefined ? {} : { recipe }) };
  }

  /** Copies come from any revision: what this repository has may be named again. */
  async #fromHistory(digest: Digest): Promise<Omit<ContentEntry, "path">> {
    for await (const page of walkHistory(this.#ports, this.#repository.id, { limit: REVISIONS_SEARCHED })) {
      for (const entry of page) {
        if (entry.deletedAt !== null) continue;
        const envelope = await envelopeOf(this.#ports, this.#repository, entry);
        const found = contentEntries(envelope.manifest).find((file) => file.sha256 === digest);
        if (found === undefined) continue;
        await this.#takeOver(found, envelope);
        return withoutPath(found);
      }
    }
    throw new FerryError("FILE_UNSTAGED", { sha256: digest, problem: "it was not uploaded" });
  }

  async #takeOver(file: ContentEntry, { places }: OpenEnvelope): Promise<void> {
    const all = [...places].map(([chunk, { size, tag }]): AbsorbedNote["places"][number] => [chunk, size, tag, "had", false, false]);
    const { sha256: digest, size, recipe } = file;
    const note = { v: 1 as const, attempt: 1, sha256: digest, size, places: all, ...(recipe === undefined ? {} : { recipe }) };
    await adoptProofs(this.#ports, await this.#uploadId(), note);
  }

  async #uploadId(): Promise<string> {
    return (await openOwnSession(this.#ports, this.#caller, this.#repository.id, this.#upload)).id;
  }

  async commit({ message }: ChangeRequest, head: Head, files: FileEntry[]): Promise<RevisionId> {
    const operationId = OperationId.parse(toHex(this.#ports.random.bytes(16)));
    const request = { operationId, attempt: 1, parent: head.revision, message, files, labels: {}, metrics: {}, source: {} };
    try {
      const { revision } = await commitRevision(this.#ports, this.#caller, this.#repository, this.#upload, request);
      return revision;
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
      // Collection condemned some of them meanwhile. The upload would offer them again, so it is given up; the client comes again.
      for (const { slot, note } of this.#slots) await redoSlot(this.#ports, slot, note);
      const { branch } = await openOwnSession(this.#ports, this.#caller, this.#repository.id, this.#upload);
      await this.#ports.uploads.forget({ repositoryId: this.#repository.id, branch, principal: this.#caller.tokenId });
      throw new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "chunks were about to be collected" }, { cause: error });
    }
  }
}

function withoutPath({ path: _, ...entry }: ContentEntry): Omit<ContentEntry, "path"> {
  return entry;
}
