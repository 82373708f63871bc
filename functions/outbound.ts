/**
 * Sending by `fetch`, for the Worker. Names are not resolved here: a Worker's requests leave from Cloudflare's network, which leads to no
 * private one. On Node functions/node/outbound.ts looks at the addresses.
 */
import type { Outbound, Posted } from "./registry/hooks/ports.ts";

export function fetchOutbound(fetch: typeof globalThis.fetch, privateHosts: readonly string[]): Outbound {
  return {
    privateHosts,
    async post({ url, headers, body, timeoutMs }): Promise<Posted> {
      try {
        const response = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal: AbortSignal.timeout(timeoutMs) });
        await response.body?.cancel();
        return { status: response.status, retryAfterSeconds: secondsIn(response.headers.get("retry-after")) };
      } catch (error) {
        return {
          problem: error instanceof Error && error.name === "TimeoutError" ? `no answer within ${timeoutMs} ms` : "it can't be reached",
        };
      }
    },
  };
}

/** Null for dates, which few senders of this header use. */
export function secondsIn(retryAfter: string | null | undefined): number | null {
  return retryAfter !== null && retryAfter !== undefined && /^\d{1,7}$/.test(retryAfter) ? Number(retryAfter) : null;
}
