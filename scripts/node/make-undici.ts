import type { Transport } from "./transport.ts";

/** Loaded only where it is needed: it is large. */
export async function makeUndici(connections: number): Promise<Transport> {
  const { UndiciTransport } = await import("./undici-transport.ts");
  return new UndiciTransport(connections);
}
