/** Replication's tasks beside the cache: an agent that stands near a store copies into it, for as long as it runs. */
import type { FerryClient } from "../../shared/client.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { StoreId } from "../../shared/names.ts";
import { MACHINE } from "../node/machine.ts";
import { executeTasks } from "./execute.ts";
import type { Log } from "./log.ts";

export type Executing = {
  client: FerryClient;
  /** The targets; none: nothing is copied. */
  stores: readonly StoreId[];
  /** Chunks at once. */
  parallel: number;
  /** Its name in the audit trail. */
  executor: string;
  log: Log;
  signal: AbortSignal;
};

/** A registry that does not answer, or a right that comes later. */
const AGAIN_MS = 30_000;

/** Ends when the signal fires, and never fails. */
export async function keepExecuting({ log, signal, ...execution }: Executing): Promise<void> {
  if (execution.stores.length === 0) return;
  const note = (text: string) => log({ event: "execute.note", text });
  log({ event: "execute.started", stores: execution.stores.join(" ") });
  while (!signal.aborted) {
    try {
      await executeTasks({ ...execution, once: false, signal, sleep: MACHINE.sleep, note });
    } catch (error) {
      if (signal.aborted) return;
      log({ event: "execute.failed", problem: error instanceof FerryError ? error.message : problemOf(error) });
      await MACHINE.sleep(AGAIN_MS, signal).catch(() => {});
    }
  }
}
