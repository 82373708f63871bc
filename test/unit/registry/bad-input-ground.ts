/** Where bad input meets the domain: a repository with an open upload, and how a refusal is caught. */
import assert from "node:assert/strict";
import { FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, type Files, Pusher } from "../../support/pusher.ts";

export const MODEL = repositoryName("team/model");
export const FILES: Files = { a: "aaaa", b: "bbbbbb" };
export const [A, B] = [digestOf("aaaa"), digestOf("bbbbbb")];

/** A repository, and an upload of its branch with every chunk of FILES sent. */
export type Ground = { app: MemoryApp; pusher: Pusher; upload: string };

export async function ground(): Promise<Ground> {
  const app = await memoryApp({ modes: ["payload", "md5"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { upload } = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, upload, FILES);
  await pusher.send(reservation, FILES);
  await pusher.confirm(MODEL, upload, reservation);
  return { app, pusher, upload };
}

export function commit({ app, upload }: Ground, files: unknown[], extra: object = {}) {
  const body = { operationId: operationId(), parent: null, files, ...extra } as never;
  return app.admin.call("commit", { repository: MODEL, params: { upload }, body });
}

export function sendRecipes({ app, upload }: Ground, recipes: unknown[]) {
  return app.admin.call("sendRecipes", { repository: MODEL, params: { upload }, body: { recipes } as never });
}

export async function failure(call: Promise<unknown>, said: string): Promise<FerryError> {
  const error: unknown = await call.then(
    () => assert.fail(`${said} was accepted`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof FerryError, `${said}: ${error}`);
  return error;
}

export async function objects({ app }: Ground): Promise<string[]> {
  const { objects: found } = await app.stores.home.bucket.list("", { limit: 1000 });
  return found.map(({ key, sizeBytes }) => `${key} ${sizeBytes}`);
}

export const fileA = (path: string, change: object = {}) => ({ path, mode: "file", size: 4, sha256: A, chunk: A, ...change });
