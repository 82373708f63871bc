/** The answer of a store that does not do what was asked, with as much of its body as may hold a reason. */
import type { StoreAnswer } from "../../shared/transfer/ports.ts";
import type { Head } from "./http-head.ts";
import { answered, REFUSAL_BYTES_MAX } from "./transport.ts";

export class Refusal {
  readonly #head: Head;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(head: Head) {
    this.#head = head;
  }

  /** Keeps these bytes of its body. True: enough, whatever follows. */
  isTooLong(bytes: Buffer): boolean {
    // A copy: the bytes lie in a buffer that is read into again.
    const piece = Buffer.from(bytes.subarray(0, REFUSAL_BYTES_MAX - this.#bytes));
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return this.#bytes >= REFUSAL_BYTES_MAX;
  }

  answer(): StoreAnswer & { kind: "answered" } {
    return answered(this.#head.status, Buffer.concat(this.#pieces), this.#head.headers.get("retry-after"));
  }
}
