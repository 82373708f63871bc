import type { StoreSummary } from "../../shared/contract/stores.ts";
import { reachesStore } from "./access.ts";
import type { Caller, Ports } from "./ports.ts";

/** Those that some scope of the caller is good for. */
export function describeStores({ stores }: Ports, caller: Caller): Promise<StoreSummary[]> {
  const reached = stores.all().filter(({ profile }) => reachesStore(caller, profile.id));
  return Promise.all(
    reached.map(async (store) => {
      const { id, provider, endpoint, bucket, prefix } = store.profile;
      return { id, home: id === stores.home.profile.id, provider, endpoint, bucket, prefix, probe: await store.probed() };
    }),
  );
}
