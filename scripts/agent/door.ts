/**
 * The agent's door, for pods of its machine and for other agents.
 *
 *   GET  /v1/chunks/<sha256>?size=&repository=&revision=&ticket=   the chunk's bytes, whole or a range; brought first when it is not here
 *        &as=path                                                  instead: where its file is, once it is whole
 *        &as=path&wait=4                                           or, after so many seconds, how far it is (202): then ask again
 *        &as=progress                                              instead: how much of it is here
 *        &checks=self                                              the reader hashes for itself: it may have bytes as they come
 *   POST /v1/chunks/<sha256>?…                                     a reader found the file wrong: it is read again, and dropped if so
 *   GET  /v1/agent                                                 who this is, and where its cache is
 *   GET  /healthz /readyz /metrics
 *
 * Whoever does not say `checks=self` gets only chunks whose file was read and hashed for this very answer. A name in the Host header
 * that is not this machine's is refused: a web page must not reach the door by a name that it controls.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { Bringer } from "./bring.ts";
import type { Cache } from "./cache.ts";
import { CHUNKS_PATH, type ChunkQuestion, parseChunkAddress } from "./chunk-address.ts";
import type { ChunkFile } from "./chunk-file.ts";
import type { Log } from "./log.ts";
import { ChunkReaders } from "./readers.ts";
import { SendBuffers, sendFile, sendFilling } from "./sending.ts";

/** Answers with bytes at once; more are told to ask somebody else, or later. */
const SENDING_MAX = 256;
/** A path that was told stays good for so long, whatever the cache needs room for. */
const PATH_PIN_MS = 15_000;

export type DoorCounts = {
  requests: number;
  refused: number;
  busy: number;
  servedBytes: number;
  hits: number;
  misses: number;
  paths: number;
};

export type DoorParts = {
  cache: Cache;
  bringer: Bringer;
  ticketProblem: (question: ChunkQuestion) => Promise<string | null>;
  about: () => object;
  metrics: () => string;
  isReady: () => boolean;
  /** Names by which it is known, beside addresses and localhost. */
  hosts: readonly string[];
  nowMs: () => number;
  log: Log;
};

export class Door {
  readonly #parts: DoorParts;
  readonly #buffers = new SendBuffers();
  readonly #readers = new ChunkReaders();
  readonly #hosts: ReadonlySet<string>;
  readonly counts: DoorCounts = { requests: 0, refused: 0, busy: 0, servedBytes: 0, hits: 0, misses: 0, paths: 0 };
  #sending = 0;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#hosts = new Set(["localhost", hostname().toLowerCase(), ...parts.hosts.map((host) => host.toLowerCase())]);
  }

  server(): Server {
    const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 30_000 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => this.#refuse(response, error));
    });
    return server;
  }

  get sending(): number {
    return this.#sending;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.counts.requests++;
    if (!this.isOurs(request)) return text(response, 421, "this agent has another name\n");
    const url = new URL(request.url ?? "/", "http://agent");
    const { method = "GET" } = request;
    if (url.pathname.startsWith(CHUNKS_PATH)) return this.#chunk(method, url, request, response);
    if (method !== "GET" && method !== "HEAD") return text(response, 405, "GET only\n");
    const { about, metrics, isReady } = this.#parts;
    if (url.pathname === "/healthz") return text(response, 200, "ok\n");
    if (url.pathname === "/readyz") return text(response, isReady() ? 200 : 503, isReady() ? "ready\n" : "not ready\n");
    if (url.pathname === "/metrics") return text(response, 200, metrics(), "text/plain; version=0.0.4; charset=utf-8");
    if (url.pathname === "/v1/agent") return json(response, 200, about());
    return text(response, 404, "there is nothing here\n");
  }

  async #chunk(method: string, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const question = parseChunkAddress(url);
    if (question === null) return text(response, 400, "that is no chunk's address\n");
    if (method !== "GET" && method !== "POST") return text(response, 405, "GET or POST\n");
    const problem = await this.#parts.ticketProblem(question);
    if (problem !== null) throw new FerryError("AGENT_TICKET_INVALID", { problem });
    if (method === "POST") return json(response, 200, { isRight: await this.#parts.cache.check(question, { again: true }) });
    if (question.as === "path") return this.#path(question, response);
    if (question.as === "progress") {
      return json(response, 200, { bytes: this.#progress(question), readers: this.#readers.of(question.sha256) });
    }
    if (question.only === "here" && this.#progress(question) === 0) return text(response, 404, "it is not here\n");
    const range = rangeOf(request.headers.range, question.size);
    if (range === null) return text(response, 416, "not within the chunk\n");
    const isAgent = question.from !== "";
    if (this.#sending >= SENDING_MAX || (isAgent && this.#readers.isFull(question.sha256))) {
      this.counts.busy++;
      response.setHeader("retry-after", "1");
      return text(response, 503, "busy\n");
    }
    this.#sending++;
    const end = isAgent ? this.#readers.begin(question.sha256, question.from) : () => {};
    let isWhole = false;
    try {
      isWhole = await this.#content(question, range, response);
    } finally {
      this.#sending--;
      end(isWhole);
    }
  }

  /** Until the file is whole; then where it is. Who does not want to wait so long is told what moved meanwhile. */
  async #path(question: ChunkQuestion, response: ServerResponse): Promise<void> {
    const { cache, bringer, nowMs } = this.#parts;
    const isHit = cache.has(question);
    this.#count(isHit);
    const bringing = bringer.bring(question, "live");
    if (question.wait > 0 && !(await endsWithin(bringing, question.wait * 1000))) {
      const { originBytes, peerBytes, originChunks, peerChunks } = bringer.counts;
      // Chunks that become whole count, too: a busy disk takes longer to keep them than the network to bring them.
      const brought = originBytes + peerBytes + originChunks + peerChunks;
      return json(response, 202, { bytes: this.#progress(question), brought });
    }
    await bringing;
    cache.pin(question.sha256, "paths", nowMs() + PATH_PIN_MS);
    // Counts as a use, and finds out whether somebody removed the file.
    const file = cache.read(question);
    if (file === null)
      throw new FerryError("TRANSFER_FAILED", { what: `chunk ${question.sha256}`, problem: "it is not in the cache any more" });
    file.close();
    this.counts.paths++;
    json(response, 200, { path: cache.folder.chunkPath(question.sha256), isHit });
  }

  #progress(question: ChunkQuestion): number {
    const { cache, bringer } = this.#parts;
    return cache.has(question) ? question.size : bringer.bytesOf(question.sha256);
  }

  /** Whether the reader got all of it. */
  async #content(question: ChunkQuestion, range: Range, response: ServerResponse): Promise<boolean> {
    const { cache, bringer } = this.#parts;
    if (question.checks === "agent") {
      await bringer.bring(question, "live");
      if (!(await cache.check(question, { again: true }))) await bringer.bring(question, "live");
    }
    const { from, to } = range;
    const onBytes = (bytes: number) => {
      this.counts.servedBytes += bytes;
    };
    const sent = { from, to, buffers: this.#buffers, onBytes };
    const onFirst = () => head(response, range, question.size);
    this.#count(cache.has(question));
    const file = cache.read(question) ?? (await this.#whenClosed(question));
    if (file === null) {
      // The head when the first bytes are there: until then a failure can be told, and another be asked.
      const isSent = await sendFilling(response, bringer.fly(question, "live").filling, sent, onFirst);
      if (isSent) response.end();
      return isSent;
    }
    onFirst();
    try {
      const isSent = await sendFile(response, file, sent);
      if (isSent) response.end();
      return isSent;
    } finally {
      file.close();
    }
  }

  /** A chunk whose last byte came a moment ago is no longer coming, and not yet entered. */
  async #whenClosed(question: ChunkQuestion): Promise<ChunkFile | null> {
    const { cache, bringer } = this.#parts;
    const flight = bringer.fly(question, "live");
    if (!flight.filling.isClosed) return null;
    await flight.done;
    return cache.read(question);
  }

  #count(isHit: boolean): void {
    if (isHit) this.counts.hits++;
    else this.counts.misses++;
  }

  /** Whether it asks by a name that this machine has. */
  isOurs({ headers, socket }: IncomingMessage): boolean {
    // A socket of the file system is reached by no name.
    if (socket.remoteAddress === undefined) return true;
    const host = (headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
    return isIP(host.replace(/^\[|\]$/g, "")) !== 0 || this.#hosts.has(host);
  }

  #refuse(response: ServerResponse, error: unknown): void {
    const told = error instanceof FerryError ? error : new FerryError("INTERNAL", { problem: problemOf(error) });
    this.counts.refused++;
    if (told.status >= 500) this.#parts.log({ event: "request.failed", code: told.code, problem: told.message });
    if (response.headersSent) return void response.destroy();
    json(response, told.status, { code: told.code, detail: told.message, next: told.next });
  }
}

/** Throws what the work throws, when it ends in time. */
async function endsWithin(work: Promise<void>, limitMs: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), limitMs);
  // Nobody may be there any more to hear of a failure.
  work.catch(() => {});
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

type Range = { from: number; to: number; isWhole: boolean };

/** `bytes=a-b` and `bytes=a-`, as our own readers ask. Null: not within the chunk. */
function rangeOf(header: string | undefined, size: number): Range | null {
  if (header === undefined) return { from: 0, to: size, isWhole: true };
  const [, first = "", last = ""] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header) ?? [];
  const from = Number(first);
  const to = last === "" ? size : Math.min(size, Number(last) + 1);
  return first === "" || from >= to ? null : { from, to, isWhole: false };
}

function head(response: ServerResponse, { from, to, isWhole }: Range, size: number): void {
  const ranges: Record<string, string> = isWhole ? {} : { "content-range": `bytes ${from}-${to - 1}/${size}` };
  response.writeHead(isWhole ? 200 : 206, {
    "content-type": "application/octet-stream",
    "content-length": String(to - from),
    "accept-ranges": "bytes",
    "cache-control": "no-store",
    ...ranges,
  });
}

function text(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": String(Buffer.byteLength(body)),
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

function json(response: ServerResponse, status: number, body: object): void {
  text(response, status, `${JSON.stringify(body)}\n`, "application/json");
}
