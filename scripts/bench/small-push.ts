/** Pushes of a few small texts straight through the API, for scenarios that measure the registry and not a client. */
import { createHash, randomBytes } from "node:crypto";
import type { FerryClient } from "../../shared/client.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import { Digest } from "../../shared/digest.ts";
import type { FileEntry } from "../../shared/manifest.ts";
import { RefName, type RepositoryName, type RevisionId } from "../../shared/names.ts";
import { ticketRequest } from "../../shared/tickets.ts";
import { newOperation } from "./registry.ts";

export const BRANCH = RefName.parse("main");

/** A file of a few random bytes, and its entry. */
export type SmallFile = { text: string; entry: FileEntry };

export function smallFile(path: string): SmallFile {
  const text = randomBytes(16).toString("hex");
  const sha256 = Digest.parse(createHash("sha256").update(text).digest("hex"));
  return { text, entry: { path, mode: "file", size: text.length, sha256, chunk: sha256 } };
}

/** The first revision of a repository, made of one file. */
export async function pushFirst(client: FerryClient, repository: RepositoryName, { text, entry }: SmallFile): Promise<RevisionSummary> {
  if (entry.mode === "link") throw new TypeError("a link has no chunk");
  const { upload } = await client.call("openUpload", { repository, body: { branch: BRANCH, operationId: newOperation() } });
  const chunks = [{ sha256: entry.sha256, size: entry.size }];
  const { tickets } = await client.call("reserve", { repository, params: { upload }, body: { attempt: 1, chunks } });
  for (const item of tickets?.items ?? []) {
    if (tickets === null) break;
    const { url, method, headers } = ticketRequest(tickets, item);
    const answer = await fetch(url, { method, headers, body: text });
    if (!answer.ok) throw new Error(`the store answered a ticket with ${answer.status}`);
  }
  await client.call("confirm", { repository, params: { upload }, body: { attempt: 1, chunks } });
  return commitAgain(client, repository, upload, null, [entry]);
}

/** One more revision of the same files. */
export function commitAgain(
  client: FerryClient,
  repository: RepositoryName,
  upload: string,
  parent: RevisionId | null,
  files: FileEntry[],
): Promise<RevisionSummary> {
  return client.call("commit", { repository, params: { upload }, body: { operationId: newOperation(), parent, files } });
}
