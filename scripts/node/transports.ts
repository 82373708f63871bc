/** Makes the transport of a thread. */
import { setMaxListeners } from "node:events";
import { MACHINE } from "./machine.ts";
import { makeUndici } from "./make-undici.ts";
import { StoreTransport } from "./store-transport.ts";
import { Throttle } from "./throttle.ts";
import type { Transport } from "./transport.ts";
import { WatchedTransport } from "./watched-transport.ts";

/** Plain data: it goes to the threads. */
export type TransportSetting = {
  /** `undici`: as a reference in tests; costs twice the CPU. */
  kind: "raw" | "undici";
  /** Requests at once. */
  connections: number;
  stallSeconds: number;
  /** Of this thread alone. */
  bandwidthBytesPerSecond: number | undefined;
};

export async function makeTransport({ kind, connections, stallSeconds, bandwidthBytesPerSecond }: TransportSetting): Promise<Transport> {
  // Every request listens to the signal that stops the transfer. Node 20 takes more than ten listeners for a leak, and says so on stderr.
  setMaxListeners(0);
  const throttle = new Throttle(bandwidthBytesPerSecond, MACHINE);
  const inner = kind === "raw" ? new StoreTransport(connections, process.env) : await makeUndici(connections);
  return new WatchedTransport(inner, { stallSeconds, throttle, nowMs: MACHINE.nowMs });
}
