/** GETs of ranges on connections of our own that stay open; what those do not understand is asked for again by fetch. */
import { Foreign, RangeConnection, Unheard } from "./range-connection.ts";

export type RangeFetch = (url: string, range: string, signal: AbortSignal | undefined) => Promise<Response>;

/** @param idleMs after which a connection without work ends. Fails as fetch does. */
export function rangeFetch(idleMs: number): RangeFetch {
  const idle = new Map<string, RangeConnection[]>();
  return async (url, range, signal) => {
    const target = new URL(url);
    for (;;) {
      signal?.throwIfAborted();
      const kept = freeOf(idle.get(target.origin) ?? []);
      const answer = await asked(kept, target, { range, signal, idleMs, idle }).catch((error: unknown) => failed(error, signal));
      if (answer instanceof Response) return answer;
      if (answer instanceof Foreign) return fetch(url, { headers: { range }, redirect: "manual", signal: signal ?? null });
      // The store closed the connection while nothing was asked on it.
      if (kept === undefined) throw new TypeError("fetch failed", { cause: answer });
    }
  };
}

/** What may be tried in another way; all else is thrown. */
function failed(error: unknown, signal: AbortSignal | undefined): Foreign | Unheard {
  signal?.throwIfAborted();
  if (error instanceof Foreign || error instanceof Unheard) return error;
  throw new TypeError("fetch failed", { cause: error });
}

/** The one that was used last. */
function freeOf(idle: RangeConnection[]): RangeConnection | undefined {
  for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) if (connection.isFree) return connection;
  return undefined;
}

type Asking = { range: string; signal: AbortSignal | undefined; idleMs: number; idle: Map<string, RangeConnection[]> };

async function asked(kept: RangeConnection | undefined, target: URL, { range, signal, idleMs, idle }: Asking): Promise<Response> {
  const connection = kept ?? (await RangeConnection.open(target, signal));
  const stop = () => connection.end(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  connection.onFree = () => {
    signal?.removeEventListener("abort", stop);
    connection.rest(idleMs);
    const others = idle.get(target.origin) ?? [];
    idle.set(target.origin, [...others.filter(({ isFree }) => isFree), connection]);
  };
  const lines = [`GET ${target.pathname}${target.search} HTTP/1.1`, `host: ${target.host}`, `range: ${range}`, "accept-encoding: identity"];
  return connection.ask(`${lines.join("\r\n")}\r\n\r\n`);
}
