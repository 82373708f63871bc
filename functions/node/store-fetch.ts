/**
 * `fetch` on Node for stores. Node's own closes the connection after every HEAD, because some servers send a body with the answer; a push
 * asks for the length of each of its chunks, and would connect anew (with TLS: shake hands anew) for each. Here HEADs keep theirs. Ranges,
 * which may be long, come by connections that hand them on in slabs (range-connection.ts).
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import process from "node:process";
import { rangeFetch } from "./range-fetch.ts";

/** As long as Node's fetch keeps one; a server that says less is believed. */
const IDLE_MS = 4_000;

/** Answers and fails as fetch does. */
export function storeFetch(): typeof fetch {
  const proxyEnv = process.env["NODE_USE_ENV_PROXY"] === "1" ? { proxyEnv: process.env } : {};
  const options = { keepAlive: true, timeout: IDLE_MS, ...proxyEnv };
  const agents: Agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  // Behind a proxy Node's own fetch knows the way.
  const byRange = "proxyEnv" in proxyEnv ? null : rangeFetch(IDLE_MS);
  return async (input, init = {}) => {
    const range = rangeOf(init);
    if (byRange !== null && range !== null && typeof input === "string") return byRange(input, range, init.signal ?? undefined);
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

/** The range of a GET that asks for one and for nothing else. */
function rangeOf({ method = "GET", headers, redirect, body }: RequestInit): string | null {
  if (method !== "GET" || redirect !== "manual" || (body ?? null) !== null) return null;
  const [only, ...others] = Object.entries(plain(headers));
  return only?.[0] === "range" && others.length === 0 ? only[1] : null;
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
