/** The chunk objects of one store: signed requests to them, and their lengths. Their bytes never pass here. */

import type { DownloadBatch } from "../../shared/contract/downloads.ts";
import type { TicketBatch, TicketMode } from "../../shared/contract/uploads.ts";
import type { Digest } from "../../shared/digest.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import { CHUNK_PREFIX, chunkPath } from "../registry/layout.ts";
import { pooled, STORE_WIDTH } from "../registry/pool.ts";
import type { ChunkContent, ChunkPlace, ChunkStore, Hasher } from "../registry/ports.ts";
import { attempt, type Wire } from "./attempt.ts";
import { NoAnswer, StoreAnswer, unavailable } from "./failure.ts";
import { below, dialectOf, ownPlace, publicPlace, type S3Profile } from "./profile.ts";
import { type Member, PAYLOAD_HEADER, type Signer, UNSIGNED_PAYLOAD } from "./signer.ts";
import { signDownloads, signTickets, type TicketItem } from "./tickets.ts";

/** How many times the limit of a small request a chunk may take: 68 MiB at a megabyte a second. */
const READ_LIMITS = 7;

export class S3ChunkStore implements ChunkStore {
  readonly #profile: S3Profile;
  readonly #signer: Signer;
  readonly #wire: Wire;
  readonly #hasher: Hasher;

  constructor(profile: S3Profile, signer: Signer, wire: Wire, hasher: Hasher) {
    this.#profile = profile;
    this.#signer = signer;
    this.#wire = wire;
    this.#hasher = hasher;
  }

  tickets(mode: TicketMode, places: readonly ChunkPlace[]): Promise<TicketBatch> {
    const items = places.map(({ sha256, size, tag, md5 }): TicketItem => ({ sha256, size, path: chunkPath(sha256, tag), md5 }));
    const place = below(publicPlace(this.#profile), CHUNK_PREFIX);
    return signTickets(this.#signer, { mode, place, dialect: dialectOf(this.#profile), items });
  }

  downloads(places: readonly { sha256: Digest; tag: string }[]): Promise<DownloadBatch> {
    const items = places.map(({ sha256, tag }) => ({ sha256, path: chunkPath(sha256, tag) }));
    return signDownloads(this.#signer, { store: this.#profile.id, place: below(publicPlace(this.#profile), CHUNK_PREFIX), items });
  }

  content({ sha256, tag }: { sha256: Digest; tag: string }): Promise<ChunkContent | null> {
    return this.#unlessAbsent(async () => {
      const place = below(ownPlace(this.#profile), CHUNK_PREFIX);
      const items = [{ sha256, path: chunkPath(sha256, tag) }];
      const batch = await signDownloads(this.#signer, { store: this.#profile.id, place, items });
      const urls = batch.items.map((item) => downloadUrl(batch, item));
      const signal = AbortSignal.timeout(READ_LIMITS * this.#wire.timeoutMs);
      const answer = await this.#wire.fetch(urls[0] ?? "", { signal, redirect: "manual" });
      if (answer.status !== 200 || answer.body === null) {
        // Nobody waits for the rest of a refusal.
        answer.body?.cancel().catch(() => {});
        throw new StoreAnswer({ status: answer.status });
      }
      return this.#hasher.sha256(answer.body);
    });
  }

  async lengths(places: readonly ChunkPlace[]): Promise<(number | null)[]> {
    const place = below(ownPlace(this.#profile), CHUNK_PREFIX);
    const family = { method: "HEAD", place, headers: { [PAYLOAD_HEADER]: UNSIGNED_PAYLOAD }, varying: [] };
    const members = places.map(({ sha256, tag }): Member => ({ path: chunkPath(sha256, tag), values: [] }));
    const { headers, authorization, signatures } = await this.#signer.authorize(family, members);
    const requests = members.map(({ path }, at) => ({
      url: place.origin + place.path + path,
      headers: { ...headers, authorization: authorization + (signatures[at] ?? "") },
    }));
    return pooled(requests, STORE_WIDTH, (request) => this.#length(request));
  }

  #length({ url, headers }: { url: string; headers: Record<string, string> }): Promise<number | null> {
    return this.#unlessAbsent(async () => {
      const signal = AbortSignal.timeout(this.#wire.timeoutMs);
      const answer = await this.#wire.fetch(url, { method: "HEAD", headers, signal, redirect: "manual" });
      if (answer.status !== 200) throw new StoreAnswer({ status: answer.status });
      return contentLength(answer);
    });
  }

  /** Null when the store answers 404. */
  async #unlessAbsent<T>(act: () => Promise<T>): Promise<T | null> {
    const { id } = this.#profile;
    try {
      return await attempt(this.#wire, id, act);
    } catch (failure) {
      if (!(failure instanceof StoreAnswer)) throw failure;
      if (failure.status === 404) return null;
      throw unavailable(id, failure.message);
    }
  }
}

function contentLength(answer: Response): number {
  const length = answer.headers.get("content-length");
  if (length === null || !/^\d+$/.test(length)) throw new NoAnswer("an answer without a length");
  return Number(length);
}
