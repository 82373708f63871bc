/**
 * Calls of the API over node:http. Node's fetch costs a process 60 ms and 25 MiB before it has asked for anything: that was a quarter of
 * what a small pull takes. Where a proxy may be meant, fetch asks all the same.
 */
import { Agent, type IncomingMessage, request as plainRequest } from "node:http";
import type { Answered, Call } from "../../shared/client.ts";
import { fsCode } from "./fs-errors.ts";
import { mayUseProxy } from "./proxy-env.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Way = { agent: Agent; request: typeof plainRequest };

const KEPT = { keepAlive: true, noDelay: true };
const ACCEPTED = { "accept-encoding": "gzip" };
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export class Caller {
  readonly #env: Environment;
  #plain: Way | null = null;
  #secure: Promise<Way> | null = null;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** As fetch: rejects with the signal's reason, or with an error that says why no answer came; a redirect is one. */
  readonly call = async (url: string, call: Call): Promise<Answered> => {
    const place = new URL(url);
    if (mayUseProxy(place, this.#env)) return fetch(url, call);
    const way = await this.#way(place.protocol);
    call.signal.throwIfAborted();
    for (;;) {
      const answer = await ask(way, place, call);
      if (answer !== "stale") return readable(answer, call.signal);
    }
  };

  async #way(protocol: string): Promise<Way> {
    if (protocol !== "https:") {
      this.#plain ??= { agent: new Agent(KEPT), request: plainRequest };
      return this.#plain;
    }
    this.#secure ??= secureWay();
    return this.#secure;
  }
}

/** Loaded where it is wanted: TLS alone is half of what an empty program costs. */
async function secureWay(): Promise<Way> {
  const { Agent, request } = await import("node:https");
  return { agent: new Agent(KEPT), request };
}

/** `stale`: the connection had been idle, and the server ended it in the moment in which it was used again. */
function ask({ agent, request }: Way, place: URL, { method, headers, body, signal }: Call): Promise<IncomingMessage | "stale"> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const asked = request(place, { agent, method, signal, headers: { ...ACCEPTED, ...headers, ...length } });
    asked.once("response", resolve);
    asked.on("error", (error) => {
      if (signal.aborted) reject(signal.reason);
      else if (asked.reusedSocket && ["ECONNRESET", "EPIPE"].includes(fsCode(error))) resolve("stale");
      else reject(error);
    });
    asked.end(body);
  });
}

function readable(message: IncomingMessage, signal: AbortSignal): Answered {
  const { statusCode: status = 0, headers } = message;
  if (REDIRECTS.has(status)) {
    message.destroy();
    throw new Error("unexpected redirect");
  }
  const get = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(", ") : (value ?? null);
  };
  return { ok: status >= 200 && status < 300, status, headers: { get }, text: () => textOf(message, signal) };
}

async function textOf(message: IncomingMessage, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of message) pieces.push(piece);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  const bytes = Buffer.concat(pieces);
  // An answer without a body may name an encoding all the same, as workerd does with 204.
  if (bytes.length === 0) return "";
  const encoding = message.headers["content-encoding"] ?? "identity";
  if (encoding === "identity") return bytes.toString();
  if (encoding !== "gzip") throw new Error(`the answer is encoded as ${encoding}`);
  const { gunzip } = await import("node:zlib");
  return new Promise((resolve, reject) => gunzip(bytes, (error, plain) => (error === null ? resolve(plain.toString()) : reject(error))));
}
