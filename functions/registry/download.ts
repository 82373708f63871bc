/**
 * Presigned GETs for chunks of one revision. The right to read goes through the repository; a digest alone gives nothing.
 *
 * They are signed for the store that is asked for, or for the nearest one that has the revision whole, or else for home. Whether a store has
 * it is looked up in the store itself, for every page: what is given up meanwhile is not served, and a store that is down is not chosen.
 */
import type { DownloadBatch, DownloadRequest } from "../../shared/contract/downloads.ts";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { StoreId } from "../../shared/names.ts";
import { may } from "./access.ts";
import { demandUnblocked } from "./blocks.ts";
import { type OpenEnvelope, readEnvelope } from "./envelopes.ts";
import type { Caller, Ports, RevisionEntry, Store } from "./ports.ts";
import { atStore } from "./replicate/at-store.ts";
import { findReady } from "./replicate/ready.ts";
import { envelopeOf, resolveRevision } from "./revisions.ts";

const RETRY_SECONDS = 5;

export async function planDownload(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  ref: string,
  request: DownloadRequest,
): Promise<DownloadBatch> {
  const asked = request.store === undefined ? null : ports.stores.get(request.store);
  demandUnblocked(repository);
  const revision = await resolveRevision(ports, repository, ref);
  const { store, places } = await sourceOf(ports, caller, repository, { revision, asked, near: request.near });
  const wanted = request.chunks.map((sha256) => {
    const place = places.get(sha256);
    if (place === undefined) throw new FerryError("CHUNK_UNKNOWN", { revision: revision.revision, chunk: sha256 });
    return { sha256, tag: place.tag };
  });
  return store.chunks.downloads(wanted);
}

type Question = { revision: RevisionEntry; asked: Store | null; near: string | undefined };
type Answer = { store: Store; places: OpenEnvelope["places"] };

async function sourceOf(ports: Ports, caller: Caller, repository: RepositorySummary, question: Question): Promise<Answer> {
  const { revision, asked, near } = question;
  const { home } = ports.stores;
  if (asked !== null && asked.profile.id !== home.profile.id) {
    const places = await placesAt(ports, repository, revision, asked);
    if (places !== null) return { store: asked, places };
    throw new FerryError("REPLICA_NOT_READY", {
      store: asked.profile.id,
      revision: revision.revision,
      retryAfterSeconds: RETRY_SECONDS,
    });
  }
  for (const store of asked === null && near !== undefined ? nearStores(ports, near) : []) {
    if (!may(caller, "pull", repository.repository, store.profile.id)) continue;
    // One that does not answer is passed over: another one has it, too.
    const places = await placesAt(ports, repository, revision, store).catch(() => null);
    if (places !== null) return { store, places };
  }
  return { store: home, places: (await envelopeOf(ports, repository, revision)).places };
}

/** Those beside the network of that name; a store's id is a name, too. None when home is beside it. */
function nearStores({ stores }: Ports, near: string): Store[] {
  const isNear = ({ profile }: Store) => profile.id === (near as StoreId) || (profile.near?.includes(near) ?? false);
  return isNear(stores.home) ? [] : stores.all().filter(isNear);
}

async function placesAt(ports: Ports, repository: RepositorySummary, revision: RevisionEntry, store: Store) {
  const ready = await findReady(store.bucket, repository.id, revision);
  if (ready === null) return null;
  return (await readEnvelope(atStore(ports, store.profile.id), revision.manifest, ready.copy)).places;
}
