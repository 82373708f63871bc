/**
 * Sending on Node. The name is resolved here, its addresses are judged, and the connection is made to those very addresses: whoever answers
 * the next question for that name differently gains nothing. No redirects, no proxies, no connection that is kept.
 */
import { lookup as resolve } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { isPublicAddress, urlProblem } from "../../shared/public-url.ts";
import { secondsIn } from "../outbound.ts";
import type { Outbound, Post, Posted } from "../registry/hooks/ports.ts";

type Resolve = typeof resolve;

class NotPublic extends Error {}

/** @param lookup answers all addresses of a name, as node:dns does */
export function nodeOutbound(privateHosts: readonly string[], lookup: Resolve = resolve): Outbound {
  const publicOnly = publicLookup(lookup);
  return {
    privateHosts,
    async post(post): Promise<Posted> {
      const problem = urlProblem(post.url, privateHosts);
      if (problem !== null) return { problem };
      const isPrivate = urlProblem(post.url) !== null;
      return send(post, isPrivate ? undefined : publicOnly);
    },
  };
}

function send({ url, headers, body, timeoutMs }: Post, lookup: LookupFunction | undefined): Promise<Posted> {
  return new Promise((settle) => {
    const request = url.startsWith("https:") ? requestHttps : requestHttp;
    const length = String(Buffer.byteLength(body));
    const options = {
      method: "POST",
      headers: { ...headers, "content-length": length },
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
    };
    const sent = request(url, lookup === undefined ? options : { ...options, lookup }, (response) => {
      settle({ status: response.statusCode ?? 0, retryAfterSeconds: secondsIn(response.headers["retry-after"]) });
      response.destroy();
    });
    sent.on("error", (error) => settle({ problem: problemOf(error, timeoutMs) }));
    sent.end(body);
  });
}

function publicLookup(lookup: Resolve): LookupFunction {
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, []);
      const closed = addresses.find(({ address }) => !isPublicAddress(address));
      if (closed !== undefined || addresses.length === 0) return done(new NotPublic("its name leads to an address that is not public"), []);
      if (options.all === true) return done(null, addresses);
      const [first] = addresses;
      return done(null, first?.address ?? "", first?.family);
    });
  };
}

function problemOf(error: Error, timeoutMs: number): string {
  if (error instanceof NotPublic) return error.message;
  return error.name === "TimeoutError" || error.name === "AbortError" ? `no answer within ${timeoutMs} ms` : "it can't be reached";
}
