/**
 * `fetch` for sources that somebody else has named: it reaches public addresses alone, and hosts that this machine's operator has named. A
 * name is resolved here, its addresses are judged, and the connection is made to those very addresses; a redirect is a new question, and
 * takes no keys to another host. GET and HEAD only.
 */
import { lookup as resolve } from "node:dns";
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { FerryError } from "../../shared/errors.ts";
import { isPublicAddress, urlProblem } from "../../shared/public-url.ts";
import type { Fetch } from "./origin.ts";

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const SECRETS = /^(authorization|cookie|x-amz-.*)$/i;

export type PublicFetch = { fetch: Fetch; close(): void };

/** @param privateHosts names or addresses, without ports. @param lookup answers all addresses of a name, as node:dns does */
export function publicFetch(privateHosts: readonly string[], lookup: typeof resolve = resolve): PublicFetch {
  const agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };
  const judged = publicLookup(lookup);
  const once = (url: string, init: RequestInit, headers: Record<string, string>) => {
    const problem = urlProblem(url, privateHosts);
    if (problem !== null) throw refused(url, problem);
    const agent = url.startsWith("https:") ? agents.https : agents.http;
    const look = urlProblem(url) === null ? { lookup: judged } : {};
    return asked(url, { method: init.method ?? "GET", headers, agent, ...look, ...(init.signal ? { signal: init.signal } : {}) });
  };
  const fetch: Fetch = async (first, init) => {
    let headers = Object.fromEntries(new Headers(init.headers));
    let url = first;
    for (let count = 0; count <= REDIRECTS_MAX; count++) {
      const answer = await once(url, init, headers);
      const next = redirectOf(answer, url);
      if (next === null) return responseOf(answer, init.method ?? "GET");
      answer.resume();
      if (next.origin !== new URL(url).origin) headers = without(headers);
      url = next.href;
    }
    throw refused(url, "it leads too far");
  };
  return {
    fetch,
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

/** Null: it is an answer. */
function redirectOf({ statusCode = 0, headers: { location } }: IncomingMessage, url: string): URL | null {
  return REDIRECTS.has(statusCode) && location !== undefined ? URL.parse(location, url) : null;
}

type Options = Parameters<typeof requestHttps>[1];

function asked(url: string, options: Options): Promise<IncomingMessage> {
  return new Promise((settle, fail) => {
    const request = url.startsWith("https:") ? requestHttps(url, options) : requestHttp(url, options);
    request.on("response", settle).on("error", fail).end();
  });
}

function responseOf(answer: IncomingMessage, method: string): Response {
  const status = answer.statusCode ?? 502;
  const headers = new Headers();
  for (let at = 0; at + 1 < answer.rawHeaders.length; at += 2) headers.append(answer.rawHeaders[at] ?? "", answer.rawHeaders[at + 1] ?? "");
  if (method !== "HEAD" && status !== 204 && status !== 304)
    return new Response(Readable.toWeb(answer) as ReadableStream, { status, headers });
  answer.resume();
  return new Response(null, { status, headers });
}

function publicLookup(lookup: typeof resolve): LookupFunction {
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, []);
      if (addresses.length === 0 || addresses.some(({ address }) => !isPublicAddress(address)))
        return done(refused(`https://${name}`, "its name leads to an address that is not public"), []);
      const [first] = addresses;
      return options.all === true ? done(null, addresses) : done(null, first?.address ?? "", first?.family);
    });
  };
}

/** Not again: it would be refused again. */
function refused(url: string, problem: string): FerryError {
  const source = URL.parse(url)?.hostname ?? "it";
  return new FerryError("SOURCE_UNAVAILABLE", { source, problem, status: 403 });
}

function without(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRETS.test(name)));
}
