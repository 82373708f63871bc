/**
 * Stands between a client and a store and does to chosen requests what networks and stores do: reference/safety.md §6. It keeps count,
 * so that a test can assert that the faults it speaks of really happened. Host headers pass unchanged: signatures cover them.
 */
import {
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

export type Fault =
  | { kind: "delay"; ms: number }
  | { kind: "status"; status: number; code?: string; retryAfterSeconds?: number }
  /** The connection ends before the store sees the request. */
  | { kind: "reset-before" }
  /** The store does it; the answer is lost. */
  | { kind: "apply-then-reset" }
  /** The answer ends after so many bytes of its body. */
  | { kind: "truncate"; bytes: number }
  /** One bit of the answer's body is wrong. */
  | { kind: "flip" }
  /** One bit of the request's body is wrong. */
  | { kind: "flip-request" }
  /** The request's body is that of the one before to which the same was done; of the first one a bit is wrong. */
  | { kind: "swap-request" }
  /** The store sends the whole although a range was asked for. */
  | { kind: "ignore-range" }
  | { kind: "slow"; bytesPerSecond: number }
  /** After so many bytes of the body nothing comes any more, and the connection stays open. */
  | { kind: "stall"; bytes: number }
  /** After so many bytes of the request's body nothing is read any more, and the connection stays open. */
  | { kind: "stall-request"; bytes: number }
  /** After so many bytes of the request's body the connection ends. */
  | { kind: "cut-request"; bytes: number }
  /** A page for people, as a captive portal sends it, with status 200. */
  | { kind: "portal" }
  | { kind: "gzip" };

export type FaultRule = {
  verb?: "GET" | "PUT" | "HEAD";
  /** Of the path. */
  prefix?: string;
  /** Which requests of those that match, from 1; and with what probability. Left out: all. */
  nth?: (n: number) => boolean;
  probability?: number;
  fault: Fault;
};

export class FaultProxy {
  /** Requests by verb, and faults by kind. */
  readonly requests: Record<string, number> = {};
  readonly faults: Record<string, number> = {};
  rules: FaultRule[];
  endpoint = "";
  /** Bytes of bodies of answers to GETs that left here. */
  sentBytes = 0;
  #upstream: URL;
  readonly #server: Server;
  readonly #random: () => number;
  readonly #seen = new Map<FaultRule, number>();
  #swapped: Buffer | null = null;

  private constructor(upstream: string, { rules = [], seed = 1 }: FaultProxyOptions) {
    this.#upstream = new URL(upstream);
    this.rules = rules;
    this.#random = seeded(seed);
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  static async start(upstream: string, options: FaultProxyOptions = {}): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream, options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.endpoint = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  /** What it stands before from now on. */
  retarget(upstream: string): void {
    this.#upstream = new URL(upstream);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  faultCount(...kinds: Fault["kind"][]): number {
    const counted = kinds.length === 0 ? Object.keys(this.faults) : kinds;
    return counted.reduce((sum, kind) => sum + (this.faults[kind] ?? 0), 0);
  }

  requestCount(verb: string): number {
    return this.requests[verb] ?? 0;
  }

  resetCounts(): void {
    for (const counts of [this.requests, this.faults]) for (const key of Object.keys(counts)) delete counts[key];
    this.sentBytes = 0;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const verb = request.method ?? "";
    this.requests[verb] = this.requestCount(verb) + 1;
    const fault = this.#choose(verb, request.url ?? "");
    if (fault !== null) this.faults[fault.kind] = (this.faults[fault.kind] ?? 0) + 1;
    if (fault?.kind === "delay") await sleep(fault.ms);
    if (fault?.kind === "reset-before") request.socket.destroy();
    else if (fault?.kind === "status") refuse(request, response, fault);
    else if (fault?.kind === "portal") portal(request, response);
    else if (fault?.kind === "stall-request" || fault?.kind === "cut-request") await swallow(request, fault);
    else this.#forward({ request, response, fault });
  }

  #choose(verb: string, path: string): Fault | null {
    for (const rule of this.rules) {
      if (rule.verb !== undefined && rule.verb !== verb) continue;
      if (rule.prefix !== undefined && !path.startsWith(rule.prefix)) continue;
      const n = (this.#seen.get(rule) ?? 0) + 1;
      this.#seen.set(rule, n);
      if (rule.nth !== undefined && !rule.nth(n)) continue;
      if (rule.probability !== undefined && this.#random() >= rule.probability) continue;
      return rule.fault;
    }
    return null;
  }

  #forward({ request, response, fault }: Forwarding): void {
    const headers = { ...request.headers };
    if (fault?.kind === "ignore-range") delete headers.range;
    const { hostname, port } = this.#upstream;
    const outgoing = httpRequest({ hostname, port, method: request.method ?? "GET", path: request.url ?? "/", headers, agent: false });
    outgoing.on("error", () => response.destroy());
    outgoing.on("response", (incoming) => {
      this.#answer({ request, response, incoming, fault }).catch(() => response.destroy());
    });
    response.on("close", () => outgoing.destroy());
    const sending =
      fault?.kind === "swap-request" ? this.#swap(request, outgoing) : pass(request, outgoing, fault?.kind === "flip-request");
    void sending.catch(() => outgoing.destroy());
  }

  async #swap(request: IncomingMessage, outgoing: ClientRequest): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const other = this.#swapped;
    this.#swapped = body;
    outgoing.end(other?.length === body.length ? other : flipped(body));
  }

  async #answer({ request, response, incoming, fault }: Answering): Promise<void> {
    if (fault?.kind === "apply-then-reset") {
      for await (const _ of incoming);
      request.socket.destroy();
      return;
    }
    if (fault?.kind === "gzip") return zipped(response, incoming);
    response.writeHead(incoming.statusCode ?? 502, incoming.headers);
    let sent = 0;
    for await (const piece of incoming as AsyncIterable<Buffer>) {
      const bytes = shaped(piece, sent, fault);
      if (bytes.length > 0 && !response.write(bytes)) await drained(response);
      sent += bytes.length;
      if (request.method === "GET") this.sentBytes += bytes.length;
      if (fault?.kind === "stall" && sent >= fault.bytes) return;
      if (fault?.kind === "truncate" && sent >= fault.bytes) {
        // What was written still arrives.
        request.socket.end();
        return;
      }
      if (fault?.kind === "slow") await sleep((1000 * bytes.length) / fault.bytesPerSecond);
      if (response.destroyed) return;
    }
    response.end();
  }
}

export type FaultProxyOptions = { rules?: FaultRule[]; seed?: number };
type Forwarding = { request: IncomingMessage; response: ServerResponse; fault: Fault | null };
type Answering = Forwarding & { incoming: IncomingMessage };

/** Bytes of an answer's body after `sent` others, as the fault leaves them. */
function shaped(piece: Buffer, sent: number, fault: Fault | null): Buffer {
  if (fault?.kind === "flip" && sent === 0) return flipped(piece);
  if (fault?.kind === "truncate" || fault?.kind === "stall") return piece.subarray(0, Math.max(0, fault.bytes - sent));
  return piece;
}

/** Reads so many bytes of the body and no more. Nothing of them reaches the store. */
async function swallow(request: IncomingMessage, fault: Fault & { kind: "stall-request" | "cut-request" }): Promise<void> {
  let read = 0;
  await new Promise<void>((resolve) => {
    request.on("close", resolve).on("data", (bytes: Buffer) => {
      read += bytes.length;
      if (read < fault.bytes) return;
      request.pause();
      resolve();
    });
  });
  if (fault.kind === "cut-request") request.socket.destroy();
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.length >> 1;
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

async function pass(request: IncomingMessage, outgoing: ClientRequest, flip: boolean): Promise<void> {
  let isFirst = true;
  for await (const piece of request as AsyncIterable<Buffer>) {
    const bytes = flip && isFirst ? flipped(piece) : piece;
    isFirst = false;
    if (!outgoing.write(bytes)) await drained(outgoing);
  }
  outgoing.end();
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}

/** As stores do it: the rest of the request is read, so that the connection can be used again. */
function refuse(request: IncomingMessage, response: ServerResponse, { status, code, retryAfterSeconds }: Fault & { kind: "status" }): void {
  request.resume();
  request.on("end", () => {
    response.writeHead(status, retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) });
    response.end(code === undefined ? "" : `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`);
  });
}

function portal(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Please log in</title>");
}

async function zipped(response: ServerResponse, incoming: IncomingMessage): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming as AsyncIterable<Buffer>) pieces.push(piece);
  const { "content-length": _, ...headers } = incoming.headers;
  response.writeHead(incoming.statusCode ?? 502, { ...headers, "content-encoding": "gzip" });
  response.end(gzipSync(Buffer.concat(pieces)));
}

/** mulberry32: chance that a test can repeat. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
