/**
 * Brings the chunks of one push into the store: reserve, send, confirm. Equal chunks go once. A chunk that the store turns out not to
 * have is brought again under the next attempt, whose objects have fresh keys.
 */
import { CONFIRM_PAGE_MAX, type Upload } from "../contract/uploads.ts";
import type { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import type { Crew } from "./crew.ts";
import { Lanes } from "./lanes.ts";
import { Pages } from "./pages.ts";
import type { LocalChunk, SourceFile } from "./ports.ts";
import { sendChunk } from "./push-send.ts";
import type { PushSetting } from "./push-setting.ts";
import { Window } from "./semaphore.ts";
import { Tickets } from "./tickets.ts";

/** A killed push sends again what it had not confirmed, so confirmations hardly wait. */
const CONFIRM_LINGER_MS = 10;
const CONFIRM_PAGES_AT_ONCE = 4;

type Bringing = { file: SourceFile; chunk: LocalChunk };
type Confirming = { sha256: Digest; size: number };

export class PushChunks {
  chunksSent = 0;
  bytesSent = 0;
  readonly #setting: PushSetting;
  readonly #crew: Crew;
  readonly #upload: Upload;
  readonly #known = new Map<Digest, Bringing>();
  readonly #tickets: Tickets;
  readonly #confirmations = new Map<number, Pages<Confirming, boolean>>();
  readonly #lanes: Lanes;
  readonly #lookAhead: Window;
  #unproven = new Set<Digest>();
  #unsent = 0;
  #allKnown = false;
  #attempt = 1;

  constructor(setting: PushSetting, upload: Upload, crew: Crew) {
    this.#setting = setting;
    this.#upload = upload;
    this.#crew = crew;
    this.#lookAhead = new Window(setting.lookAheadBytes);
    const { client, machine, request } = setting;
    this.#lanes = new Lanes(setting.width, machine);
    this.#tickets = new Tickets({ client, repository: request.repository, upload, machine, signal: crew.signal });
  }

  get chunkCount(): number {
    return this.#known.size;
  }

  /** Steers how many go at once, while `work` runs. */
  during<T>(work: () => Promise<T>): Promise<T> {
    return this.#lanes.during(work);
  }

  /** Starts to bring a chunk. Resolves when there is room for the next one. */
  async add(file: SourceFile, chunk: LocalChunk): Promise<void> {
    if (this.#known.has(chunk.sha256)) return this.#setting.progress.done(chunk.size);
    this.#known.set(chunk.sha256, { file, chunk });
    await this.#lookAhead.take(chunk.size, this.#crew.signal);
    this.#start({ file, chunk }, () => {
      this.#lookAhead.give(chunk.size);
      this.#setting.progress.done(chunk.size);
    });
  }

  /** Every chunk was added: brings again what is not proven, until all is. */
  async settle(): Promise<void> {
    this.#allKnown = true;
    this.#hurryWhenSent();
    await this.#crew.finish();
    while (this.#unproven.size > 0) await this.#again();
  }

  /** The latest attempt that chunks were brought under. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Brings chunks again that the commit found unproven, under the attempt it gave. */
  async redo(digests: readonly Digest[], attempt: number): Promise<void> {
    this.#attempt = Math.max(this.#attempt, attempt);
    await this.#bringAgain(digests);
    while (this.#unproven.size > 0) await this.#again();
  }

  /** Those that `digests` is only a page of: for what is proven, reserving again answers that it is there. */
  redoAll(attempt: number): Promise<void> {
    return this.redo(this.all, attempt);
  }

  /** Every chunk of this push. */
  get all(): Digest[] {
    return [...this.#known.keys()];
  }

  /** Under the next attempt: what was sent under this one is not what the store holds. */
  async #again(): Promise<void> {
    const unproven = this.#unproven;
    this.#unproven = new Set();
    this.#attempt++;
    if (this.#attempt > this.#setting.attemptsMax) throw this.#lost(unproven);
    await this.#bringAgain(unproven);
  }

  async #bringAgain(digests: Iterable<Digest>): Promise<void> {
    for (const digest of digests) {
      const bringing = this.#known.get(digest);
      if (bringing === undefined) throw this.#lost([digest]);
      this.#start(bringing, () => {});
    }
    await this.#crew.finish();
  }

  #start({ file, chunk }: Bringing, settled: () => void): void {
    const attempt = this.#attempt;
    this.#unsent++;
    this.#crew.start(async () => {
      const sent = await this.#send({ file, chunk }, attempt).finally(() => {
        this.#unsent--;
        settled();
        this.#hurryWhenSent();
      });
      if (sent && !(await this.#confirm(chunk, attempt))) this.#unproven.add(chunk.sha256);
    });
  }

  /** False when the store has it already. */
  async #send({ file, chunk }: Bringing, attempt: number): Promise<boolean> {
    const { signal } = this.#crew;
    const ticket = await this.#tickets.reserve(chunk, attempt);
    if (ticket === null) return false;
    const renew = () => this.#tickets.reserve(chunk, attempt);
    const outcome = await sendChunk(this.#setting, { file, chunk, ticket, renew, lanes: this.#lanes, signal });
    if (outcome === "had") return false;
    this.chunksSent++;
    this.bytesSent += chunk.size;
    return true;
  }

  #confirm({ sha256, size }: LocalChunk, attempt: number): Promise<boolean> {
    let pages = this.#confirmations.get(attempt);
    if (pages === undefined) {
      pages = new Pages({
        pageMax: Math.min(CONFIRM_PAGE_MAX, this.#upload.confirmPageMax),
        lingerMs: CONFIRM_LINGER_MS,
        width: CONFIRM_PAGES_AT_ONCE,
        machine: this.#setting.machine,
        signal: this.#crew.signal,
        ask: (chunks) => this.#askConfirmed(chunks, attempt),
      });
      this.#confirmations.set(attempt, pages);
    }
    const confirmed = pages.ask({ sha256, size });
    this.#hurryWhenSent();
    return confirmed;
  }

  async #askConfirmed(chunks: Confirming[], attempt: number): Promise<boolean[]> {
    const { client, request } = this.#setting;
    const params = { upload: this.#upload.upload };
    const answer = await client.call("confirm", { repository: request.repository, params, body: { attempt, chunks } }, this.#crew.signal);
    const missing = new Set(answer.missing);
    return chunks.map((chunk) => !missing.has(chunk.sha256));
  }

  #hurryWhenSent(): void {
    if (!this.#allKnown || this.#unsent > 0) return;
    for (const pages of this.#confirmations.values()) pages.hurry();
  }

  #lost(digests: Iterable<Digest>): FerryError {
    const [first = "?"] = digests;
    return new FerryError("TRANSFER_REFUSED", { what: `chunk ${first}`, problem: "it was sent, but the store does not have it" });
  }
}
