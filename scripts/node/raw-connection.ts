/** One connection to a store: one request at a time; the answer is told to whoever asked, as it comes. */
import type { Socket } from "node:net";
import { type Answer, Incoming } from "./raw-incoming.ts";
import { type Origin, problemText } from "./raw-socket.ts";

export class RawConnection {
  /** Whole answers so far. */
  answers = 0;
  readonly #socket: Socket;
  readonly #incoming: Incoming;
  readonly #closed: () => void;

  private constructor(socket: Socket, incoming: Incoming, closed: () => void) {
    this.#socket = socket;
    this.#incoming = incoming;
    this.#closed = closed;
    socket.on("error", (error) => this.#end(problemText(error)));
    socket.on("end", () => this.#end(null));
    socket.on("close", () => this.#end(null));
  }

  /**
   * @param shared what all plain connections of a thread may read into
   * @param closed told once the connection is no more
   */
  static async open(
    origin: Origin,
    { shared, closed, signal }: { shared: Buffer; closed: (connection: RawConnection) => void; signal: AbortSignal },
  ): Promise<RawConnection | { problem: string }> {
    const incoming = new Incoming(origin.isTls ? null : shared);
    const socket = await origin.open(incoming, signal);
    if ("problem" in socket) return socket;
    const connection: RawConnection = new RawConnection(socket, incoming, () => closed(connection));
    return connection;
  }

  /** Whether another request may be sent. */
  get isFree(): boolean {
    return !this.#socket.destroyed && this.#incoming.isFree;
  }

  /** Sends the head of a request; `body`: what of its body goes with it. */
  ask(head: string, answer: Answer, body?: Uint8Array): void {
    const ended = () => {
      this.answers++;
      answer.ended();
    };
    this.#incoming.expect(this.#socket, { ...answer, ended });
    if (body === undefined) {
      this.#socket.write(head, "latin1");
      return;
    }
    this.#socket.cork();
    this.#socket.write(head, "latin1");
    this.#socket.write(body);
    this.#socket.uncork();
  }

  /** @param done the bytes were taken by the system, or never will be: they may be overwritten. */
  write(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, done);
  }

  /** Whoever asked hears nothing more. */
  destroy(): void {
    this.#incoming.forget();
    this.#socket.destroy();
  }

  /** @param problem null: the other side has ended it properly. */
  #end(problem: string | null): void {
    this.#socket.destroy();
    this.#closed();
    this.#incoming.end(problem);
  }
}
