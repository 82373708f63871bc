/** The transport for every network: proxies from the environment, chunked answers. Costs about twice the CPU of raw sockets. */
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { problemOf } from "../../shared/errors.ts";
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { KiB } from "../../shared/units.ts";
import { fsCode } from "./fs-errors.ts";
import type { Throttle } from "./throttle.ts";
import {
  type BodySink,
  type GetRequest,
  type PutRequest,
  retryAfterSeconds,
  storeCode,
  type Transport,
  type TransportOptions,
} from "./transport.ts";

const CONNECT_SECONDS = 10;
const ERROR_BODY_BYTES_MAX = 64 * KiB;

export type UndiciOptions = { connections: number; stallSeconds: number; throttle: Throttle };

export class UndiciTransport implements Transport {
  readonly #agent: Dispatcher;
  readonly #options: UndiciOptions;

  constructor(options: UndiciOptions) {
    this.#options = options;
    this.#agent = new EnvHttpProxyAgent({
      connections: options.connections,
      pipelining: 1,
      connect: { timeout: CONNECT_SECONDS * 1000 },
      headersTimeout: options.stallSeconds * 1000,
      bodyTimeout: options.stallSeconds * 1000,
    });
  }

  get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<StoreAnswer | { kind: "complete" }> {
    return new Promise((resolve, reject) => {
      const { origin, pathname, search } = new URL(request.url);
      const headers: Record<string, string> = { "accept-encoding": "identity" };
      if (request.offset > 0) headers["range"] = `bytes=${request.offset}-`;
      const receiver = new Receiver({ request, sink, options, throttle: this.#options.throttle, resolve, reject, explain: this.#broken });
      this.#agent.dispatch({ origin, path: pathname + search, method: "GET", headers }, receiver);
    });
  }

  async put(request: PutRequest, { signal, onBytes }: TransportOptions): Promise<StoreAnswer> {
    const { origin, pathname, search } = new URL(request.url);
    let bodyFailure: { error: unknown } | null = null;
    const { throttle } = this.#options;
    async function* body() {
      try {
        for await (const bytes of request.body()) {
          await throttle.take(bytes.length, signal);
          onBytes(bytes.length);
          yield bytes;
        }
      } catch (error) {
        bodyFailure = { error };
        throw error;
      }
    }
    const headers = { ...request.headers, "content-length": String(request.sizeBytes) };
    try {
      // undici takes any async iterable as a body; its type names only some.
      const stream = body() as unknown as Dispatcher.DispatchOptions["body"];
      const response = await this.#agent.request({
        origin,
        path: pathname + search,
        method: request.method as "PUT",
        headers,
        body: stream ?? null,
        signal,
      });
      const text = await boundedText(response.body);
      return answered(response.statusCode, text, response.headers["retry-after"]);
    } catch (error) {
      const failure: { error: unknown } | null = bodyFailure;
      if (failure !== null) throw (failure as { error: unknown }).error;
      signal.throwIfAborted();
      return this.#broken(error);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  readonly #broken = (error: unknown): StoreAnswer & { kind: "broken" } => {
    const code = fsCode(error);
    const problem = code === "" ? problemOf(error) : code;
    const isStall = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT";
    return isStall ? { kind: "broken", problem, stalledSeconds: this.#options.stallSeconds } : { kind: "broken", problem };
  };
}

function answered(status: number, text: string, retryAfter: string | string[] | undefined): StoreAnswer & { kind: "answered" } {
  const header = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter;
  return { kind: "answered", status, code: storeCode(text), retryAfterSeconds: retryAfterSeconds(header) };
}

async function boundedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    sizeBytes += piece.length;
    if (sizeBytes <= ERROR_BODY_BYTES_MAX) pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

type Receiving = {
  request: GetRequest;
  sink: BodySink;
  options: TransportOptions;
  throttle: Throttle;
  resolve: (answer: StoreAnswer | { kind: "complete" }) => void;
  reject: (error: unknown) => void;
  explain: (error: unknown) => StoreAnswer & { kind: "broken" };
};

/** Takes one answer apart as it comes. */
class Receiver implements Dispatcher.DispatchHandler {
  readonly #receiving: Receiving;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #stop = () => this.#controller?.abort(new Error("stopped"));
  #status = 0;
  #retryAfter: string | string[] | undefined;
  #leftBytes: number;
  #hasLength = false;
  readonly #errorBody: Uint8Array[] = [];
  #errorBytes = 0;
  /** What ended the request from this side. */
  #failure: { thrown: unknown } | { problem: string } | null = null;

  constructor(receiving: Receiving) {
    this.#receiving = receiving;
    this.#leftBytes = receiving.request.sizeBytes - receiving.request.offset;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { signal } = this.#receiving.options;
    if (signal.aborted) this.#stop();
    else signal.addEventListener("abort", this.#stop, { once: true });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (status < 200) return;
    this.#status = status;
    this.#retryAfter = headers["retry-after"];
    if (!this.#hasContent()) return;
    const problem = this.#headProblem(status, headers);
    if (problem !== null) this.#give({ problem }, controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (!this.#hasContent()) this.#keepErrorBody(bytes);
    else if (bytes.length > this.#leftBytes) this.#give({ problem: "the answer is longer than the chunk" }, controller);
    else this.#take(controller, bytes);
  }

  #take(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    const { sink, options, throttle } = this.#receiving;
    this.#leftBytes -= bytes.length;
    try {
      sink.write(bytes);
    } catch (thrown) {
      this.#give({ thrown }, controller);
      return;
    }
    options.onBytes(bytes.length);
    const waiting = throttle.spend(bytes.length, options.signal);
    if (waiting === null) return;
    controller.pause();
    void waiting.then(() => controller.resume());
  }

  onResponseEnd(): void {
    this.#detach();
    const { resolve, sink } = this.#receiving;
    if (!this.#hasContent()) resolve(answered(this.#status, Buffer.concat(this.#errorBody).toString("utf8"), this.#retryAfter));
    else if (this.#leftBytes === 0) resolve({ kind: "complete" });
    else {
      // Without a length it may be anything, such as a login page: none of it is kept.
      if (!this.#hasLength) sink.restart();
      resolve({ kind: "broken", problem: "the answer ended too early" });
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#detach();
    const { options, resolve, reject, explain } = this.#receiving;
    if (this.#failure !== null && "thrown" in this.#failure) reject(this.#failure.thrown);
    else if (options.signal.aborted) reject(options.signal.reason);
    else if (this.#failure !== null) resolve({ kind: "broken", problem: this.#failure.problem });
    else resolve(explain(error));
  }

  /** Null when the body is what was asked for. */
  #headProblem(status: number, headers: Record<string, string | string[] | undefined>): string | null {
    const { request, sink } = this.#receiving;
    const encoding = headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity") return "the answer is compressed";
    if (status === 200 && request.offset > 0) {
      sink.restart();
      this.#leftBytes = request.sizeBytes;
    }
    if (status === 206 && !startsAt(headers["content-range"], request.offset)) return "the answer is another range";
    const length = headers["content-length"];
    this.#hasLength = length !== undefined;
    return length === undefined || Number(length) === this.#leftBytes
      ? null
      : `the answer has ${String(length)} bytes instead of ${this.#leftBytes}`;
  }

  #hasContent(): boolean {
    return this.#status === 200 || this.#status === 206;
  }

  #keepErrorBody(bytes: Buffer): void {
    this.#errorBytes += bytes.length;
    // A copy: undici uses its buffer again.
    if (this.#errorBytes <= ERROR_BODY_BYTES_MAX) this.#errorBody.push(Buffer.from(bytes));
  }

  #give(failure: { thrown: unknown } | { problem: string }, controller: Dispatcher.DispatchController): void {
    this.#failure = failure;
    controller.abort(new Error("the answer is not used"));
  }

  #detach(): void {
    this.#receiving.options.signal.removeEventListener("abort", this.#stop);
  }
}

function startsAt(contentRange: string | string[] | undefined, offset: number): boolean {
  return typeof contentRange === "string" && contentRange.startsWith(`bytes ${offset}-`);
}
