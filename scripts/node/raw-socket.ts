/** Opens connections to stores, and lets their bytes arrive in buffers of ours instead of a fresh one for each read. */
import { lookup } from "node:dns";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { problemOf } from "../../shared/errors.ts";
import { fsCode } from "./fs-errors.ts";

const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** Who takes the bytes of one connection. `buffer` is asked before each read; `take` hears how many bytes that read brought. */
export type Reader = { buffer: () => Buffer; take: (count: number) => void };

/** What connections to one origin have in common. */
export class Origin {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Of a socket of the file system, as in `unix://%2Frun%2Fagent.sock/…`. */
  readonly socketPath: string | null;
  /** The newest TLS session, so that a further connection needs no certificates and one round trip less. */
  #session: Buffer | undefined;
  #opened = 0;

  constructor(url: URL) {
    this.isTls = url.protocol === "https:";
    this.socketPath = url.protocol === "unix:" ? decodeURIComponent(url.hostname) : null;
    this.host = url.hostname.replace(/^\[|\]$/g, "");
    this.port = url.port === "" ? (this.isTls ? 443 : 80) : Number(url.port);
  }

  /** Opens a connection, or tells why there is none. Looks the name up each time, and begins each time with another of its addresses. */
  async open(reader: Reader, signal: AbortSignal): Promise<Socket | { problem: string }> {
    const callback = (count: number) => {
      reader.take(count);
      return true;
    };
    const onread = { buffer: reader.buffer, callback };
    if (this.socketPath !== null) return opened(connect({ path: this.socketPath, onread }), "connect", signal);
    const options = { host: this.host, port: this.port, lookup: turnedLookup(this.#opened++), noDelay: true, onread };
    return this.isTls ? opened(await this.#openTls(options), "secureConnect", signal) : opened(connect(options), "connect", signal);
  }

  async #openTls(options: object): Promise<Socket> {
    // Loaded where it is wanted: it takes two thirds of the processor time of an empty program.
    const { connect: connectTls } = await import("node:tls");
    // The name of a server must not be an address.
    const servername = isIP(this.host) === 0 ? { servername: this.host } : {};
    const session = this.#session === undefined ? {} : { session: this.#session };
    const socket = connectTls({ ...options, ...servername, ...session, ALPNProtocols: ["http/1.1"] });
    return socket.on("session", (session: Buffer) => {
      this.#session = session;
    });
  }
}

function opened(socket: Socket, event: string, signal: AbortSignal): Promise<Socket | { problem: string }> {
  return new Promise((resolve) => {
    const end = (result: Socket | { problem: string }) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      // An error without a listener would end the process; whoever gets the socket adds its own.
      socket.off("close", closed).off("error", failed);
      socket.on("error", () => {});
      if (result !== socket) socket.destroy();
      resolve(result);
    };
    const stop = () => end({ problem: "stopped" });
    const closed = () => end({ problem: "the connection was closed" });
    const failed = (error: Error) => end({ problem: problemText(error) });
    const timer = setTimeout(() => end({ problem: `no connection within ${CONNECT_MS / 1000} s` }), CONNECT_MS);
    socket.on("error", failed).on("close", closed);
    socket.once(event, () => end(socket.setKeepAlive(true, KEEP_ALIVE_MS)));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** The code when there is one: it reads the same on every machine. */
export function problemText(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return fsCode(first) || problemOf(first);
}

/** A store has several addresses: connection by connection another one comes first; the others serve when it does not answer. */
function turnedLookup(turn: number): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const at = turn % Math.max(1, addresses.length);
      const turned = [...addresses.slice(at), ...addresses.slice(0, at)];
      if (options.all === true) callback(null, turned);
      else callback(null, turned[0]?.address ?? "", turned[0]?.family);
    });
  };
}
