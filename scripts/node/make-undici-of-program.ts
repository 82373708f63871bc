/**
 * What a bundled data thread has in place of make-undici.ts (scripts/build.ts): few threads need that transport, and it is larger than all
 * else that they need. Those that do take it from the program that started them.
 */
import { workerData } from "node:worker_threads";
import type { ThreadSetting } from "./thread-messages.ts";
import type { Transport } from "./transport.ts";

export async function makeUndici(connections: number): Promise<Transport> {
  const { program } = workerData as ThreadSetting;
  const { makeUndici } = (await import(program)) as typeof import("./make-undici.ts");
  return makeUndici(connections);
}
