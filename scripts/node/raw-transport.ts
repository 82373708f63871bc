/**
 * The transport that costs least: plain sockets whose bytes go through buffers of ours (reference/transfer.md §3). It keeps connections
 * open for the next request, one request at a time on each. What it does not speak (chunked content, redirects) it calls foreign.
 */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { MiB } from "../../shared/units.ts";
import { rangeHeader } from "./get-content.ts";
import { originOf } from "./origin-of.ts";
import { RawConnection } from "./raw-connection.ts";
import { type Foreign, rawGet } from "./raw-get.ts";
import type { Unheard } from "./raw-incoming.ts";
import { type FreePieces, rawPut } from "./raw-put.ts";
import { requestHead } from "./raw-request.ts";
import { Origin } from "./raw-socket.ts";
import type { BodySink, GetAnswer, GetRequest, PutRequest, TransportOptions } from "./transport.ts";

/** One read. With 256 KiB a pull took a twentieth more processor time; with more, its bytes leave the second-level cache before they are hashed. */
const READ_BYTES = MiB;

type Place = { origin: Origin; idle: RawConnection[] };

export class RawTransport {
  readonly #places = new Map<string, Place>();
  readonly #open = new Set<RawConnection>();
  readonly #shared = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #pieces: FreePieces = [];

  /** As `Transport.get`; `foreign`: nothing was given to the sink, and another transport has to ask. */
  get(request: GetRequest, sink: BodySink, options: TransportOptions): Promise<GetAnswer | Foreign> {
    const range = rangeHeader(request);
    const headers = { "accept-encoding": "identity", ...(range === null ? {} : { range }) };
    const head = requestHead("GET", request.url, headers);
    return this.#ask<GetAnswer | Foreign>(request, options, (connection) => rawGet(connection, { head, request, sink, options }));
  }

  /** As `Transport.put`. */
  put(request: PutRequest, options: TransportOptions): Promise<StoreAnswer> {
    const { method, url, headers, sizeBytes, body } = request;
    const head = requestHead(method, url, { ...headers, "content-length": String(sizeBytes) });
    return this.#ask<StoreAnswer>(request, options, (connection) => {
      return rawPut(connection, { head, sizeBytes, read: body(), pieces: this.#pieces, options });
    });
  }

  close(): void {
    for (const connection of this.#open) connection.destroy();
  }

  async #ask<A extends object>(
    request: { url: string; fresh?: boolean },
    { signal }: TransportOptions,
    send: (connection: RawConnection) => Promise<A | Unheard>,
  ): Promise<A | (StoreAnswer & { kind: "broken" })> {
    const place = this.#place(request.url);
    for (let fresh = request.fresh ?? false; ; fresh = true) {
      const connection = (fresh ? undefined : takeFree(place.idle)) ?? (await this.#connect(place, signal));
      signal.throwIfAborted();
      if ("problem" in connection) return { kind: "broken", problem: connection.problem };
      const answer = await send(connection);
      if (connection.isFree) place.idle.push(connection);
      else connection.destroy();
      if (!isUnheard(answer)) return answer;
      // A store ends connections that were idle for long, also in the moment in which they are used again.
      if (connection.answers === 0) return { kind: "broken", problem: answer.problem };
    }
  }

  async #connect({ origin, idle }: Place, signal: AbortSignal): Promise<RawConnection | { problem: string }> {
    const closed = (connection: RawConnection) => {
      this.#open.delete(connection);
      const at = idle.indexOf(connection);
      if (at >= 0) idle.splice(at, 1);
    };
    const connection = await RawConnection.open(origin, { shared: this.#shared, closed, signal });
    if (!("problem" in connection)) this.#open.add(connection);
    return connection;
  }

  #place(url: string): Place {
    const origin = originOf(url);
    let place = this.#places.get(origin);
    if (place === undefined) {
      place = { origin: new Origin(new URL(url)), idle: [] };
      this.#places.set(origin, place);
    }
    return place;
  }
}

/** The one that was used last: the others may end for want of use. */
function takeFree(idle: RawConnection[]): RawConnection | undefined {
  for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) if (connection.isFree) return connection;
  return undefined;
}

function isUnheard(answer: object): answer is Unheard {
  return "kind" in answer && answer.kind === "unheard";
}
