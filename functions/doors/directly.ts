/**
 * Long answers on Node, written to the client's connection as their parts come. A stream between them would not cost much; but nobody could
 * tell when a part was sent, and its memory be used again (shared/slabs.ts).
 */
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { giveSlab } from "../../shared/slabs.ts";
import { type Parts, partsBehind } from "./concatenate.ts";

/** Parts that the system has not taken yet: one is on its way while the next one is read. */
const UNSENT_MAX = 2;
/** A client that takes nothing for so long is gone. Longer than a store may take for its next bytes, with all its repeats. */
const STUCK_MS = 120_000;

type Sink = { write(bytes: Uint8Array, done: () => void): unknown };

/** What is used of Node's ServerResponse. */
export type Outgoing = Sink & {
  readonly destroyed: boolean;
  readonly socket: Sink | null;
  readonly chunkedEncoding: boolean;
  writeHead(status: number, headers: Record<string, string>): unknown;
  flushHeaders(): void;
  setTimeout(ms: number, late: () => void): unknown;
  once(event: "close", closed: () => void): unknown;
  end(): unknown;
  destroy(error?: Error): unknown;
};

type Fetch<E> = (request: Request, env: E) => Response | Promise<Response>;

/** Answers as `fetch` does; files that are streamed are sent by the time it returns. */
export function directly<E extends { outgoing: unknown }>(fetch: Fetch<E>): Fetch<E> {
  return async (request, env) => {
    const answer = await fetch(request, env);
    const { outgoing } = env;
    // To look at the body of any answer costs something; those of files say that they have ranges.
    const parts = answer.headers.has("accept-ranges") && answer.body !== null ? partsBehind(answer.body) : null;
    if (parts === null || !isOutgoing(outgoing)) return answer;
    await new Sending(outgoing, parts).run(answer.status, Object.fromEntries(answer.headers));
    return RESPONSE_ALREADY_SENT;
  };
}

function isOutgoing(outgoing: unknown): outgoing is Outgoing {
  return typeof outgoing === "object" && outgoing !== null && "writeHead" in outgoing && "chunkedEncoding" in outgoing;
}

class Sending {
  readonly #outgoing: Outgoing;
  readonly #parts: Parts;
  #unsent = 0;
  #isGone = false;
  #wake: () => void = () => {};

  constructor(outgoing: Outgoing, parts: Parts) {
    this.#outgoing = outgoing;
    this.#parts = parts;
  }

  /** Nothing is thrown: what fails breaks the answer off, and all that can be told is in its head. */
  async run(status: number, headers: Record<string, string>): Promise<void> {
    const outgoing = this.#outgoing;
    outgoing.once("close", () => {
      this.#isGone = true;
      this.#parts.leave();
      this.#wake();
    });
    outgoing.setTimeout(STUCK_MS, () => outgoing.destroy());
    try {
      outgoing.writeHead(status, headers);
      await this.#send(this.#pathOut());
      outgoing.end();
    } catch (error) {
      outgoing.destroy(error instanceof Error ? error : undefined);
    }
  }

  /** Past the response, whose head says how many bytes there are: its own `write` costs a fifth more. */
  #pathOut(): Sink {
    const outgoing = this.#outgoing;
    outgoing.flushHeaders();
    return outgoing.chunkedEncoding ? outgoing : (outgoing.socket ?? outgoing);
  }

  async #send(out: Sink): Promise<void> {
    for (let part = await this.#parts.next(); part !== null && !this.#isGone; part = await this.#parts.next()) {
      this.#write(out, part);
      while (this.#unsent >= UNSENT_MAX && !this.#isGone) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #write(out: Sink, part: Uint8Array): void {
    this.#unsent++;
    out.write(part, () => {
      this.#unsent--;
      // Of a connection that broke the system may still read.
      if (!this.#isGone) giveSlab(part);
      this.#wake();
    });
  }
}
