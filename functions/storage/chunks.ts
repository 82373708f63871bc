/** The chunk objects of one store: signed requests to them, and their lengths. Their bytes never pass here. */

import type { DownloadBatch } from "../../shared/contract/downloads.ts";
import type { TicketBatch, TicketMode } from "../../shared/contract/uploads.ts";
import type { Digest } from "../../shared/digest.ts";
import { ofLength } from "../../shared/fixed-length.ts";
import { downloadUrl, ticketRequest } from "../../shared/tickets.ts";
import { CHUNK_PREFIX, chunkPath } from "../registry/layout.ts";
import { pooled, STORE_WIDTH } from "../registry/pool.ts";
import type { ChunkContent, ChunkCopier, ChunkPlace, ChunkStore, Hasher, WriteMode } from "../registry/ports.ts";
import { attempt, type Wire } from "./attempt.ts";
import { NoAnswer, StoreAnswer, unavailable, understand } from "./failure.ts";
import { below, dialectOf, ownPlace, publicPlace, type S3Profile } from "./profile.ts";
import { type Member, PAYLOAD_HEADER, type Signer, UNSIGNED_PAYLOAD } from "./signer.ts";
import { signDownloads, signTickets, type TicketItem } from "./tickets.ts";

/** How many times the limit of a small request a chunk may take: 68 MiB at a megabyte a second. */
const READ_LIMITS = 7;
/** Whatever an uploader put on the object that is copied stays there. */
const COPY_HEADERS = {
  [PAYLOAD_HEADER]: UNSIGNED_PAYLOAD,
  "content-type": "application/octet-stream",
  "x-amz-metadata-directive": "REPLACE",
};

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
    return this.#unlessAbsent(async () => this.#hasher.sha256(await this.#open({ sha256, tag })));
  }

  async #open({ sha256, tag, size }: { sha256: Digest; tag: string; size?: number }): Promise<ReadableStream<Uint8Array>> {
    const place = below(ownPlace(this.#profile), CHUNK_PREFIX);
    const items = [{ sha256, path: chunkPath(sha256, tag) }];
    const batch = await signDownloads(this.#signer, { store: this.#profile.id, place, items });
    const urls = batch.items.map((item) => downloadUrl(batch, item));
    const signal = AbortSignal.timeout(READ_LIMITS * this.#wire.timeoutMs);
    const headers = size === undefined ? {} : { headers: { range: `bytes=0-${size - 1}` } };
    const answer = await this.#wire.fetch(urls[0] ?? "", { ...headers, signal, redirect: "manual" });
    if ((answer.status === 200 || answer.status === 206) && answer.body !== null) return answer.body;
    // Nobody waits for the rest of a refusal.
    answer.body?.cancel().catch(() => {});
    throw new StoreAnswer({ status: answer.status });
  }

  read(place: { sha256: Digest; tag: string; size?: number }): Promise<ReadableStream<Uint8Array> | null> {
    return this.#unlessAbsent(() => this.#open(place));
  }

  /** One try: the stream can't be read again. */
  async write(mode: WriteMode, place: ChunkPlace, body: ReadableStream<Uint8Array>): Promise<"stored" | "exists" | "refused"> {
    const { id } = this.#profile;
    const { url, headers } = mode === "unchecked" ? await this.#uncheckedPut(place) : await this.#ticketPut(mode, place);
    const signal = AbortSignal.timeout(READ_LIMITS * this.#wire.timeoutMs);
    const init = {
      method: "PUT",
      headers: { ...headers, "content-length": String(place.size) },
      body: ofLength(body, place.size),
      signal,
      duplex: "half" as const,
    };
    const answer = await this.#wire.fetch(url, init).catch((error: unknown) => {
      throw unavailable(id, understand(error).message);
    });
    const { status } = answer;
    await answer.body?.cancel().catch(() => {});
    if (status === 200 || status === 201 || status === 204) return "stored";
    if (status === 412 || status === 409) return "exists";
    if (status === 400) return "refused";
    throw unavailable(id, String(status));
  }

  async #ticketPut(mode: TicketMode, { sha256, size, tag }: ChunkPlace): Promise<{ url: string; headers: Record<string, string> }> {
    const items = [{ sha256, size, path: chunkPath(sha256, tag) }];
    const place = below(ownPlace(this.#profile), CHUNK_PREFIX);
    const batch = await signTickets(this.#signer, { mode, place, dialect: dialectOf(this.#profile), items });
    const [item] = batch.items;
    if (item === undefined) throw new RangeError("no ticket");
    return ticketRequest(batch, item);
  }

  async #uncheckedPut({ sha256, size, tag }: ChunkPlace): Promise<{ url: string; headers: Record<string, string> }> {
    const { createOnly, absent } = dialectOf(this.#profile);
    const place = below(ownPlace(this.#profile), CHUNK_PREFIX);
    const fixed = { [PAYLOAD_HEADER]: UNSIGNED_PAYLOAD, [createOnly.name]: createOnly.value };
    const family = { method: "PUT", place, headers: fixed, varying: ["content-length"], absent };
    const path = chunkPath(sha256, tag);
    const { headers, authorization, signatures } = await this.#signer.authorize(family, [{ path, values: [String(size)] }]);
    return { url: place.origin + place.path + path, headers: { ...headers, authorization: authorization + (signatures[0] ?? "") } };
  }

  /** One CopyObject a chunk: none is as large as the 5 GiB that it takes. */
  copierFrom(source: ChunkStore): ChunkCopier | null {
    if (!(source instanceof S3ChunkStore) || source.#profile.endpoint !== this.#profile.endpoint) return null;
    if (!source.#signer.hasKeysOf(this.#signer)) return null;
    const { bucket, prefix } = source.#profile;
    return ({ sha256, tag }, place) => this.#copy(`/${bucket}/${prefix}${CHUNK_PREFIX}${chunkPath(sha256, tag)}`, place);
  }

  async #copy(from: string, { sha256, tag }: ChunkPlace): Promise<boolean> {
    const { createOnly, fixed } = dialectOf(this.#profile);
    const place = below(ownPlace(this.#profile), CHUNK_PREFIX);
    const wanted = { ...Object.fromEntries([createOnly, ...fixed].map(({ name, value }) => [name, value])), ...COPY_HEADERS };
    const family = { method: "PUT", place, headers: { ...wanted, "x-amz-copy-source": from }, varying: [] };
    const path = chunkPath(sha256, tag);
    const { headers, authorization, signatures } = await this.#signer.authorize(family, [{ path, values: [] }]);
    const init = {
      method: "PUT",
      headers: { ...headers, authorization: authorization + (signatures[0] ?? "") },
      redirect: "manual" as const,
    };
    const signal = AbortSignal.timeout(READ_LIMITS * this.#wire.timeoutMs);
    const answer = await this.#wire.fetch(place.origin + place.path + path, { ...init, signal }).catch(() => null);
    // A copy that fails after it began is told in a body, under a status of 200.
    const text = await answer?.text().catch(() => null);
    return answer?.status === 412 || (answer?.status === 200 && text?.includes("<CopyObjectResult") === true);
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
