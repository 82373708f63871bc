/**
 * One connection to a store, for GETs whose bytes are many. Node's fetch makes a small array of each read and copies it twice; here reads go
 * into one buffer of the process, and from there into slabs that are handed on: a fifth of the processor time.
 *
 * Only the plainest answers are understood: HTTP/1.1 with a Content-Length. Whatever else comes is told as `foreign`.
 */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { KiB, MiB } from "../../shared/units.ts";

const READ_BYTES = MiB;
const SLAB_BYTES = 512 * KiB;
/** Slabs that may wait for their reader, beside the one that is filled. */
const WAITING_SLABS = 2;
const HEAD_BYTES_MAX = 32 * KiB;
const CONNECT_MS = 10_000;
const END_OF_HEAD = "\r\n\r\n";

/** What plain connections read into: no bytes stay in it. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

export class Foreign extends Error {}
/** The connection ended before a byte of an answer came. */
export class Unheard extends Error {}

type Waiting = { resolve: (answer: Response) => void; reject: (error: unknown) => void };
type Body = { controller: ReadableStreamDefaultController<Uint8Array>; leftBytes: number; slab: Buffer; filled: number };

export class RangeConnection {
  readonly #socket: Socket;
  #waiting: Waiting | null = null;
  #head: Buffer = Buffer.alloc(0);
  #body: Body | null = null;
  #staysOpen = true;
  /** Told when it is free again. */
  onFree: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", (error) => this.end(error));
    socket.on("close", () => this.end(new Error("the connection was closed")));
    socket.on("timeout", () => this.#idled());
  }

  static open(url: URL, signal: AbortSignal | undefined): Promise<RangeConnection> {
    return new Promise((resolve, reject) => {
      const made: { connection?: RangeConnection } = {};
      const take = (count: number, buffer: Uint8Array) => {
        made.connection?.take(buffer.subarray(0, count));
        return true;
      };
      const socket = socketTo(url, take);
      const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_MS / 1000} s`)), CONNECT_MS);
      const stop = () => socket.destroy(new Error("stopped"));
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
        socket.off("error", failed);
      };
      const failed = (error: Error) => {
        settle();
        reject(error);
      };
      signal?.addEventListener("abort", stop, { once: true });
      socket.once("error", failed);
      socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
        settle();
        made.connection = new RangeConnection(socket);
        resolve(made.connection);
      });
    });
  }

  get isFree(): boolean {
    return !this.#socket.destroyed && this.#staysOpen && this.#waiting === null && this.#body === null;
  }

  /** Throws Foreign, Unheard, and what the connection fails with. */
  ask(head: string): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.ref();
      // The end of the last body may have come with the bytes that made it pause.
      this.#socket.resume();
      this.#socket.write(head, "latin1");
    });
  }

  /** It keeps no process alive, and ends when nobody needs it. */
  rest(idleMs: number): void {
    this.#socket.setTimeout(idleMs);
    this.#socket.unref();
  }

  /** Somebody who waits, or reads slowly, is no reason to end. */
  #idled(): void {
    if (this.isFree) this.#socket.destroy();
  }

  /** Whoever waits hears of it. */
  end(problem: unknown): void {
    this.#socket.destroy();
    const [waiting, body] = [this.#waiting, this.#body];
    [this.#waiting, this.#body] = [null, null];
    waiting?.reject(this.#head.length === 0 && !(problem instanceof Foreign) ? new Unheard("no answer", { cause: problem }) : problem);
    body?.controller.error(problem);
  }

  /** Told of each read; the bytes are the socket's again when it returns. */
  take(bytes: Uint8Array): void {
    if (this.#body !== null) this.#fill(bytes);
    else if (this.#waiting === null) this.end(new Error("bytes that nobody asked for"));
    else this.#gatherHead(bytes);
  }

  #gatherHead(bytes: Uint8Array): void {
    this.#head = Buffer.concat([this.#head, bytes]);
    const end = this.#head.indexOf(END_OF_HEAD);
    if (end < 0 && this.#head.length > HEAD_BYTES_MAX) this.end(new Foreign("the head is too long"));
    if (end < 0) return;
    const rest = this.#head.subarray(end + END_OF_HEAD.length);
    this.#begin(this.#head.toString("latin1", 0, end));
    this.#head = Buffer.alloc(0);
    if (rest.length > 0) this.take(rest);
  }

  #begin(text: string): void {
    const answer = parseHead(text);
    if (answer === null) {
      this.end(new Foreign("the answer is of another kind"));
      return;
    }
    const { status, headers, lengthBytes } = answer;
    this.#staysOpen = !/\bclose\b/i.test(headers.get("connection") ?? "");
    const waiting = this.#waiting;
    this.#waiting = null;
    const stream = lengthBytes === 0 ? null : this.#stream(lengthBytes);
    if (stream === null) this.#freed();
    waiting?.resolve(new Response(stream, { status, headers }));
  }

  #stream(leftBytes: number): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#body = { controller, leftBytes, slab: Buffer.allocUnsafeSlow(Math.min(SLAB_BYTES, leftBytes)), filled: 0 };
        },
        pull: () => void this.#socket.resume(),
        // The rest is not wanted: to read it would cost more than another connection.
        cancel: () => {
          this.#body = null;
          this.#socket.destroy();
        },
      },
      { highWaterMark: WAITING_SLABS },
    );
  }

  #fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const body = this.#body;
      if (body === null) {
        this.end(new Error("bytes that nobody asked for"));
        return;
      }
      const count = Math.min(bytes.length - at, body.slab.length - body.filled);
      body.slab.set(bytes.subarray(at, at + count), body.filled);
      body.filled += count;
      body.leftBytes -= count;
      at += count;
      if (body.filled === body.slab.length) this.#handOn(body);
    }
  }

  #handOn(body: Body): void {
    body.controller.enqueue(body.slab);
    if (body.leftBytes === 0) {
      body.controller.close();
      this.#body = null;
      this.#freed();
      return;
    }
    body.slab = Buffer.allocUnsafeSlow(Math.min(SLAB_BYTES, body.leftBytes));
    body.filled = 0;
    if ((body.controller.desiredSize ?? 0) <= 0) this.#socket.pause();
  }

  #freed(): void {
    if (this.#staysOpen) this.onFree();
    else this.#socket.destroy();
  }
}

function socketTo(url: URL, take: (count: number, buffer: Uint8Array) => boolean): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isTls = url.protocol === "https:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  // TLS hands out 16 KiB at most at a time; its buffer is the connection's own, for it may be half read.
  const onread = { buffer: isTls ? Buffer.allocUnsafeSlow(64 * KiB) : shared, callback: take };
  const options = { host, port, noDelay: true, onread };
  if (!isTls) return connect(options);
  return connectTls({ ...options, ...(isIP(host) === 0 ? { servername: host } : {}), ALPNProtocols: ["http/1.1"] });
}

/** Null for what only fetch understands. */
function parseHead(text: string): { status: number; headers: Headers; lengthBytes: number } | null {
  const [first = "", ...lines] = text.split("\r\n");
  const [, status] = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first) ?? [];
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value = ""] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined) return null;
    headers.append(name, value.trim());
  }
  const length = headers.get("content-length") ?? "";
  // Requests that we sign ask for this one by name, and stores that listen say it.
  const isIdentity = (headers.get("content-encoding") ?? "identity") === "identity";
  const isPlain = /^\d{1,15}$/.test(length) && !headers.has("transfer-encoding") && isIdentity;
  if (status === undefined || !isPlain || status === "204" || status === "304") return null;
  return { status: Number(status), headers, lengthBytes: Number(length) };
}
