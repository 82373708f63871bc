/** Two repositories with shared chunks, a file by recipe, and something in the trash: for tests that damage a bucket and look for it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type * as z from "zod";
import { CHUNK_PREFIX } from "../../functions/registry/layout.ts";
import type { FsckRequest, FsckRun } from "../../shared/contract/fsck.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RefName, RepositoryName, RevisionId } from "../../shared/names.ts";
import type { Recipe } from "../../shared/recipe.ts";
import { ticketRequest } from "../../shared/tickets.ts";
import { type MemoryApp, memoryApp, operationId, refName, repositoryName } from "./memory-app.ts";
import type { MemoryStoresOptions } from "./memory-bucket.ts";
import { digestOf, entriesOf, type Files, Pusher } from "./pusher.ts";

export const MODEL = repositoryName("team/model");
export const TUNED = repositoryName("team/tuned");
const MAIN = refName("main");

export type FsckWorld = { app: MemoryApp; pusher: Pusher; first: RevisionId; second: RevisionId; tuned: RevisionId };

export async function fsckWorld(options: MemoryStoresOptions = {}): Promise<FsckWorld> {
  const app = await memoryApp(options);
  const pusher = new Pusher(app.admin, app.stores.fetch);
  for (const repository of [MODEL, TUNED]) await pusher.create(repository);
  const first = await pushJoined(pusher, MODEL, { "a.bin": "aaaa", shared: "ssss" }, ["left", "right"]);
  const second = await push(pusher, MODEL, { "a.bin": "a2a2", shared: "ssss" });
  const tuned = await push(pusher, TUNED, { own: "oooo", shared: "ssss" });
  const trashed = await push(pusher, TUNED, { trashed: "tttt" }, refName("side"));
  await app.admin.call("deleteBranch", { repository: TUNED, params: { branch: "side" }, query: { operationId: operationId() } });
  await app.admin.call("trashRevisions", { repository: TUNED, body: { revisions: [trashed], operationId: operationId() } });
  return { app, pusher, first, second, tuned };
}

async function push(pusher: Pusher, repository: RepositoryName, files: Files, branch: RefName = MAIN): Promise<RevisionId> {
  return (await pusher.push(repository, files, { branch })).revision.revision;
}

/** Also `joined.bin`, whose recipe has one chunk for each of these texts. */
async function pushJoined(pusher: Pusher, repository: RepositoryName, files: Files, texts: string[]): Promise<RevisionId> {
  const all = { ...files, ...Object.fromEntries(texts.map((text) => [text, text])) };
  const { upload } = await pusher.open(repository);
  const reservation = await pusher.reserve(repository, upload, all);
  await pusher.send(reservation, all);
  await pusher.confirm(repository, upload, reservation);
  const recipe = recipeOf(texts);
  const { recipes } = await pusher.client.call("sendRecipes", { repository, params: { upload }, body: { recipes: [recipe] } });
  const joined = { path: "joined.bin", mode: "file" as const, size: recipe.size, sha256: recipe.sha256, recipe: recipes[0] };
  const body = { operationId: operationId(), parent: null, message: "joined", files: [...entriesOf(files), joined] } as never;
  return (await pusher.client.call("commit", { repository, params: { upload }, body })).revision as RevisionId;
}

function recipeOf(texts: readonly string[]): Recipe {
  const whole = texts.join("");
  const chunks = texts.map((text): [Digest, number] => [digestOf(text), text.length]);
  const extents = texts.map((text, at): [number, number, number] => [at, 0, text.length]);
  return { v: 1, chunker: "ta1", size: whole.length, sha256: digestOf(whole), chunks, extents };
}

export async function fsck({ app }: Pick<FsckWorld, "app">, request: Partial<FsckRequestBody> = {}): Promise<FsckRun> {
  // Runs are told apart by when they began.
  app.clock.advance(1);
  let { run } = await app.admin.call("startFsck", { body: request });
  for (let steps = 0; run !== null && run.phase !== "done" && run.phase !== "aborted"; steps++) {
    assert.ok(steps < 1_000, "1,000 steps were not enough");
    ({ run } = await app.admin.call("stepFsck", {}));
  }
  assert.ok(run !== null);
  return run;
}

type FsckRequestBody = z.infer<typeof FsckRequest>;

/** Keys of the chunk objects that hold `text`. */
export async function chunkKeysOf({ app }: Pick<FsckWorld, "app">, text: string): Promise<string[]> {
  const digest = digestOf(text);
  const { objects } = await app.stores.home.bucket.list(`${CHUNK_PREFIX}${digest.slice(0, 2)}/${digest}`);
  return objects.map(({ key }) => key);
}

/** Onto main, under another attempt where a commit asks for one. `sent`: chunks that travelled. */
export async function pushAgain({ pusher }: FsckWorld, files: Record<string, string>): Promise<{ sent: number }> {
  const { upload, parent } = await pusher.open(MODEL);
  let sent = 0;
  for (let attempt = 1; ; ) {
    const reservation = await pusher.reserve(MODEL, upload, files, attempt);
    sent += (await pusher.send(reservation, files)).length;
    await pusher.confirm(MODEL, upload, reservation, attempt);
    try {
      await pusher.commit(MODEL, upload, files, { parent, attempt });
      return { sent };
    } catch (error) {
      if (!(error instanceof FerryError) || error.code !== "CHUNK_UNPROVEN") throw error;
      attempt = Number(error.details["attempt"]);
    }
  }
}

/** Pushes one file as a store does it that checks no more than an MD5: `stored` is what is sent in the place of `text`. */
export async function pushClaimed(
  pusher: Pusher,
  app: MemoryApp,
  repository: RepositoryName,
  text: string,
  stored = text,
): Promise<RevisionId> {
  const { upload, parent } = await pusher.open(repository);
  const md5 = createHash("md5").update(stored).digest("base64");
  const chunks = [{ sha256: digestOf(text), size: text.length, md5 }];
  const reservation = await pusher.client.call("reserve", { repository, params: { upload }, body: { attempt: 1, mode: "md5", chunks } });
  const { tickets } = reservation;
  for (const item of tickets?.items ?? []) {
    assert.ok(tickets !== null);
    const { method, url, headers } = ticketRequest(tickets, item);
    assert.equal((await app.stores.fetch(url, { method, headers, body: stored })).status, 200);
  }
  const proven = [{ sha256: digestOf(text), size: text.length }];
  await pusher.client.call("confirm", { repository, params: { upload }, body: { attempt: 1, mode: "md5", chunks: proven } });
  return (await pusher.commit(repository, upload, { file: text }, { parent })).revision as RevisionId;
}
