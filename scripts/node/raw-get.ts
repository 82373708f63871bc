/** One GET on one connection. */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import { contentOf } from "./get-content.ts";
import type { Framing, Head } from "./http-head.ts";
import type { RawConnection } from "./raw-connection.ts";
import type { Answer, Unheard } from "./raw-incoming.ts";
import { Refusal } from "./raw-refusal.ts";
import type { BodySink, GetAnswer, GetRequest, TransportOptions } from "./transport.ts";

/** An answer that only the other transport understands; nothing of it was used. */
export type Foreign = { kind: "foreign" };
type RawGetAnswer = GetAnswer | Foreign | Unheard;

/** `head`: the request as it is sent. */
export type RawGetting = { head: string; request: GetRequest; sink: BodySink; options: TransportOptions };

/** Settles when nothing of the request is on its way any more. */
export function rawGet(connection: RawConnection, getting: RawGetting): Promise<RawGetAnswer> {
  return new Promise((resolve, reject) => {
    const { signal } = getting.options;
    const end = (settle: () => void) => {
      signal.removeEventListener("abort", stop);
      settle();
    };
    const drop = (settle: () => void) => {
      connection.destroy();
      end(settle);
    };
    const stop = () => drop(() => reject(signal.reason));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    connection.ask(getting.head, new Receiver({ ...getting, end, drop, resolve, reject }));
  });
}

type Receiving = RawGetting & {
  /** The answer was read to its end. */
  end: (settle: () => void) => void;
  /** The rest of it is not wanted. */
  drop: (settle: () => void) => void;
  resolve: (answer: RawGetAnswer) => void;
  reject: (error: unknown) => void;
};

class Receiver implements Answer {
  readonly #receiving: Receiving;
  readonly pieceBytesMax: number;
  #refusal: Refusal | null = null;

  constructor(receiving: Receiving) {
    this.#receiving = receiving;
    this.pieceBytesMax = receiving.sink.pieceBytesMax ?? Number.POSITIVE_INFINITY;
  }

  readonly begun = (head: Head, framing: Framing): void => {
    const { request, sink, resolve, drop } = this.#receiving;
    const content = contentOf(request, head.status, (name) => head.headers.get(name));
    if (content.kind === "problem") drop(() => resolve({ kind: "broken", problem: content.problem }));
    else if (isRedirect(head) || (content.kind === "content" && framing.kind !== "length")) drop(() => resolve({ kind: "foreign" }));
    else if (content.kind === "refusal") this.#refusal = new Refusal(head);
    else if (content.offset !== request.offset) sink.restart();
  };

  readonly body = (bytes: Buffer): Promise<void> | null => {
    const { sink, options, drop, resolve, reject } = this.#receiving;
    const refusal = this.#refusal;
    if (refusal !== null) {
      if (refusal.isTooLong(bytes)) drop(() => resolve(refusal.answer()));
      return null;
    }
    options.onBytes(bytes.length);
    try {
      return sink.write(bytes);
    } catch (thrown) {
      drop(() => reject(thrown));
      return null;
    }
  };

  readonly ended = (): void => {
    const { resolve, end } = this.#receiving;
    const answer: StoreAnswer | { kind: "complete" } = this.#refusal?.answer() ?? { kind: "complete" };
    end(() => resolve(answer));
  };

  readonly broken = (problem: string, unheard: boolean): void => {
    const { resolve, end } = this.#receiving;
    // A refusal that was cut says as much as it needs to.
    const answer = this.#refusal?.answer() ?? (unheard ? ({ kind: "unheard", problem } as const) : ({ kind: "broken", problem } as const));
    end(() => resolve(answer));
  };
}

function isRedirect({ status, headers }: Head): boolean {
  return [301, 302, 303, 307, 308].includes(status) && headers.has("location");
}
