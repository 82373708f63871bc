/**
 * Sealing a part of a session: its files are checked, its chunks proven, and both written into one object of the bucket. A part that is
 * sealed needs nobody any more: not its rank, and not the index.
 */
import { canonical } from "../../shared/canonical.ts";
import type { ContentReport } from "../../shared/contract/content.ts";
import type { SealedPart, SealRequest } from "../../shared/contract/parts.ts";
import type { RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { contentEntries, type Manifest, makeManifest } from "../../shared/manifest.ts";
import { proveChunks } from "./commit.ts";
import { partKey } from "./layout.ts";
import { Part, placesOf } from "./parts-records.ts";
import { refuseAborted } from "./parts-session.ts";
import type { Caller, Ports } from "./ports.ts";
import { decodeRecord, encodeRecord } from "./records.ts";
import { findBase } from "./revisions.ts";
import { openSharedSession, type SharedSession } from "./sessions.ts";

/**
 * Throws PART_TAKEN when the part has other files, SESSION_ENDED, and what a commit throws: MANIFEST_INVALID, PATH_UNSAFE,
 * RECIPE_UNPROVEN, CHUNK_UNPROVEN. The same files again are fine; under a later attempt they get the places of that attempt.
 */
export async function sealPart(
  ports: Ports,
  caller: Caller,
  repository: RepositorySummary,
  upload: string,
  part: number,
  request: SealRequest,
): Promise<SealedPart> {
  const session = await openSharedSession(ports, caller, repository.id, upload);
  if (part >= session.parts)
    throw new FerryError("REQUEST_INVALID", { problem: `path.part: session ${session.session} has the parts 0 to ${session.parts - 1}` });
  const manifest = makeManifest(request.files);
  const key = partKey(session.repositoryId, session.id, part);
  const sealed = await findPart(ports, key);
  if (sealed !== null) demandSame(sealed, manifest);
  if (sealed === null || sealed.attempt < request.attempt) {
    await refuseAborted(ports, session);
    const { attempt, content } = request;
    await write(ports, repository, session, { key, replaces: sealed !== null, part, manifest, attempt, content });
  }
  const sizeBytes = contentEntries(manifest).reduce((sum, { size }) => sum + size, 0);
  return { part, fileCount: manifest.files.length, sizeBytes };
}

type Writing = { key: string; replaces: boolean; part: number; manifest: Manifest; attempt: number; content: ContentReport | undefined };

async function write(
  ports: Ports,
  repository: RepositorySummary,
  session: SharedSession,
  { key, replaces, part, manifest, attempt, content }: Writing,
): Promise<void> {
  const { bucket } = ports.stores.home;
  const base = session.base === null ? null : await findBase(ports, repository, session.base);
  const placed = await proveChunks(ports, { uploadId: session.id, attempt, manifest, base });
  const said = content === undefined ? {} : { content };
  const bytes = encodeRecord({ v: 1, part, manifest, attempt, ...said, places: placesOf(placed) } satisfies Part);
  // Files never change once they are sealed; of two sets of places of the same files either is good.
  if (replaces) return bucket.put(key, bytes);
  if ((await bucket.create(key, bytes)) === "created") return;
  const first = await findPart(ports, key);
  if (first !== null) demandSame(first, manifest);
}

function demandSame(sealed: Part, manifest: Manifest): void {
  if (canonical(sealed.manifest) !== canonical(manifest)) throw new FerryError("PART_TAKEN", { part: sealed.part });
}

/** Null: it is not sealed. */
export async function findPart(ports: Ports, key: string): Promise<Part | null> {
  const bytes = await ports.stores.home.bucket.get(key);
  return bytes === null ? null : decodeRecord(Part, bytes, key);
}
