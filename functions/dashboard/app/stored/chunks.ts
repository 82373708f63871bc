/** Bytes of stored files, by presigned GETs straight from the store. Whole chunks are verified; ranges of one can't be. */
import type { FerryClient } from "../../../../shared/client.ts";
import type { DownloadBatch } from "../../../../shared/contract/downloads.ts";
import { type Digest, sha256 } from "../../../../shared/digest.ts";
import { FerryError, problemOf } from "../../../../shared/errors.ts";
import type { RepositoryName } from "../../../../shared/names.ts";
import { downloadUrl } from "../../../../shared/tickets.ts";
import { sleep } from "../core/session.ts";

/** Of whom the chunks are asked. */
export type Holder = { repository: RepositoryName; revision: string };

const ATTEMPTS_MAX = 4;
const WAIT_MS = 500;
/** URLs are used up to this share of their life. */
const FRESH_SHARE = 0.8;
const PAGE_MAX = 100;

export class StoredChunks {
  readonly #client: FerryClient;
  readonly #holder: Holder;
  readonly #urls = new Map<Digest, { url: string; untilMs: number }>();

  constructor(client: FerryClient, holder: Holder) {
    this.#client = client;
    this.#holder = holder;
  }

  /** Asks for the URLs of all of them in few requests; `whole` and `range` ask by themselves for what is missing or old. */
  async expect(chunks: readonly Digest[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < chunks.length; at += PAGE_MAX) await this.#sign(chunks.slice(at, at + PAGE_MAX), signal);
  }

  /** Throws TRANSFER_FAILED, DIGEST_INVALID, and what the registry refuses. */
  async whole(chunk: Digest, sizeBytes: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    // One byte more than there may be shows that there is more.
    const bytes = await this.#fetch(chunk, { from: 0, to: sizeBytes }, signal);
    if ((await sha256(bytes)) !== chunk) throw new FerryError("DIGEST_INVALID", { what: "a chunk", expected: chunk });
    return bytes;
  }

  /** `length` bytes from `offset`, as the store says them. */
  async range(chunk: Digest, offset: number, length: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#fetch(chunk, { from: offset, to: offset + length - 1 }, signal);
    if (bytes.length !== length) throw new FerryError("TRANSFER_FAILED", { what: `chunk ${chunk}`, problem: "it ends too early" });
    return bytes;
  }

  async #fetch(chunk: Digest, { from, to }: { from: number; to: number }, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(chunk, `bytes=${from}-${to}`, signal);
      if ("bytes" in answer) return answer.bytes;
      signal.throwIfAborted();
      if (attempt >= ATTEMPTS_MAX) throw new FerryError("TRANSFER_FAILED", { what: `chunk ${chunk}`, problem: answer.problem });
      if (answer.renew) this.#urls.delete(chunk);
      await sleep(WAIT_MS * 2 ** attempt * Math.random(), signal);
    }
  }

  async #once(
    chunk: Digest,
    range: string,
    signal: AbortSignal,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer> } | { problem: string; renew: boolean }> {
    const url = await this.#url(chunk, signal);
    try {
      const response = await fetch(url, {
        headers: { range },
        signal,
        redirect: "error",
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      if (response.ok) return { bytes: new Uint8Array(await response.arrayBuffer()) };
      return { problem: `status ${response.status}`, renew: response.status === 403 };
    } catch (error) {
      return { problem: problemOf(error), renew: false };
    }
  }

  async #url(chunk: Digest, signal: AbortSignal): Promise<string> {
    const known = this.#urls.get(chunk);
    if (known !== undefined && Date.now() < known.untilMs) return known.url;
    await this.#sign([chunk], signal);
    const made = this.#urls.get(chunk);
    if (made === undefined) throw new FerryError("CHUNK_UNKNOWN", { revision: this.#holder.revision, chunk });
    return made.url;
  }

  async #sign(chunks: readonly Digest[], signal: AbortSignal): Promise<void> {
    const { repository, revision } = this.#holder;
    const batch: DownloadBatch = await this.#client.call(
      "download",
      { repository, params: { ref: revision }, body: { chunks: [...chunks] } },
      signal,
    );
    const untilMs = Date.now() + batch.expiresInSeconds * 1000 * FRESH_SHARE;
    for (const item of batch.items) this.#urls.set(item.sha256, { url: downloadUrl(batch, item), untilMs });
  }
}
