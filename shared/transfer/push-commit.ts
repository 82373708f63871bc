/** The commit of a push of one's own: made once, however often it is asked for. */
import * as z from "zod";
import type { ContentReport } from "../contract/content.ts";
import type { RevisionSummary } from "../contract/repositories.ts";
import type { Upload } from "../contract/uploads.ts";
import { Digest } from "../digest.ts";
import { FerryError } from "../errors.ts";
import { type FileEntry, manifestDigest } from "../manifest.ts";
import { OperationId, RevisionId } from "../names.ts";
import type { PushChunks } from "./push-chunks.ts";
import type { RecipeSender } from "./push-recipes.ts";
import type { PushSetting } from "./push-setting.ts";

/** All that was moved; `files`: sorted, as a manifest has them. */
export type Committing = {
  upload: Upload;
  chunks: PushChunks;
  recipes: RecipeSender;
  files: FileEntry[];
  content: ContentReport | null;
  signal: AbortSignal;
};

/** Rounds of a commit that finds chunks or recipes to be sent again. */
const ROUNDS_MAX = 50;

/** One operation id for all rounds: whichever of them gets through, there is one revision. */
export async function commitUpload(setting: PushSetting, committing: Committing): Promise<RevisionSummary> {
  const { client, machine, request } = setting;
  const { upload, chunks, files, content, signal } = committing;
  const parent = RevisionId.nullable().parse(request.parent === undefined ? upload.parent : request.parent);
  const known = await request.once?.(await manifestDigest({ v: 1, files }), parent);
  if (known !== undefined && "revision" in known) return known.revision;
  const body = {
    operationId: known?.operationId ?? OperationId.parse(machine.operationId()),
    parent,
    ...describing(setting),
    ...(content === null ? {} : { content }),
    files,
  };
  const params = { upload: upload.upload };
  return provingAll(committing, () =>
    client.call("commit", { repository: request.repository, params, body: { ...body, attempt: chunks.attempt } }, signal),
  );
}

/** What a revision says of itself beside its files. */
export function describing({ request }: PushSetting) {
  const { message, labels = {}, metrics = {}, source = {} } = request;
  return { message, labels, metrics, source };
}

/** Repeats `act` until nothing is unproven any more: what it says is missing is brought again. */
export async function provingAll<T>({ chunks, recipes, signal }: Committing, act: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await act();
    } catch (error) {
      if (round >= ROUNDS_MAX) throw error;
      if (isCode(error, "CHUNK_UNPROVEN")) await redoChunks(error, chunks);
      else if (isCode(error, "RECIPE_UNPROVEN")) await recipes.send(signal);
      else throw error;
    }
  }
}

/** What is said of unproven chunks: how many there are, a page of them, and the attempt to bring them under. */
const Unproven = z.object({ count: z.int(), attempt: z.int(), chunks: z.array(Digest).min(1) });

export function unprovenOf(error: FerryError): z.infer<typeof Unproven> {
  const unproven = Unproven.safeParse(error.details);
  if (!unproven.success) throw error;
  return unproven.data;
}

async function redoChunks(error: FerryError, chunks: PushChunks): Promise<void> {
  const { count, attempt, chunks: page } = unprovenOf(error);
  await (count > page.length ? chunks.redoAll(attempt) : chunks.redo(page, attempt));
}

export function isCode<C extends FerryError["code"]>(error: unknown, code: C): error is FerryError & { code: C } {
  return error instanceof FerryError && error.code === code;
}
