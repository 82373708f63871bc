/**
 * Stores in memory, for tests of the domain and of clients. Real implementations of the ports: what they refuse, real stores refuse.
 * Tickets and downloads point to `https://<store id>.memory.test/`; `MemoryStores.fetch` answers there, `putChunk` is the short way.
 */
import { createHash } from "node:crypto";
import { CHUNK_PREFIX, chunkPath } from "../../functions/registry/layout.ts";
import type {
  Bucket,
  ChunkContent,
  ChunkCopier,
  ChunkPlace,
  ChunkStore,
  Clock,
  ObjectInfo,
  Objects,
  Store,
  StoreProfile,
  Stores,
  WriteMode,
} from "../../functions/registry/ports.ts";
import type { DownloadBatch } from "../../shared/contract/downloads.ts";
import type { ProbeResult, SetupResult } from "../../shared/contract/stores.ts";
import { TICKET_SECONDS, type TicketBatch, type TicketMode } from "../../shared/contract/uploads.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { StoreId } from "../../shared/names.ts";
import { downloadUrl, type SignedRequest, ticketRequest } from "../../shared/tickets.ts";
import { isoTime } from "../../shared/time.ts";

/**
 * `ids`: one store each, the first is home (default: home). `modes`: what their probe has proven, null: never probed (default:
 * payload). `clock`: default the machine's.
 */
export type MemoryStoresOptions = { ids?: readonly string[]; modes?: readonly TicketMode[] | null; clock?: Clock };

export class MemoryStores implements Stores {
  readonly home: MemoryStore;
  readonly #stores: ReadonlyMap<string, MemoryStore>;

  constructor({ ids = ["home"], modes = ["payload"], clock = { now: () => Date.now() } }: MemoryStoresOptions) {
    this.#stores = new Map(ids.map((id) => [id, new MemoryStore(StoreId.parse(id), modes, clock)]));
    this.home = this.get(ids[0] ?? "");
  }

  all(): readonly MemoryStore[] {
    return [...this.#stores.values()];
  }

  get(id: string): MemoryStore {
    const store = this.#stores.get(id);
    if (store === undefined) throw new FerryError("STORE_UNKNOWN", { store: id });
    return store;
  }

  /** A `fetch` that serves the tickets and downloads of these stores, and nothing else (404). */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const [id] = new URL(request.url).hostname.split(".");
    const store = this.#stores.get(id ?? "");
    return store === undefined ? new Response(null, { status: 404 }) : store.handle(request);
  };
}

export function memoryStores(options: MemoryStoresOptions = {}): MemoryStores {
  return new MemoryStores(options);
}

export class MemoryStore implements Store {
  readonly profile: StoreProfile;
  readonly bucket: MemoryBucket;
  readonly chunks: MemoryChunkStore;
  readonly objects: Objects;
  readonly #clock: Clock;
  #probe: ProbeResult | null;

  constructor(id: StoreId, modes: readonly TicketMode[] | null, clock: Clock) {
    this.profile = { id, provider: "memory", endpoint: `https://${id}.memory.test`, region: "memory", bucket: id, prefix: "" };
    this.bucket = new MemoryBucket(clock);
    this.chunks = new MemoryChunkStore(this.profile, this.bucket, clock);
    this.objects = memoryObjects(this.profile, this.bucket);
    this.#clock = clock;
    this.#probe = modes === null ? null : probeResult(id, modes, clock);
  }

  async probed(): Promise<ProbeResult | null> {
    return this.#probe;
  }

  async probe(): Promise<ProbeResult> {
    this.#probe = probeResult(StoreId.parse(this.profile.id), ["payload", "checksum", "md5"], this.#clock);
    return this.#probe;
  }

  async setup(): Promise<SetupResult> {
    return { store: this.profile.id, steps: [] };
  }

  /** "Uploads" by the last ticket given for `path`; the status a store would answer: 200, 400, 403 or 412. */
  putChunk(path: string, bytes: Uint8Array): Promise<number> {
    const ticket = this.chunks.lastTicket(path);
    return ticket === null ? Promise.resolve(403) : this.chunks.store(ticket, bytes);
  }

  /** One HTTP request of a client: PUT with a ticket, or GET with or without a Range. */
  async handle(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === "PUT" && searchParams.has("length")) {
      const bytes = new Uint8Array(await request.arrayBuffer());
      if (String(bytes.length) !== searchParams.get("length")) return new Response(null, { status: 403 });
      await this.bucket.put(pathname.slice(1), bytes);
      return new Response(null, { headers: { etag: `"${hash("md5", "hex", bytes)}"` } });
    }
    if (request.method === "PUT") {
      const ticket = this.chunks.ticketOf(request);
      const bytes = new Uint8Array(await request.arrayBuffer());
      return new Response(null, { status: ticket === null ? 403 : await this.chunks.store(ticket, bytes) });
    }
    const path = request.method === "GET" ? this.chunks.downloadOf(request.url) : null;
    if (path === null) return new Response(null, { status: 403 });
    const bytes = this.bucket.peek(CHUNK_PREFIX + path);
    return bytes === null ? new Response(null, { status: 404 }) : rangeAnswer(bytes, request.headers.get("range"));
  }
}

/** Its PUT URLs are opened by `handle`: their query says the length that is allowed. */
function memoryObjects(profile: StoreProfile, bucket: MemoryBucket): Objects {
  return {
    async open(key, { offset, length }) {
      const bytes = bucket.peek(key);
      return bytes === null ? null : new Blob([bytes.slice(offset, offset + length)]).stream();
    },
    async putUrls(items) {
      return items.map(({ key, sizeBytes }) => `${profile.endpoint}/${key}?length=${sizeBytes}`);
    },
  };
}

function rangeAnswer(bytes: Uint8Array, range: string | null): Response {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  if (from === undefined) return new Response(Buffer.from(bytes));
  const start = Number(from);
  const end = to === undefined || to === "" ? bytes.length : Math.min(Number(to) + 1, bytes.length);
  if (start >= end) return new Response(null, { status: 416, headers: { "content-range": `bytes */${bytes.length}` } });
  const headers = { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` };
  return new Response(Buffer.from(bytes.subarray(start, end)), { status: 206, headers });
}

/** Objects in a map. Hands out and keeps copies, so that nobody changes a stored object. */
export class MemoryBucket implements Bucket {
  readonly #objects = new Map<string, { bytes: Uint8Array; modifiedAtMs: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async create(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    if (this.#objects.has(key)) return "exists";
    await this.put(key, bytes);
    return "created";
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#objects.set(key, { bytes: bytes.slice(), modifiedAtMs: this.#clock.now() });
  }

  async get(key: string): Promise<Uint8Array | null> {
    return this.#objects.get(key)?.bytes.slice() ?? null;
  }

  /** The stored bytes themselves, for who copies what it needs of them. */
  peek(key: string): Uint8Array | null {
    return this.#objects.get(key)?.bytes ?? null;
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const object = this.#objects.get(key);
    return object === undefined ? null : { key, sizeBytes: object.bytes.length, modifiedAtMs: object.modifiedAtMs };
  }

  async list(prefix: string, { after = "", limit = 1000 }: { after?: string; limit?: number } = {}) {
    // Stores order keys by UTF-8 bytes; for the ASCII keys of layout.ts that is the order of JavaScript's strings.
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const heads = await Promise.all(keys.slice(0, limit).map((key) => this.head(key)));
    return { objects: heads.filter((head) => head !== null), more: keys.length > limit };
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#objects.delete(key);
  }
}

/** A ticket that was given: the request that it allows, until when. */
type Ticket = { place: ChunkPlace; path: string; mode: TicketMode; request: SignedRequest; expiresAtMs: number };

export class MemoryChunkStore implements ChunkStore {
  readonly #profile: StoreProfile;
  readonly #bucket: MemoryBucket;
  readonly #clock: Clock;
  readonly #tickets: Ticket[] = [];
  readonly #downloads = new Map<string, { path: string; expiresAtMs: number }>();

  constructor(profile: StoreProfile, bucket: MemoryBucket, clock: Clock) {
    this.#profile = profile;
    this.#bucket = bucket;
    this.#clock = clock;
  }

  async tickets(mode: TicketMode, places: readonly ChunkPlace[]): Promise<TicketBatch> {
    const expiresAtMs = this.#expiry();
    const items = places.map(({ sha256, size, tag, md5 }) => {
      const path = chunkPath(sha256, tag);
      const signature = hash("sha256", "hex", [mode, path, size, md5, expiresAtMs].join(" "));
      return { sha256, size, path, signature, ...(mode === "md5" && md5 !== undefined ? { md5 } : {}) };
    });
    const batch: TicketBatch = {
      mode,
      base: this.#base,
      query: mode === "payload" ? "" : `X-Amz-Date=${isoTime(expiresAtMs)}`,
      authorization: mode === "payload" ? "AWS4-HMAC-SHA256 Signature=" : "",
      headers: { "if-none-match": "*" },
      expiresInSeconds: TICKET_SECONDS,
      items,
    };
    for (const [at, place] of places.entries()) {
      const item = items[at];
      if (item !== undefined) this.#tickets.push({ place, path: item.path, mode, request: ticketRequest(batch, item), expiresAtMs });
    }
    return batch;
  }

  async downloads(places: readonly { sha256: Digest; tag: string }[]): Promise<DownloadBatch> {
    const expiresAtMs = this.#expiry();
    const items = places.map(({ sha256, tag }) => {
      const path = chunkPath(sha256, tag);
      return { sha256, path, signature: hash("sha256", "hex", `GET ${path} ${expiresAtMs}`) };
    });
    const store = StoreId.parse(this.#profile.id);
    const query = "response-content-type=application%2Foctet-stream";
    const batch: DownloadBatch = { store, base: this.#base, query, expiresInSeconds: TICKET_SECONDS, items };
    for (const item of items) this.#downloads.set(downloadUrl(batch, item), { path: item.path, expiresAtMs });
    return batch;
  }

  async content(place: { sha256: Digest; tag: string }): Promise<ChunkContent | null> {
    const bytes = await this.#bucket.get(CHUNK_PREFIX + chunkPath(place.sha256, place.tag));
    return bytes === null ? null : { sha256: hash("sha256", "hex", bytes) as Digest, sizeBytes: bytes.length };
  }

  async read({ sha256, tag }: { sha256: Digest; tag: string }): Promise<ReadableStream<Uint8Array> | null> {
    const bytes = await this.#bucket.get(CHUNK_PREFIX + chunkPath(sha256, tag));
    return bytes === null ? null : new Blob([Buffer.from(bytes)]).stream();
  }

  async write(mode: WriteMode, { sha256, size, tag }: ChunkPlace, body: ReadableStream<Uint8Array>) {
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    if (bytes.length !== size || (mode !== "unchecked" && hash("sha256", "hex", bytes) !== sha256)) return "refused";
    return (await this.#bucket.create(CHUNK_PREFIX + chunkPath(sha256, tag), bytes)) === "created" ? "stored" : "exists";
  }

  /** Two of one endpoint; `MemoryStores` gives each store one of its own. */
  copierFrom(source: ChunkStore): ChunkCopier | null {
    if (!(source instanceof MemoryChunkStore) || source.#profile.endpoint !== this.#profile.endpoint) return null;
    return async (from, { sha256, tag }) => {
      const bytes = await source.#bucket.get(CHUNK_PREFIX + chunkPath(from.sha256, from.tag));
      if (bytes !== null) await this.#bucket.put(CHUNK_PREFIX + chunkPath(sha256, tag), bytes);
      return bytes !== null;
    };
  }

  async lengths(places: readonly ChunkPlace[]): Promise<(number | null)[]> {
    const heads = places.map((place) => this.#bucket.head(CHUNK_PREFIX + chunkPath(place.sha256, place.tag)));
    return (await Promise.all(heads)).map((head) => head?.sizeBytes ?? null);
  }

  /** The unexpired ticket whose URL and signed headers a PUT shows. */
  ticketOf({ url, headers }: Request): Ticket | null {
    const shows = ({ request }: Ticket): boolean =>
      new URL(request.url).href === url && Object.entries(request.headers).every(([name, value]) => headers.get(name) === value);
    return this.#tickets.findLast((ticket) => shows(ticket) && this.#clock.now() <= ticket.expiresAtMs) ?? null;
  }

  lastTicket(path: string): Ticket | null {
    return this.#tickets.findLast((ticket) => ticket.path === path && this.#clock.now() <= ticket.expiresAtMs) ?? null;
  }

  /** The path that an unexpired download URL is for. */
  downloadOf(url: string): string | null {
    const download = this.#downloads.get(url);
    return download !== undefined && this.#clock.now() <= download.expiresAtMs ? download.path : null;
  }

  /** The status that a store answers to the body of a PUT. */
  async store({ place, path, mode }: Ticket, bytes: Uint8Array): Promise<number> {
    if (bytes.length !== place.size) return 403;
    const right = mode === "md5" ? hash("md5", "base64", bytes) === place.md5 : hash("sha256", "hex", bytes) === place.sha256;
    if (!right) return 400;
    return (await this.#bucket.create(CHUNK_PREFIX + path, bytes)) === "created" ? 200 : 412;
  }

  get #base(): string {
    return `${this.#profile.endpoint}/${CHUNK_PREFIX}`;
  }

  #expiry(): number {
    return this.#clock.now() + TICKET_SECONDS * 1000;
  }
}

function probeResult(store: StoreId, modes: readonly TicketMode[], clock: Clock): ProbeResult {
  const proven = { createOnly: true, listAfterPut: true, rangeReads: true, clockSkewSeconds: 0, checks: [] };
  return { v: 1, store, probedAt: isoTime(clock.now()), modes: [...modes], ...proven };
}

function hash(algorithm: string, encoding: "hex" | "base64", data: Uint8Array | string): string {
  return createHash(algorithm).update(data).digest(encoding);
}
