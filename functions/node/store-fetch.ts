/**
 * `fetch` on Node for stores. Node's own closes the connection after every HEAD, because some servers send a body with the answer; a push
 * asks for the length of each of its chunks, and would connect anew (with TLS: shake hands anew) for each. Here HEADs keep theirs.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import process from "node:process";

/** As long as Node's fetch keeps one; a server that says less is believed. */
const IDLE_MS = 4_000;

/** Answers and fails as fetch does. */
export function storeFetch(): typeof fetch {
  const proxyEnv = process.env["NODE_USE_ENV_PROXY"] === "1" ? { proxyEnv: process.env } : {};
  const options = { keepAlive: true, timeout: IDLE_MS, ...proxyEnv };
  const agents: Agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  return async (input, init = {}) => {
    if (init.method !== "HEAD" || init.redirect !== "manual" || typeof input !== "string") return fetch(input, init);
    init.signal?.throwIfAborted();
    const answer = await head(agents, input, init).catch((error: unknown) => {
      init.signal?.throwIfAborted();
      throw new TypeError("fetch failed", { cause: error });
    });
    // The status of a broken server is no reason to fail otherwise than by its answer.
    return new Response(null, { status: answer.statusCode ?? 502, headers: headersOf(answer) });
  };
}

type Agents = { http: HttpAgent; https: HttpsAgent };

function head(agents: Agents, url: string, init: RequestInit): Promise<IncomingMessage> {
  const signal = init.signal ?? undefined;
  return new Promise((resolve, reject) => {
    const options = { method: "HEAD", headers: plain(init.headers), ...(signal === undefined ? {} : { signal }) };
    const sent = url.startsWith("https:")
      ? requestHttps(url, { ...options, agent: agents.https })
      : requestHttp(url, { ...options, agent: agents.http });
    sent.on("response", (answer) => {
      answer.resume();
      resolve(answer);
    });
    sent.on("error", (error) => {
      // The store closed the connection while nothing was asked on it.
      if (sent.reusedSocket && signal?.aborted !== true) head(agents, url, init).then(resolve, reject);
      else reject(error);
    });
    sent.end();
  });
}

function plain(headers: RequestInit["headers"]): Record<string, string> {
  return Object.fromEntries(new Headers(headers));
}

function headersOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, at) => [rawHeaders[2 * at] ?? "", rawHeaders[2 * at + 1] ?? ""]);
}
