/** Push and pull by hand: uploads, tickets, recipes, commits, sessions, downloads. */
import assert from "node:assert/strict";
import type { RepositoryName } from "../../../shared/names.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../../../shared/recipe.ts";
import { ticketRequest } from "../../../shared/tickets.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { digestOf, entriesOf, type Files } from "../../support/pusher.ts";
import type { Guarantees } from "./api.ts";
import type { ApiWorld } from "./world.ts";

const FILES: Files = { "config.json": '{"layers":2}', "weights/a.bin": "aaaa", "weights/b.bin": "bbbbbb", empty: "" };

export const PROTOCOL: Guarantees = {
  "what was pushed is what the revision's URLs give, and pushing it again sends nothing": async (world) => {
    const repository = await world.repositoryWith("pushed", FILES);
    const { revision, manifest } = await world.admin.call("manifest", { repository, params: { ref: "main" } });
    assert.deepEqual(manifest.files.map(({ path }) => path).sort(), Object.keys(FILES).sort());
    assert.equal(revision.fileCount, 4);
    for (const [path, text] of Object.entries(FILES).filter(([, text]) => text !== ""))
      assert.equal(await downloaded(world, repository, text), text, path);
    const again = await world.pusher.push(repository, FILES);
    assert.deepEqual([again.sent, again.revision.newChunks, again.revision.seq], [0, 0, 2]);
  },

  "a store refuses other bytes than a ticket was signed for": async (world) => {
    const repository = repositoryName("api/tickets");
    await world.pusher.create(repository);
    const { upload } = await world.pusher.open(repository);
    const { tickets } = await world.pusher.reserve(repository, upload, { a: "right" });
    const item = tickets?.items[0];
    assert.ok(tickets && item);
    const { method, url, headers } = ticketRequest(tickets, item);
    assert.ok((await world.reach(url, { method, headers, body: "wrong" })).status >= 400);
    const chunks = [{ sha256: item.sha256, size: item.size }];
    const { missing } = await world.admin.call("confirm", { repository, params: { upload }, body: { attempt: 1, chunks } });
    assert.deepEqual(missing, [item.sha256]);
    assert.equal((await world.reach(url, { method, headers, body: "right" })).status, 200);
  },

  "a commit of chunks that nobody proved is refused, and names them": async (world) => {
    const repository = repositoryName("api/unproven");
    await world.pusher.create(repository);
    const { upload } = await world.pusher.open(repository);
    await assert.rejects(world.pusher.commit(repository, upload, { a: "never sent" }, { parent: null }), { code: "CHUNK_UNPROVEN" });
  },

  "of two commits from one parent one wins": async (world) => {
    const repository = repositoryName("api/raced");
    await world.pusher.create(repository);
    const { upload } = await world.pusher.open(repository);
    const reservation = await world.pusher.reserve(repository, upload, FILES);
    await world.pusher.send(reservation, FILES);
    await world.pusher.confirm(repository, upload, reservation);
    const racers = ["one", "two"].map((message) => world.pusher.commit(repository, upload, FILES, { parent: null, message }));
    const states = (await Promise.allSettled(racers)).map((end) => (end.status === "fulfilled" ? "won" : end.reason.code));
    assert.deepEqual(states.sort(), ["BRANCH_MOVED", "won"]);
  },

  "a file of two chunks is named by its recipe, which readers get": async (world) => {
    const repository = await world.repositoryWith("recipes", FILES);
    const recipe = joined();
    const digest = await recipeDigest(encodeRecipe(recipe));
    const { upload, parent } = await world.pusher.open(repository);
    const reservation = await world.pusher.reserve(repository, upload, FILES);
    assert.equal(reservation.tickets, null);
    await world.admin.call("sendRecipes", { repository, params: { upload }, body: { recipes: [recipe] } });
    const files = [...entriesOf(FILES), { path: "both.bin", mode: "file" as const, size: 10, sha256: recipe.sha256, recipe: digest }];
    await world.admin.call("commit", {
      repository,
      params: { upload },
      body: { operationId: operationId(), parent, message: "", files },
    });
    const { recipes } = await world.admin.call("readRecipes", { repository, params: { ref: "main" }, body: { recipes: [digest] } });
    assert.deepEqual(recipes, [recipe]);
  },

  "two ranks of one session make one revision, and an aborted session makes none": async (world) => {
    const repository = repositoryName("api/ranks");
    await world.pusher.create(repository);
    const upload = await sealed(world, repository, "step-1", [{ "rank-0.bin": "zero" }, { "rank-1.bin": "one" }]);
    const { sessions } = await world.admin.call("listSessions", { repository });
    assert.deepEqual(
      sessions.map(({ session, sealed: parts }) => [session, parts]),
      [["step-1", [0, 1]]],
    );
    const revision = await world.admin.call("commitSession", { repository, params: { upload }, body: { message: "step 1" } });
    assert.deepEqual([revision.fileCount, revision.seq], [2, 1]);
    const other = await sealed(world, repository, "step-2", [{ "rank-0.bin": "more" }]);
    await world.admin.call("abortSession", { repository, params: { upload: other } });
    await assert.rejects(world.admin.call("commitSession", { repository, params: { upload: other }, body: {} }));
    assert.equal((await world.admin.call("describeRepository", { repository })).revisionCount, 1);
  },
};

async function downloaded(world: ApiWorld, repository: RepositoryName, text: string): Promise<string> {
  const batch = await world.admin.call("download", { repository, params: { ref: "main" }, body: { chunks: [digestOf(text)] } });
  const item = batch.items[0];
  assert.ok(item);
  const url = `${batch.base}${item.path}?${batch.query}&X-Amz-Signature=${item.signature}`;
  return (await world.reach(url)).text();
}

/** Joins, sends and seals `parts`; the upload that they share. */
async function sealed(world: ApiWorld, repository: RepositoryName, session: string, parts: readonly Files[]): Promise<string> {
  let shared = "";
  for (const [at, files] of parts.entries()) {
    const body = { session, branch: refName("main"), parts: parts.length, operationId: operationId() };
    const { upload } = await world.admin.call("joinSession", { repository, body: body as never });
    const reservation = await world.pusher.reserve(repository, upload, files);
    await world.pusher.send(reservation, files);
    await world.pusher.confirm(repository, upload, reservation);
    const params = { upload, part: String(at) };
    await world.admin.call("sealPart", { repository, params, body: { files: entriesOf(files), operationId: operationId() } });
    shared = upload;
  }
  return shared;
}

/** `aaaa` and `bbbbbb`, joined. */
function joined(): Recipe {
  return {
    v: 1,
    chunker: "ta1",
    size: 10,
    sha256: digestOf("aaaabbbbbb"),
    chunks: [
      [digestOf("aaaa"), 4],
      [digestOf("bbbbbb"), 6],
    ],
    extents: [
      [0, 0, 4],
      [1, 0, 6],
    ],
  };
}
