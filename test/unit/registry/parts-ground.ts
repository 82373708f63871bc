/** What the tests of sessions stand on: an app, a repository, ranks. */
import assert from "node:assert/strict";
import { repositoryLogPrefix } from "../../../functions/registry/layout.ts";
import type { FerryClient } from "../../../shared/client.ts";
import { type ErrorCode, FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp, repositoryName } from "../../support/memory-app.ts";
import { type Files, Pusher } from "../../support/pusher.ts";
import { type Place, Rank } from "../../support/rank.ts";

export const MODEL = repositoryName("team/model");
/** Four parts of a checkpoint, one file of which two ranks have. */
export const SHARES: readonly Files[] = [
  { "config.json": "{}", "shard-0": "aaaa" },
  { "shard-1": "bbbbbb" },
  { "config.json": "{}", "shard-2": "cc" },
  { "shard-3": "", "shard-3b": "ddddd" },
];
export const ALL: Files = Object.assign({}, ...SHARES);

export async function ground(options: Parameters<typeof memoryApp>[0] = {}): Promise<MemoryApp> {
  const app = await memoryApp(options);
  await new Pusher(app.admin, app.stores.fetch).create(MODEL);
  return app;
}

export function rankOf(app: MemoryApp, place: Partial<Place> & { client?: FerryClient } = {}): Rank {
  const { client = app.admin, ...rest } = place;
  return new Rank(client, app.stores.fetch, { repository: MODEL, session: "job-1", part: 0, parts: 1, ...rest });
}

/** One rank for each share, all of one session. */
export function ranksOf(app: MemoryApp, session = "job-1", shares: readonly Files[] = SHARES): { rank: Rank; files: Files }[] {
  return shares.map((files, part) => ({ files, rank: rankOf(app, { session, part, parts: shares.length }) }));
}

/** All shares but those of `without` sealed; the shared upload. */
export async function sealAll(app: MemoryApp, session = "job-1", without: readonly number[] = []): Promise<string> {
  let upload = "";
  for (const [part, { rank, files }] of ranksOf(app, session).entries()) if (!without.includes(part)) upload = await rank.bring(files);
  return upload;
}

export async function refusalOf(call: Promise<unknown>, code: ErrorCode): Promise<FerryError> {
  const error = await call.then(
    () => null,
    (error: unknown) => error,
  );
  assert.ok(error instanceof FerryError && error.code === code, `${code} expected, not ${error}`);
  return error;
}

export async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

export async function logLength(app: MemoryApp): Promise<number> {
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  return (await app.stores.home.bucket.list(repositoryLogPrefix(id))).objects.length;
}
