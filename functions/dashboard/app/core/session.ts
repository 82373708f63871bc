/** Who uses the console. A token is kept for this tab and never part of an address. */
import { signal } from "@preact/signals";
import type * as z from "zod";
import { FerryClient } from "../../../../shared/client.ts";
import type { WhoAmI } from "../../../../shared/contract/access.ts";
import { FerryError } from "../../../../shared/errors.ts";
import { OperationId } from "../../../../shared/names.ts";
import { keepToken, keptToken } from "./stored.ts";

export type Me = z.infer<typeof WhoAmI>;
export type Session = { is: "asking" } | { is: "out"; problem: unknown } | { is: "in"; client: FerryClient; me: Me };

export const session = signal<Session>({ is: "asking" });

/** Takes up the token of this tab, when there is one. */
export async function resume(): Promise<void> {
  const token = keptToken();
  if (token === null) session.value = { is: "out", problem: null };
  else await logIn(token);
}

/** Never throws: a refusal is told in `session`. */
export async function logIn(token: string): Promise<void> {
  const client = clientFor(token);
  try {
    const me = await client.call("whoAmI", {});
    keepToken(token);
    session.value = { is: "in", client, me };
  } catch (problem) {
    if (isEnded(problem)) keepToken(null);
    session.value = { is: "out", problem };
  }
}

export function logOut(problem: unknown = null): void {
  keepToken(null);
  session.value = { is: "out", problem };
}

/** A token that was revoked or has ended sends its user back to the log-in. */
export function isEnded(problem: unknown): boolean {
  return problem instanceof FerryError && (problem.code === "TOKEN_INVALID" || problem.code === "TOKEN_MISSING");
}

export function clientFor(token: string): FerryClient {
  return new FerryClient({
    endpoint: location.origin,
    token,
    fetch: (url, init) => fetch(url, init),
    sleep,
    random: Math.random,
    attempts: 3,
  });
}

export function operationId(): OperationId {
  return OperationId.parse(crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), ""));
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
    function done() {
      signal?.removeEventListener("abort", stop);
      resolve();
    }
  });
}
