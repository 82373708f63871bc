/**
 * One client's connection: requests one after another, bodies in as they come, answers from files. On plain sockets, because node:http
 * costs more CPU than a client that is measured against it on the same machine.
 */
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { MiB } from "../../../shared/units.ts";
import { type Content, ContentReader } from "./content.ts";
import { type Fate, type Pace, waitMs } from "./faults.ts";
import { ChunkedFraming, type Framing, framingOf, isAwsChunked } from "./framing.ts";
import { headLength, parseHead, type RequestHead } from "./http-head.ts";
import { sendContent } from "./sending.ts";

/** Takes a request's body, and then answers. */
export type Intake = {
  write(bytes: Buffer): void;
  end(): Answer;
  /** The client broke off. */
  abandon(): void;
};

/** `body`: a text, or a range of an object's content; `sizeBytes` alone is said in answer to HEAD. */
export type Answer = {
  status: number;
  headers: Record<string, string>;
  body: { text: string } | { content: Content; offset: number; sizeBytes: number } | { sizeBytes: number };
  fate: Fate | null;
};

export type Site = {
  begin(head: RequestHead): Intake;
  /** Paces of one connection and of all together. */
  paces(): readonly Pace[];
};

const NOTHING = Buffer.alloc(0);
/** What all connections read into: whoever keeps bytes copies them. */
const received = Buffer.allocUnsafeSlow(MiB);

/**
 * Serves a connection that was accepted with `pauseOnConnect`. Reading into a buffer of ours (`onread`) costs a fifth of what the
 * stream's own buffers cost, but Node offers that for outgoing connections only: so the handle is taken over, where it is found.
 */
export function serve(accepted: Socket, site: Site): void {
  const handle: unknown = Reflect.get(accepted, "_handle");
  if (typeof handle !== "object" || handle === null) {
    const connection = new Connection(accepted, site);
    accepted.on("data", (bytes: Buffer) => connection.receive(bytes)).resume();
    return;
  }
  let connection: Connection | null = null;
  const callback = (length: number) => {
    connection?.receive(received.subarray(0, length));
    return true;
  };
  const socket: Socket = Reflect.construct(Socket, [{ handle, onread: { buffer: received, callback } }]);
  connection = new Connection(socket, site);
  socket.resume();
}

/** Serves a TLS connection: there the bytes come in Node's own buffers. */
export function serveTls(socket: Socket, site: Site): void {
  const connection = new Connection(socket, site);
  socket.on("data", (bytes: Buffer) => connection.receive(bytes));
}

class Connection {
  readonly #socket: Socket;
  readonly #site: Site;
  readonly #paces: readonly Pace[];
  #state: "head" | "body" | "answering" = "head";
  /** Arrived, and not yet looked at. */
  #input: Buffer = NOTHING;
  #framing: Framing | null = null;
  #inner: ChunkedFraming | null = null;
  #intake: Intake | null = null;

  constructor(socket: Socket, site: Site) {
    this.#socket = socket;
    this.#site = site;
    this.#paces = site.paces();
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#intake?.abandon());
  }

  /** @param bytes used again by the caller. */
  receive(bytes: Buffer): void {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    try {
      this.#advance();
      if (this.#input.buffer === bytes.buffer) this.#input = Buffer.from(this.#input);
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #advance(): void {
    for (;;) {
      if (this.#state === "answering") {
        // Whoever sends more than one request at once waits.
        if (this.#input.length > 0) this.#socket.pause();
        return;
      }
      if (this.#input.length === 0) return;
      if (this.#state === "head" && !this.#readHead()) return;
      if (this.#state === "body") this.#readBody();
    }
  }

  /** False when the head is not whole yet. */
  #readHead(): boolean {
    const length = headLength(this.#input);
    if (length === null) return false;
    const head = parseHead(this.#input.toString("latin1", 0, length - 4));
    this.#input = this.#input.subarray(length);
    this.#framing = framingOf(head.headers);
    this.#inner = isAwsChunked(head.headers) ? new ChunkedFraming() : null;
    this.#intake = this.#site.begin(head);
    this.#state = "body";
    if (/100-continue/i.test(head.headers.get("expect") ?? "")) this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    this.#endWhenDone();
    return true;
  }

  #readBody(): void {
    const { length } = this.#input;
    const used = this.#framing?.feed(this.#input, (bytes) => this.#take(bytes)) ?? 0;
    this.#input = used === length ? NOTHING : this.#input.subarray(used);
    this.#slowDown(used);
    this.#endWhenDone();
  }

  #take(bytes: Buffer): void {
    if (this.#inner === null) this.#intake?.write(bytes);
    else this.#inner.feed(bytes, (content) => this.#intake?.write(content));
  }

  #slowDown(sizeBytes: number): void {
    const pauseMs = waitMs(this.#paces, sizeBytes);
    if (pauseMs < 1) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), pauseMs);
  }

  #endWhenDone(): void {
    if (this.#framing !== null && !this.#framing.done) return;
    const answer = this.#intake?.end();
    this.#intake = null;
    this.#state = "answering";
    if (answer !== undefined) void this.#answer(answer).catch(() => this.#socket.destroy());
  }

  async #answer(answer: Answer): Promise<void> {
    if (answer.fate !== null && answer.fate.delayMs > 0) await sleep(answer.fate.delayMs);
    const { body } = answer;
    const text = "text" in body ? Buffer.from(body.text) : NOTHING;
    const sizeBytes = "text" in body ? text.length : body.sizeBytes;
    const head = Buffer.from(headText(answer, sizeBytes), "latin1");
    if ("content" in body && sizeBytes > 0) {
      this.#socket.cork();
      this.#socket.write(head);
      await sendContent(this.#socket, new ContentReader(body.content, body.offset, sizeBytes), { fate: answer.fate, paces: this.#paces });
    } else {
      this.#socket.write(text.length === 0 ? head : Buffer.concat([head, text]));
    }
    this.#state = "head";
    this.#socket.resume();
    this.#advance();
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  206: "Partial Content",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  412: "Precondition Failed",
  416: "Range Not Satisfiable",
  501: "Not Implemented",
  503: "Slow Down",
};

function headText({ status, headers }: Answer, sizeBytes: number): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (status !== 204) lines.push(`content-length: ${sizeBytes}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? "Answer"}\r\ndate: ${new Date().toUTCString()}\r\n${lines.join("")}\r\n`;
}
