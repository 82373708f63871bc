/** The transport for every network: proxies from the environment, redirects, chunked content. Costs about twice the CPU of raw sockets. */
import { type Dispatcher, EnvHttpProxyAgent, interceptors } from "undici";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { KiB } from "../../shared/units.ts";
import { contentOf, rangeHeader } from "./get-content.ts";
import { problemText } from "./raw-socket.ts";
import {
  answered,
  type BodyReader,
  type BodySink,
  type GetAnswer,
  type GetRequest,
  type PutRequest,
  REFUSAL_BYTES_MAX,
  type Transport,
  type TransportOptions,
} from "./transport.ts";

const CONNECT_SECONDS = 10;
const REDIRECTS_MAX = 3;
const PIECE_BYTES = 512 * KiB;

type Headers = Record<string, string | string[] | undefined>;

export class UndiciTransport implements Transport {
  readonly #agent: EnvHttpProxyAgent;
  readonly #redirected: Dispatcher;

  constructor(connections: number) {
    this.#agent = new EnvHttpProxyAgent({
      connections,
      pipelining: 1,
      connect: { timeout: CONNECT_SECONDS * 1000 },
      // Whoever watches the request knows better (watched-transport.ts).
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#redirected = this.#agent.compose(interceptors.redirect({ maxRedirections: REDIRECTS_MAX }));
  }

  get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<GetAnswer> {
    return new Promise((resolve, reject) => {
      const { origin, pathname, search } = new URL(request.url);
      const range = rangeHeader(request);
      const headers = { "accept-encoding": "identity", ...(range === null ? {} : { range }) };
      const receiver = new Receiver({ request, sink, options, resolve, reject });
      this.#redirected.dispatch({ origin, path: pathname + search, method: "GET", headers }, receiver);
    });
  }

  /** Redirects of a PUT are not followed: a ticket is signed for one host. */
  async put(request: PutRequest, { signal, onBytes }: TransportOptions): Promise<StoreAnswer> {
    const { origin, pathname, search } = new URL(request.url);
    const body = new Body(request, onBytes);
    const headers = { ...request.headers, "content-length": String(request.sizeBytes) };
    try {
      // undici takes any async iterable as a body; its type names only some.
      const stream = body.pieces() as unknown as NonNullable<Dispatcher.DispatchOptions["body"]>;
      const method = request.method as "PUT";
      const response = await this.#agent.request({ origin, path: pathname + search, method, headers, body: stream, signal });
      return answered(response.statusCode, await beginningOf(response.body), single(response.headers["retry-after"]));
    } catch (error) {
      body.throwFailure();
      signal.throwIfAborted();
      return { kind: "broken", problem: problemText(error) };
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

class Body {
  readonly #read: BodyReader;
  readonly #sizeBytes: number;
  readonly #onBytes: (bytes: number) => void;
  #failure: { error: unknown } | null = null;

  constructor({ body, sizeBytes }: PutRequest, onBytes: (bytes: number) => void) {
    this.#read = body();
    this.#sizeBytes = sizeBytes;
    this.#onBytes = onBytes;
  }

  /** A fresh buffer each time: undici keeps what it got. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    for (let leftBytes = this.#sizeBytes; leftBytes > 0; ) {
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, leftBytes));
      try {
        await this.#read(piece);
      } catch (error) {
        this.#failure = { error };
        throw error;
      }
      leftBytes -= piece.length;
      this.#onBytes(piece.length);
      yield piece;
    }
  }

  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}

async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    sizeBytes += piece.length;
    if (sizeBytes <= REFUSAL_BYTES_MAX) pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

type Receiving = {
  request: GetRequest;
  sink: BodySink;
  options: TransportOptions;
  resolve: (answer: GetAnswer) => void;
  reject: (error: unknown) => void;
};

/** Takes one answer apart as it comes. */
class Receiver implements Dispatcher.DispatchHandler {
  readonly #receiving: Receiving;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #stop = () => this.#controller?.abort(new Error("stopped"));
  #status = 0;
  #retryAfter: string | undefined;
  /** Null: the body is no content. */
  #content: { leftBytes: number; hasLength: boolean } | null = null;
  readonly #refusal: Uint8Array[] = [];
  #refusalBytes = 0;
  /** What ended the request from this side. */
  #failure: { thrown: unknown } | { problem: string } | null = null;

  constructor(receiving: Receiving) {
    this.#receiving = receiving;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { signal } = this.#receiving.options;
    if (signal.aborted) this.#stop();
    else signal.addEventListener("abort", this.#stop, { once: true });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) return;
    const { request, sink } = this.#receiving;
    this.#status = status;
    this.#retryAfter = single(headers["retry-after"]);
    const content = contentOf(request, status, (name) => single(headers[name]));
    if (content.kind === "problem") this.#give({ problem: content.problem }, controller);
    if (content.kind !== "content") return;
    this.#content = { leftBytes: content.bytes, hasLength: content.hasLength };
    if (content.offset !== request.offset) sink.restart();
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    const content = this.#content;
    if (content === null) this.#keepRefusal(bytes);
    else if (bytes.length > content.leftBytes) this.#give({ problem: "the answer is longer than the chunk" }, controller);
    else {
      content.leftBytes -= bytes.length;
      this.#take(controller, bytes);
    }
  }

  #take(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    const { sink, options } = this.#receiving;
    try {
      options.onBytes(bytes.length);
      const waiting = sink.write(bytes);
      if (waiting === null) return;
      controller.pause();
      void waiting.then(() => controller.resume());
    } catch (thrown) {
      this.#give({ thrown }, controller);
    }
  }

  onResponseEnd(): void {
    this.#detach();
    const { resolve, sink } = this.#receiving;
    const content = this.#content;
    if (content === null) resolve(answered(this.#status, Buffer.concat(this.#refusal), this.#retryAfter));
    else if (content.leftBytes === 0) resolve({ kind: "complete" });
    else {
      // Without a length it may be anything, such as a login page: none of it is kept.
      if (!content.hasLength) sink.restart();
      resolve({ kind: "broken", problem: "the answer ended too early" });
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#detach();
    const { options, resolve, reject } = this.#receiving;
    if (this.#failure !== null && "thrown" in this.#failure) reject(this.#failure.thrown);
    else if (options.signal.aborted) reject(options.signal.reason);
    else resolve({ kind: "broken", problem: this.#failure?.problem ?? problemText(error) });
  }

  #keepRefusal(bytes: Buffer): void {
    this.#refusalBytes += bytes.length;
    // A copy: undici uses its buffer again.
    if (this.#refusalBytes <= REFUSAL_BYTES_MAX) this.#refusal.push(Buffer.from(bytes));
  }

  #give(failure: { thrown: unknown } | { problem: string }, controller: Dispatcher.DispatchController): void {
    this.#failure = failure;
    controller.abort(new Error("the answer is not used"));
  }

  #detach(): void {
    this.#receiving.options.signal.removeEventListener("abort", this.#stop);
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
