/**
 * Who holds a chunk is what a `have` goes by (upload.ts). Once a repository has purged what it held, the chunk may live on in a clone, whose
 * readers are others: then the index must not name the old holder any more. Until the next collection it may.
 */
import type { RepositoryId } from "../../../shared/contract/repositories.ts";
import type { Digest } from "../../../shared/digest.ts";
import { envelopeKey } from "../layout.ts";
import { withWhole } from "../log.ts";
import { repositoryLog } from "../logs.ts";
import type { Ports } from "../ports.ts";
import type { Envelope } from "../records.ts";
import { readEnvelopes } from "./scan.ts";

/** Newest revisions that are asked whether they hold it still. What only older ones hold costs an upload. */
const REVISIONS = 100;
const PAGE = 10;

type Place = { sha256: Digest; tag: string };

/** Entries that name the repository of a dead envelope as holder of a chunk that none of its living revisions names. */
export async function releaseChunks(ports: Ports, dead: readonly Envelope[]): Promise<void> {
  const places = new Map<RepositoryId, Map<string, Place>>();
  for (const { repositoryId, placement } of dead) {
    const own = places.get(repositoryId) ?? new Map<string, Place>();
    places.set(repositoryId, own);
    for (const [sha256, , tag] of placement) own.set(`${sha256}~${tag}`, { sha256, tag });
  }
  for (const [id, own] of places) await ports.chunks.remove(await unheld(ports, id, [...own.values()]));
}

async function unheld(ports: Ports, id: RepositoryId, places: readonly Place[]): Promise<Place[]> {
  const entries = await ports.chunks.find(places.map(({ sha256 }) => sha256));
  const suspects = new Map<string, Place>();
  places.forEach((place, at) => {
    const entry = entries[at] ?? null;
    if (entry?.holder === id && entry.tag === place.tag) suspects.set(`${place.sha256}~${place.tag}`, place);
  });
  if (suspects.size === 0) return [];
  const revisions = await withWhole(repositoryLog(ports, id), () => ports.repositories.listRevisions(id, { limit: REVISIONS }));
  for (let at = 0; at < revisions.length && suspects.size > 0; at += PAGE) {
    const keys = revisions.slice(at, at + PAGE).map(({ manifest, attempt }) => envelopeKey(manifest, attempt));
    for (const { envelope } of await readEnvelopes(
      ports,
      keys.map((key) => ({ key, sizeBytes: 0, modifiedAtMs: 0 })),
    ))
      for (const [sha256, , tag] of envelope.placement) suspects.delete(`${sha256}~${tag}`);
  }
  return [...suspects.values()];
}
