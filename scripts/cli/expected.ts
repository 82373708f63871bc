/** `--if`: what a tag or a branch must be at now, as the revision that the server compares. */
import type { FerryClient } from "../../shared/client.ts";
import { type RepositoryName, RevisionId } from "../../shared/names.ts";

/** Undefined: no condition. Null: it must not exist. A branch or a tag is looked up first. */
export async function expectedRevision(
  client: FerryClient,
  repository: RepositoryName,
  given: string | null | undefined,
): Promise<RevisionId | null | undefined> {
  if (given === undefined || given === null) return given;
  const revision = RevisionId.safeParse(given);
  return revision.success ? revision.data : (await client.call("resolve", { repository, params: { ref: given } })).revision;
}
