/**
 * Presigned URLs of a revision's chunks, taken page by page just before they are used. A URL that has aged, or that the store refuses,
 * is renewed together with all that are still wanted of its page, once, however many ask. A store that keeps failing is left for another
 * one that has the revision.
 */
import type { FerryClient } from "../client.ts";
import { DOWNLOAD_PAGE_MAX } from "../contract/downloads.ts";
import type { Digest } from "../digest.ts";
import { type ErrorCode, FerryError } from "../errors.ts";
import type { RepositoryName, RevisionId, StoreId } from "../names.ts";
import { downloadUrl } from "../tickets.ts";
import { GiB } from "../units.ts";
import type { Machine } from "./ports.ts";

/** A URL older than this share of its life is not used: the request still has to reach the store. */
const FRESH_SHARE = 0.8;
/** Few enough bytes that the last URL of a page is used long before it ages. */
const PAGE_BYTES_MAX = 4 * GiB;
/** With less of the newest page left to take, the next one is asked for, so that no connection waits for it. */
const AHEAD_SHARE = 0.5;

export type Link = { url: string; store: string; freshUntilMs: number };

type Setting = { client: FerryClient; repository: RepositoryName; revision: RevisionId; machine: Machine; signal: AbortSignal };
/** `leftToTake`: chunks of it whose URL nobody has asked for yet. */
type Page = { asked: Promise<Map<Digest, Link>>; size: number; leftToTake: number };

export class Links {
  readonly #setting: Setting;
  /** Chunks without a URL and their sizes, in the order in which they will be wanted. */
  readonly #upcoming = new Map<Digest, number>();
  readonly #pages = new Map<Digest, Page>();
  #newest: Page | null = null;
  readonly #taken = new Set<Digest>();
  /** The store that is asked for; undefined: the registry chooses. */
  #store: StoreId | undefined;
  /** Whether there was another one, by the store that was left. */
  readonly #left = new Map<string, Promise<boolean>>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Chunks that will be asked for; they may come along with the page of another. */
  expect(chunks: Iterable<{ sha256: Digest; size: number }>): void {
    for (const { sha256, size } of chunks) if (!this.#pages.has(sha256)) this.#upcoming.set(sha256, size);
  }

  /** Whether a page would be full of what is expected. */
  get isFull(): boolean {
    return this.#upcoming.size >= DOWNLOAD_PAGE_MAX;
  }

  /** A URL that is good for now. `refused`: the one that the store did not take. */
  async get(digest: Digest, refused?: Link): Promise<Link> {
    for (;;) {
      const page = this.#pages.get(digest) ?? this.#open([digest]);
      this.#take(digest, page);
      const link = (await page.asked).get(digest);
      if (link === undefined) throw this.#missing(digest);
      if (link.url !== refused?.url && this.#isGood(link)) return link;
      // Whoever comes first replaces the page; those who come later find the new one.
      if (this.#pages.get(digest) === page) this.#renew(page);
    }
  }

  /** The chunk is there: its URL need not be renewed with its page. */
  release(digest: Digest): void {
    const page = this.#pages.get(digest);
    if (page !== undefined) this.#take(digest, page);
    this.#pages.delete(digest);
    this.#taken.delete(digest);
    this.#upcoming.delete(digest);
  }

  /** The chunk's turn has come, and with it perhaps that of the next page. */
  #take(digest: Digest, page: Page): void {
    if (this.#taken.has(digest)) return;
    this.#taken.add(digest);
    page.leftToTake--;
    if (page === this.#newest && page.leftToTake < page.size * AHEAD_SHARE && this.#upcoming.size > 0) this.#open([]);
  }

  /**
   * The store keeps failing. True when another one is asked from now on, which has this chunk at least. Whoever comes later finds the
   * same answer.
   */
  turnFrom(store: string, digest: Digest): Promise<boolean> {
    let turned = this.#left.get(store);
    if (turned === undefined) {
      turned = this.#findOther(digest);
      this.#left.set(store, turned);
    }
    return turned;
  }

  async #findOther(digest: Digest): Promise<boolean> {
    const { client, signal } = this.#setting;
    const answer = await client.call("listStores", {}, signal).catch(() => ({ stores: [] }));
    for (const { id } of answer.stores) {
      if (this.#left.has(id)) continue;
      try {
        await this.#ask([digest], id, "REPLICA_NOT_READY");
      } catch {
        // It is no replica of this revision, or not reachable from here.
        signal.throwIfAborted();
        continue;
      }
      this.#store = id;
      return true;
    }
    return false;
  }

  #isGood({ store, freshUntilMs }: Link): boolean {
    const isLeft = this.#store !== undefined && store !== this.#store && this.#left.has(store);
    return !isLeft && this.#setting.machine.nowMs() < freshUntilMs;
  }

  #renew(page: Page): void {
    const wanted = [...this.#pages].filter(([, other]) => other === page).map(([digest]) => digest);
    this.#open(wanted);
  }

  #open(first: Digest[]): Page {
    const digests = new Set(first);
    let bytes = 0;
    for (const [digest, size] of this.#upcoming) {
      bytes += size;
      if (digests.size >= DOWNLOAD_PAGE_MAX || bytes > PAGE_BYTES_MAX) break;
      digests.add(digest);
    }
    const asked = this.#ask([...digests], this.#store);
    // Those whose chunks are on it hear of a failure; before they come, nobody listens.
    asked.catch(() => {});
    const leftToTake = [...digests].filter((digest) => !this.#taken.has(digest)).length;
    const page: Page = { asked, size: digests.size, leftToTake };
    this.#newest = page;
    for (const digest of digests) {
      this.#upcoming.delete(digest);
      this.#pages.set(digest, page);
    }
    return page;
  }

  async #ask(digests: Digest[], from: StoreId | undefined, final?: ErrorCode): Promise<Map<Digest, Link>> {
    const { client, repository, revision, machine, signal } = this.#setting;
    const askedAtMs = machine.nowMs();
    const near = from === undefined && this.#left.size === 0 ? client.near : undefined;
    const body = { chunks: digests, ...(from === undefined ? {} : { store: from }), ...(near === undefined ? {} : { near }) };
    const batch = await client.call("download", { repository, params: { ref: revision }, body }, signal, final);
    const freshUntilMs = askedAtMs + batch.expiresInSeconds * 1000 * FRESH_SHARE;
    return new Map(batch.items.map((item) => [item.sha256, { url: downloadUrl(batch, item), store: batch.store, freshUntilMs }]));
  }

  #missing(digest: Digest): FerryError {
    return new FerryError("ANSWER_INVALID", { endpoint: this.#setting.client.endpoint, problem: `no URL for chunk ${digest}` });
  }
}
