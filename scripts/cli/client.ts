/** The typed client on a host. */
import { type Answered, type Call, FerryClient } from "../../shared/client.ts";
import { StoreId } from "../../shared/names.ts";
import { isOn } from "./config.ts";
import type { Host } from "./host.ts";
import { redacted } from "./text.ts";
import { VERSION } from "./version.ts";

export type Patience = { attempts?: number; attemptsLater?: number; timeoutMs?: number; renew?: () => Promise<string> };

/** A client that stops with the host, and tells of each request under FERRY_DEBUG=1. */
export function clientFor(host: Host, to: { endpoint: string; token: string | undefined }, patience: Patience = {}): FerryClient {
  const debug = isOn(host.env["FERRY_DEBUG"]);
  return new FerryClient({
    endpoint: to.endpoint,
    token: to.token,
    fetch: async (url, call) => {
      const signal = AbortSignal.any([call.signal, host.signal]);
      const startedMs = host.now();
      const response = await host.call(url, { ...call, signal });
      if (debug) host.stderr.write(requestLine(url, call, response, host.now() - startedMs));
      return response;
    },
    sleep: (ms, signal) => host.sleep(ms, signal ? AbortSignal.any([signal, host.signal]) : host.signal),
    random: () => host.random(),
    userAgent: `ferry/${VERSION}`,
    near: StoreId.safeParse(host.env["FERRY_NEAR"]).data,
    ...patience,
  });
}

function requestLine(url: string, { method }: Call, response: Answered, tookMs: number): string {
  const requestId = response.headers.get("x-request-id") ?? "-";
  return redacted(`debug: ${method} ${url} → ${response.status} in ${Math.round(tookMs)} ms, request ${requestId}\n`);
}
