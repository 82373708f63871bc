/** A TCP server that answers requests with bytes that a test wrote, so that it can say what no HTTP server would. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

export type ScriptedRequest = {
  head: string;
  body: Buffer /** From 1, over all connections. */;
  nth: number /** From 1. */;
  connection: number;
};
/** What goes out, piece by piece; `null`: the server closes the connection; "reset": it is cut. */
export type Script = (request: ScriptedRequest) => readonly (string | Buffer | null | "reset")[];

export class ScriptedStore {
  readonly requests: ScriptedRequest[] = [];
  connections = 0;
  /** Of TLS: connections that went on with an earlier session. */
  resumed = 0;
  script: Script = () => [null];
  /** Answers as soon as the head of a request is there, and reads nothing more from that connection. */
  isHasty = false;
  url = "";
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(tls: { key: string; cert: string } | null) {
    this.#server = tls === null ? createServer() : createTlsServer(tls);
    const event = tls === null ? "connection" : "secureConnection";
    this.#server.on(event, (socket: Socket) => this.#serve(socket));
  }

  static async start(tls: { key: string; cert: string } | null = null): Promise<ScriptedStore> {
    const store = new ScriptedStore(tls);
    await new Promise<void>((resolve) => store.#server.listen(0, "127.0.0.1", resolve));
    const { port } = store.#server.address() as AddressInfo;
    store.url = `${tls === null ? "http://127.0.0.1" : "https://localhost"}:${port}/store/chunk`;
    return store;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    const connection = ++this.connections;
    if ("isSessionReused" in socket && typeof socket.isSessionReused === "function" && socket.isSessionReused() === true) this.resumed++;
    this.#sockets.add(socket);
    socket.setNoDelay(true).on("error", () => {});
    let held: Buffer = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      if (this.isHasty) socket.pause();
      held = this.#read(socket, held, connection);
    });
  }

  /** Takes whole requests off the beginning. */
  #read(socket: Socket, held: Buffer, connection: number): Buffer {
    const end = held.indexOf("\r\n\r\n");
    if (end < 0) return held;
    const head = held.toString("latin1", 0, end);
    const length = this.isHasty ? 0 : Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    if (held.length < end + 4 + length) return held;
    const request = { head, body: Buffer.from(held.subarray(end + 4, end + 4 + length)), nth: this.requests.length + 1, connection };
    this.requests.push(request);
    void this.#answer(socket, this.script(request));
    return this.isHasty ? Buffer.alloc(0) : this.#read(socket, held.subarray(end + 4 + length), connection);
  }

  async #answer(socket: Socket, pieces: readonly (string | Buffer | null | "reset")[]): Promise<void> {
    for (const piece of pieces) {
      if (piece === null) socket.end();
      else if (piece === "reset") socket.resetAndDestroy();
      else await new Promise<void>((resolve) => socket.write(piece, () => setImmediate(resolve)));
    }
  }
}

/** The head of an answer with a body of this length. */
export function headOf(status: number, length: number, ...headers: string[]): string {
  return [`HTTP/1.1 ${status} Whatever`, `Content-Length: ${length}`, ...headers, "", ""].join("\r\n");
}
