/**
 * What was uploaded to a branch and is not committed: files that are put, copied or removed over its head. Everybody who may push there
 * shares it, as they share a bucket. A commit takes what was there when it began; what came meanwhile stays for the next one.
 */
import { createHash } from "node:crypto";
import { linkSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { Digest } from "../../shared/digest.ts";
import { RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import { makeFolders } from "../node/make-folders.ts";
import { Journal, type Spool, type SpoolFile, syncFolder } from "./s3-spool.ts";

const common = { path: z.string(), seq: z.int(), atMs: z.number() };
const content = { size: z.int().min(0), sha256: Digest };
const Put = z.object({
  kind: z.literal("put"),
  ...common,
  ...content,
  object: z.string().regex(/^[a-z0-9-]+$/),
  upload: z.string().optional(),
});
const Copy = z.object({
  kind: z.literal("copy"),
  ...common,
  ...content,
  from: z.object({ repository: RepositoryName, revision: RevisionId, path: z.string() }),
});
const Removal = z.object({ kind: z.literal("remove"), ...common });
const Change = z.discriminatedUnion("kind", [Put, Copy, Removal]);
const Opened = z.object({ kind: z.literal("opened"), repository: RepositoryName, branch: RefName, atMs: z.number() });
/** Gone: a change that was taken back before it was committed. Committed: these, by number, but what came over them since. */
const Gone = z.object({ kind: z.literal("gone"), path: z.string() });
const Committed = z.object({ kind: z.literal("committed"), changes: z.array(z.int()) });
const Line = z.discriminatedUnion("kind", [Opened, Put, Copy, Removal, Gone, Committed]);

export type Put = z.infer<typeof Put>;
export type Copy = z.infer<typeof Copy>;
export type Change = z.infer<typeof Change>;
/** What a change is before it gets its number. */
export type NewPut = Omit<Put, "seq">;

/** More lines than this beyond what counts: the journal is written anew. */
const SPARE_LINES = 1000;

export class PendingBranch {
  readonly repository: RepositoryName;
  readonly branch: RefName;
  readonly #folder: string;
  readonly #spool: Spool;
  readonly #journal: Journal;
  readonly #changes = new Map<string, Change>();
  /** Objects that nobody needs any more, but a commit may be reading. */
  readonly #unneeded: Put[] = [];
  #holders = 0;
  #seq = 0;
  #changedAtMs: number;

  constructor(folder: string, spool: Spool, { repository, branch, atMs }: z.infer<typeof Opened>, journal: Journal) {
    this.#folder = folder;
    this.#spool = spool;
    this.repository = repository;
    this.branch = branch;
    this.#journal = journal;
    this.#changedAtMs = atMs;
  }

  get changes(): ReadonlyMap<string, Change> {
    return this.#changes;
  }

  /** Another number when something changed. */
  get version(): number {
    return this.#seq;
  }

  get changedAtMs(): number {
    return this.#changedAtMs;
  }

  objectPath({ object }: Put): string {
    return join(this.#folder, object);
  }

  /** A whole file, written and checked. Its room was taken. */
  async put(file: SpoolFile, change: NewPut): Promise<void> {
    await this.#spool.keep(file, join(this.#folder, change.object));
    await this.#add(change);
  }

  /** The bytes of another pending file, under a name of their own. */
  async link(from: string, change: NewPut): Promise<void> {
    linkSync(from, this.pathFor(change.object));
    syncFolder(this.#folder);
    await this.#add(change);
  }

  /** The file has its name in the branch's folder already. */
  async adopt(change: NewPut): Promise<void> {
    await this.#add(change);
  }

  /** Where an object of this name belongs. */
  pathFor(object: string): string {
    return join(this.#folder, object);
  }

  async copy(change: Omit<Copy, "seq">): Promise<void> {
    await this.#add(change);
  }

  /** `isThere`: the head has a file of this path, so its removal is a change. */
  async remove(path: string, isThere: boolean, atMs: number): Promise<void> {
    if (isThere) return this.#add({ kind: "remove", path, atMs });
    const known = this.#changes.get(path);
    if (known === undefined) return;
    await this.#journal.add({ kind: "gone", path });
    // Another may have come over it meanwhile.
    if (this.#changes.get(path) === known) this.#take(path);
    this.#seq++;
    this.#changedAtMs = atMs;
  }

  /** The changes now, whose objects stay until `release`. */
  hold(): { changes: Change[]; release: () => void } {
    this.#holders++;
    const release = () => {
      if (--this.#holders === 0) for (const put of this.#unneeded.splice(0)) this.#discard(put);
    };
    return { changes: [...this.#changes.values()], release };
  }

  /** @param changes and no others: one that was being acknowledged when they were held is not among them, whatever its number. */
  async committed(changes: readonly Change[]): Promise<void> {
    const numbers = changes.map(({ seq }) => seq);
    await this.#journal.add({ kind: "committed", changes: numbers });
    this.#forget(numbers);
    this.#seq++;
    if (this.#changes.size === 0) this.#shorten();
  }

  /** Throws all of it away. */
  async clear(): Promise<void> {
    await this.committed([...this.#changes.values()]);
  }

  /** Takes over what a journal says. */
  replay(lines: readonly unknown[]): void {
    for (const raw of lines) {
      const line = Line.parse(raw);
      if (line.kind === "opened") continue;
      if (line.kind === "committed") this.#forgetReplayed(line.changes);
      else if (line.kind === "gone") this.#changes.delete(line.path);
      else {
        this.#changes.delete(line.path);
        this.#changes.set(line.path, line);
        this.#seq = Math.max(this.#seq, line.seq);
        this.#changedAtMs = Math.max(this.#changedAtMs, line.atMs);
      }
    }
    const needed = new Set(["journal"]);
    for (const change of this.#changes.values()) {
      if (change.kind !== "put") continue;
      needed.add(change.object);
      this.#spool.found(change.size);
    }
    for (const name of readdirSync(this.#folder)) if (!needed.has(name)) rmSync(join(this.#folder, name), { force: true });
    if (lines.length > this.#changes.size + SPARE_LINES) this.#shorten();
  }

  close(): void {
    this.#journal.close();
  }

  async #add(change: NewPut | Omit<Copy, "seq"> | Omit<z.infer<typeof Removal>, "seq">): Promise<void> {
    // The order of numbers is the order of acknowledgements of one path: the last one counts, here and after a restart.
    const numbered = Change.parse({ ...change, seq: ++this.#seq });
    await this.#journal.add(numbered);
    const known = this.#changes.get(change.path);
    if (known !== undefined && known.seq > numbered.seq) {
      if (numbered.kind === "put") this.#letGo(numbered);
      return;
    }
    this.#take(change.path);
    this.#changes.set(change.path, numbered);
    this.#changedAtMs = change.atMs;
  }

  #forget(numbers: readonly number[]): void {
    const gone = new Set(numbers);
    for (const [path, change] of this.#changes) if (gone.has(change.seq)) this.#take(path);
  }

  /** While a journal is read, nothing is counted yet: files that nobody needs go when all of it was read. */
  #forgetReplayed(numbers: readonly number[]): void {
    const gone = new Set(numbers);
    for (const [path, change] of this.#changes) if (gone.has(change.seq)) this.#changes.delete(path);
  }

  #take(path: string): void {
    const known = this.#changes.get(path);
    this.#changes.delete(path);
    if (known?.kind === "put") this.#letGo(known);
  }

  #letGo(put: Put): void {
    if (this.#holders > 0) this.#unneeded.push(put);
    else this.#discard(put);
  }

  #discard(put: Put): void {
    rmSync(this.objectPath(put), { force: true });
    this.#spool.give(put.size);
  }

  #shorten(): void {
    const opened = { kind: "opened", repository: this.repository, branch: this.branch, atMs: this.#changedAtMs };
    this.#journal.replace([opened, ...this.#changes.values()]);
  }
}

/** All branches with something pending. */
export class PendingBranches {
  readonly #folder: string;
  readonly #spool: Spool;
  readonly #branches = new Map<string, PendingBranch>();

  constructor(spool: Spool) {
    this.#folder = join(spool.path, "branches");
    this.#spool = spool;
    for (const id of readdirSync(this.#folder)) this.#load(id);
  }

  find(repository: RepositoryName, branch: string): PendingBranch | null {
    return this.#branches.get(idOf(repository, branch)) ?? null;
  }

  open(repository: RepositoryName, branch: RefName, atMs: number): PendingBranch {
    const id = idOf(repository, branch);
    const known = this.#branches.get(id);
    if (known !== undefined) return known;
    const folder = join(this.#folder, id);
    makeFolders(folder);
    syncFolder(this.#folder);
    const { journal } = Journal.open(join(folder, "journal"));
    const opened = { kind: "opened" as const, repository, branch, atMs };
    const made = new PendingBranch(folder, this.#spool, opened, journal);
    journal.replace([opened]);
    this.#branches.set(id, made);
    return made;
  }

  /** Of a repository, or all: those with changes. */
  list(repository?: RepositoryName): PendingBranch[] {
    const all = [...this.#branches.values()];
    return all.filter((branch) => branch.changes.size > 0 && (repository === undefined || branch.repository === repository));
  }

  /** Throws away what nobody changed since. */
  async expire(beforeMs: number): Promise<PendingBranch[]> {
    const old = this.list().filter(({ changedAtMs }) => changedAtMs < beforeMs);
    for (const branch of old) await branch.clear();
    return old;
  }

  close(): void {
    for (const branch of this.#branches.values()) branch.close();
  }

  #load(id: string): void {
    const folder = join(this.#folder, id);
    const { journal, lines } = Journal.open(join(folder, "journal"));
    const opened = Opened.safeParse(lines[0]);
    if (!opened.success || lines.length === 1) {
      // Nothing was acknowledged.
      journal.close();
      rmSync(folder, { recursive: true, force: true });
      return;
    }
    const branch = new PendingBranch(folder, this.#spool, opened.data, journal);
    branch.replay(lines);
    this.#branches.set(id, branch);
  }
}

function idOf(repository: RepositoryName, branch: string): string {
  return createHash("sha256").update(`${repository}@${branch}`).digest("hex").slice(0, 32);
}
