/** How stores are spoken with: by raw sockets where they do, by undici where a proxy stands between or an answer has another form. */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { makeUndici } from "./make-undici.ts";
import { originOf } from "./origin-of.ts";
import { mayUseProxy } from "./proxy-env.ts";
import { RawTransport } from "./raw-transport.ts";
import type { BodySink, GetAnswer, GetRequest, PutRequest, Transport, TransportOptions } from "./transport.ts";

export class StoreTransport implements Transport {
  readonly #raw = new RawTransport();
  readonly #connections: number;
  readonly #env: Readonly<Record<string, string | undefined>>;
  #other: Promise<Transport> | null = null;
  /** Origins that a proxy stands before, or that do not answer plainly. */
  readonly #foreign = new Map<string, boolean>();

  constructor(connections: number, env: Readonly<Record<string, string | undefined>>) {
    this.#connections = connections;
    this.#env = env;
  }

  async get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<GetAnswer> {
    if (this.#isForeign(request.url)) return (await this.#undici()).get(request, sink, options);
    const answer = await this.#raw.get(request, sink, options);
    if (answer.kind !== "foreign") return answer;
    const other = await (await this.#undici()).get(request, sink, options);
    // A login page is foreign, too, but not for long.
    if (other.kind === "complete") this.#foreign.set(originOf(request.url), true);
    return other;
  }

  async put(request: PutRequest, options: TransportOptions): Promise<StoreAnswer> {
    return this.#isForeign(request.url) ? (await this.#undici()).put(request, options) : this.#raw.put(request, options);
  }

  async close(): Promise<void> {
    this.#raw.close();
    await (await this.#other)?.close();
  }

  #isForeign(url: string): boolean {
    const origin = originOf(url);
    let known = this.#foreign.get(origin);
    if (known === undefined) {
      known = mayUseProxy(new URL(url), this.#env);
      this.#foreign.set(origin, known);
    }
    return known;
  }

  #undici(): Promise<Transport> {
    this.#other ??= makeUndici(this.#connections);
    return this.#other;
  }
}
