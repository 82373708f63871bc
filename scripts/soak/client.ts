/** One client: it pushes, tags, clones, purges, and enters what was acknowledged into the journal. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId, RefName, RepositoryName } from "../../shared/names.ts";
import { Pusher } from "../../test/support/pusher.ts";
import type { Entry, Files, Journal } from "./journal.ts";
import { type Chance, chanceOf, type Options, pick } from "./options.ts";
import { isCode, persistently, type System } from "./system.ts";

/** Revisions that a repository keeps; older ones are purged. */
const KEPT = 6;
const RETURNING = 20;

/** Contents that were purged, and come back now and then: the worst that can happen to collection. */
const purged: Files[] = [];

export class Client {
  readonly #system: System;
  readonly #journal: Journal;
  readonly #pusher: Pusher;
  readonly #chance: Chance;
  readonly #name: string;
  readonly #own: RepositoryName;
  readonly #copies: RepositoryName;
  #round = 0;

  constructor(system: System, journal: Journal, { at, seed }: { at: number; seed: number }) {
    this.#system = system;
    this.#journal = journal;
    this.#pusher = new Pusher(system.client, (url, init) => persistentFetch(url, init));
    this.#name = `client-${at}`;
    this.#chance = chanceOf(seed, this.#name);
    this.#own = RepositoryName.parse(`soak/client-${at}`);
    this.#copies = RepositoryName.parse(`soak/copies-${at}`);
  }

  async run({ pauseMs }: Options, isRunning: () => boolean): Promise<void> {
    for (const repository of [this.#own, this.#copies]) {
      await persistently(() => this.#pusher.create(repository)).catch((error: unknown) => {
        if (!isCode(error, "REPOSITORY_EXISTS")) throw error;
      });
    }
    for (; isRunning(); this.#round++) {
      const beganMs = performance.now();
      await this.#act();
      this.#journal.longestMs = Math.max(this.#journal.longestMs, performance.now() - beganMs);
      await sleep(pauseMs * (0.5 + this.#chance()));
    }
  }

  async #act(): Promise<void> {
    const die = this.#chance();
    if (die < 0.65) await this.#push();
    else if (die < 0.8) await this.#tag();
    else if (die < 0.9) await this.#clone();
    for (const repository of [this.#own, this.#copies]) await this.#purgeOld(repository);
  }

  async #push(): Promise<void> {
    const message = `${this.#name} push ${this.#round}`;
    const returning = this.#chance() < 0.25 ? pick(this.#chance, purged) : undefined;
    const files = returning ?? {
      own: `${message} ${randomBytes(6).toString("hex")}`,
      common: `common ${Math.floor(this.#chance() * 6)}`,
      rare: `rare ${Math.floor(this.#chance() * 3)}`,
    };
    for (;;) {
      try {
        this.#keep(this.#own, await this.#pushOnce(files, message), files);
        this.#journal.count("pushes");
        return;
      } catch (error) {
        // Redis went back, and told an old head when the upload was opened.
        if (!isCode(error, "BRANCH_MOVED")) throw error;
        this.#journal.count("pushes begun anew on a newer head");
      }
    }
  }

  async #pushOnce(files: Files, message: string): Promise<RevisionSummary> {
    const { upload, parent } = await persistently(() => this.#pusher.open(this.#own));
    const commit = { parent, message, operationId: newOperation() };
    for (let attempt = 1; ; ) {
      await persistently(async () => {
        const reservation = await this.#pusher.reserve(this.#own, upload, files, attempt);
        await this.#pusher.send(reservation, files);
        await this.#pusher.confirm(this.#own, upload, reservation, attempt);
      });
      try {
        return await persistently(() => this.#pusher.commit(this.#own, upload, files, { ...commit, attempt }));
      } catch (error) {
        if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
        attempt = Number(error.details["attempt"]);
        this.#journal.count("commits that asked for a chunk anew");
      }
    }
  }

  async #tag(): Promise<void> {
    const entry = pick(this.#chance, this.#journal.keptIn(this.#own));
    if (entry === undefined) return;
    const tag = RefName.parse(`t${Math.floor(this.#chance() * 3)}`);
    const body = { ref: entry.revision, force: true, operationId: newOperation() };
    await persistently(() => this.#system.client.call("setTag", { repository: this.#own, params: { tag }, body }));
    this.#journal.setTag(this.#own, tag, entry.revision);
    this.#journal.count("tags set");
  }

  async #clone(): Promise<void> {
    const entry = pick(this.#chance, this.#journal.keptIn(this.#own));
    if (entry === undefined) return;
    const message = `${this.#name} clone ${this.#round}`;
    const body = { from: this.#own, ref: entry.revision, branch: RefName.parse("main"), message, operationId: newOperation() };
    try {
      const revision = await persistently(() => this.#system.client.call("clone", { repository: this.#copies, body }));
      this.#keep(this.#copies, revision, entry.files);
      this.#journal.count("clones");
    } catch (error) {
      if (!isCode(error, "CHUNK_CONDEMNED", "BRANCH_MOVED")) throw error;
      this.#journal.count("clones refused");
    }
  }

  #keep(repository: RepositoryName, { revision, seq, message }: RevisionSummary, files: Files): void {
    this.#journal.entries.push({ repository, revision, seq, message, files, state: "kept" });
  }

  /** All but the newest, those with tags, and the head. */
  async #purgeOld(repository: RepositoryName): Promise<void> {
    const old = this.#journal.keptIn(repository).slice(0, -KEPT);
    const going = old.filter((entry) => !this.#journal.isTagged(entry));
    if (going.length < 2) return;
    for (const entry of going) entry.state = "going";
    const revisions = going.map(({ revision }) => revision);
    const call = this.#system.client;
    const trash = { revisions, reason: "old", operationId: newOperation() };
    const purge = { revisions, now: true, operationId: newOperation() };
    await persistently(() => call.call("trashRevisions", { repository, body: trash }));
    await persistently(() => call.call("purgeRevisions", { repository, body: purge }));
    this.#journal.count("revisions purged", revisions.length);
    this.#remember(going);
  }

  #remember(gone: readonly Entry[]): void {
    purged.push(...gone.map(({ files }) => files));
    purged.splice(0, Math.max(0, purged.length - RETURNING));
  }
}

export function newOperation(): OperationId {
  return OperationId.parse(`soak-${randomBytes(12).toString("hex")}`);
}

/** A store that is away or busy is asked again; the rest is for the one who asked. */
export async function persistentFetch(url: string, init?: RequestInit): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, init).catch(() => null);
    if (response !== null && response.status < 500) return response;
    await response?.body?.cancel();
    if (attempt >= 50) throw new Error("the store does not answer");
    await sleep(100);
  }
}
