/** What replication goes by, as the system log says it. */
import type { StoreId } from "../../../shared/names.ts";
import { withWhole } from "../log.ts";
import { systemLog } from "../logs.ts";
import type { Ports, Standing } from "../ports.ts";

export async function standingOf(ports: Ports): Promise<Standing> {
  return withWhole(systemLog(ports), () => ports.system.standing());
}

/** The least that a policy allows on the way into a store, in bytes per second; null: no policy limits it. */
export function rateInto({ policies }: Standing, store: StoreId): number | null {
  const rates = policies.flatMap(({ stores, bytesPerSecond }) => (stores.includes(store) ? (bytesPerSecond ?? []) : []));
  return rates.length === 0 ? null : Math.min(...rates);
}
