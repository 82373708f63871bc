/**
 * Collection of a replica store: the same protocol as home's, run there, with the same flags in that store's bucket. What differs is what
 * keeps an envelope: there it is a record of the log, here a marker in the store itself, which is written last and removed first. Other
 * envelopes are plans that may still come to their end while they are young, and garbage when they are old (docs/decisions/0017).
 */
import type { CollectAnswer } from "../../../shared/contract/collect.ts";
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { StoreId } from "../../../shared/names.ts";
import { isEnded, startCollect, stepCollect } from "../collect/run.ts";
import { newestRun } from "../collect/state.ts";
import { ENVELOPE_PREFIX } from "../layout.ts";
import type { Bucket, Ports, RepositoryIndex } from "../ports.ts";
import { atStore } from "./at-store.ts";
import { listMarkers, type Ready } from "./ready.ts";

const DAY_MS = 86_400_000;
/** Of the newest revisions of a repository, some have markers. */
const WITNESSES = 200;

/** Goes on with the store's run, or begins one when the last began a day ago; null: nothing to do. */
export async function collectAt(ports: Ports, store: StoreId): Promise<CollectAnswer | null> {
  const view = collectView(ports, store);
  const last = await newestRun(view);
  if (!isEnded(last)) return stepCollect(view);
  if (last !== null && ports.clock.now() - last.startedAtMs < DAY_MS) return null;
  const { bucket } = ports.stores.get(store);
  // Never used as a replica: nothing to collect, and nothing to write there.
  if (last === null && (await bucket.list(ENVELOPE_PREFIX, { limit: 1 })).objects.length === 0) return null;
  return startCollect(view, { dryRun: false });
}

export function collectView(ports: Ports, store: StoreId): Ports {
  const view = atStore(ports, store);
  return { ...view, repositories: markedOnly(ports.repositories, ports.stores.get(store).bucket) };
}

/**
 * Of one step: an envelope's fate is that of its marker, and revisions are those with markers, at the envelopes that these name: so they are
 * witnesses of what the listing of envelopes left out. A marker that comes meanwhile is of an envelope too young to be judged.
 */
function markedOnly(index: RepositoryIndex, bucket: Bucket): RepositoryIndex {
  const known = new Map<RepositoryId, Promise<Ready[]>>();
  const markersOf = (id: RepositoryId) => {
    const markers = known.get(id) ?? listMarkers(bucket, id);
    known.set(id, markers);
    return markers;
  };
  const own: Pick<RepositoryIndex, "envelopeFate" | "listRevisions"> = {
    envelopeFate: async (id, attempt) => ((await markersOf(id)).some(({ copy }) => copy === attempt) ? { state: "living" } : null),
    listRevisions: async (id, query) => {
      const copies = new Map((await markersOf(id)).map(({ revision, copy }) => [revision, copy]));
      const entries = await index.listRevisions(id, { ...query, limit: Math.max(query.limit, WITNESSES) });
      return entries.flatMap((entry) => {
        const copy = copies.get(entry.revision);
        return copy === undefined ? [] : [{ ...entry, attempt: copy }];
      });
    },
  };
  return new Proxy(index, {
    get(target, name) {
      if (name === "envelopeFate" || name === "listRevisions") return own[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
