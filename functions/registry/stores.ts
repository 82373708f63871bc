import type { StoreSummary } from "../../shared/contract/stores.ts";
import type { Ports } from "./ports.ts";

export function describeStores({ stores }: Ports): Promise<StoreSummary[]> {
  return Promise.all(
    stores.all().map(async (store) => {
      const { id, provider, endpoint, bucket, prefix } = store.profile;
      return { id, home: id === stores.home.profile.id, provider, endpoint, bucket, prefix, probe: await store.probed() };
    }),
  );
}
