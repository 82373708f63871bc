/** Presigned GETs for chunks of one revision. The right to read goes through the repository; a digest alone gives nothing. */
import type { DownloadBatch, DownloadRequest } from "../../shared/contract/downloads.ts";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { demandUnblocked } from "./blocks.ts";
import type { Ports } from "./ports.ts";
import { envelopeOf, resolveRevision } from "./revisions.ts";

export async function planDownload(
  ports: Ports,
  repository: RepositorySummary,
  ref: string,
  request: DownloadRequest,
): Promise<DownloadBatch> {
  const store = request.store === undefined ? ports.stores.home : ports.stores.get(request.store);
  // Placement differs from store to store, and only home's is in this envelope.
  if (store.profile.id !== ports.stores.home.profile.id) throw new FerryError("STORE_UNKNOWN", { store: store.profile.id });
  demandUnblocked(repository);
  const revision = await resolveRevision(ports, repository, ref);
  const { places } = await envelopeOf(ports, revision);
  const wanted = request.chunks.map((sha256) => {
    const place = places.get(sha256);
    if (place === undefined) throw new FerryError("CHUNK_UNKNOWN", { revision: revision.revision, chunk: sha256 });
    return { sha256, tag: place.tag };
  });
  return store.chunks.downloads(wanted);
}
