/**
 * One connection to a store, for GETs whose bytes are many. Node's fetch makes a small array of each read and copies it twice; here the
 * system writes each body into slabs that are handed on as they are, and come back when they were sent: a tenth of the processor time.
 *
 * Only the plainest answers are understood: HTTP/1.1 with a Content-Length. Whatever else comes is told as `foreign`.
 */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { SLAB_BYTES, takeSlab } from "../../shared/slabs.ts";
import { KiB } from "../../shared/units.ts";

/** Slabs that may wait for their reader, beside the one that is filled. */
const WAITING_SLABS = 4;
const HEAD_BYTES_MAX = 32 * KiB;
const CONNECT_MS = 10_000;
const END_OF_HEAD = "\r\n\r\n";

/** What heads are read into, with the first bytes of a body: nothing stays in it. */
const shared = Buffer.allocUnsafeSlow(HEAD_BYTES_MAX);

export class Foreign extends Error {}
/** The connection ended before a byte of an answer came. */
export class Unheard extends Error {}

type Waiting = { resolve: (answer: Response) => void; reject: (error: unknown) => void };
/** `leftBytes`: that have not come yet. */
type Body = { controller: ReadableStreamDefaultController<Uint8Array>; leftBytes: number; slab: Uint8Array; filled: number };

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
      const callback = (count: number) => {
        made.connection?.took(count);
        return true;
      };
      const socket = socketTo(url, { buffer: () => made.connection?.room() ?? shared, callback });
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

  /** Where the next read goes: it is asked for after each, so a body's bytes lie where they are handed on from. */
  room(): Uint8Array {
    const body = this.#body;
    if (body === null) return shared;
    return body.slab.subarray(body.filled, Math.min(body.slab.length, body.filled + body.leftBytes));
  }

  /** Told of each read. */
  took(count: number): void {
    const body = this.#body;
    if (body !== null) this.#filled(body, count);
    else this.#takeHead(shared.subarray(0, count));
  }

  #takeHead(bytes: Uint8Array): void {
    if (this.#waiting === null) this.end(new Error("bytes that nobody asked for"));
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
    if (rest.length > 0) this.#fill(rest);
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
          this.#body = { controller, leftBytes, slab: leftBytes < SLAB_BYTES ? new Uint8Array(leftBytes) : takeSlab(), filled: 0 };
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

  /** Of a body's bytes that came with its head. */
  #fill(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) {
      const body = this.#body;
      if (body === null) {
        this.end(new Error("bytes that nobody asked for"));
        return;
      }
      const part = rest.subarray(0, this.room().length);
      this.room().set(part);
      this.#filled(body, part.length);
      rest = rest.subarray(part.length);
    }
  }

  #filled(body: Body, count: number): void {
    body.filled += count;
    body.leftBytes -= count;
    if (body.leftBytes > 0 && body.filled < body.slab.length) return;
    body.controller.enqueue(body.slab.subarray(0, body.filled));
    if (body.leftBytes === 0) {
      body.controller.close();
      this.#body = null;
      this.#freed();
      return;
    }
    [body.slab, body.filled] = [takeSlab(), 0];
    if ((body.controller.desiredSize ?? 0) <= 0) this.#socket.pause();
  }

  #freed(): void {
    if (this.#staysOpen) this.onFree();
    else this.#socket.destroy();
  }
}

type OnRead = { buffer: () => Uint8Array; callback: (count: number) => boolean };

function socketTo(url: URL, onread: OnRead): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isTls = url.protocol === "https:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
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
