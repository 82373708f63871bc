/** Traces of test/models/log-model.ts, played on the real code (functions/registry/log.ts, commit.ts) over memory ports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { repositoryLogPrefix } from "../../../functions/registry/layout.ts";
import { append, catchUp } from "../../../functions/registry/log.ts";
import { repositoryLog } from "../../../functions/registry/logs.ts";
import type { RepositoryIndex } from "../../../functions/registry/ports.ts";
import { RevisionId } from "../../../shared/names.ts";
import { memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

const MODEL = repositoryName("team/model");
const FILES = { a: "aaaa" };

type Hook = { name: string; act: () => void };

/** The app, with hooks that run once, before the call of the index that they name. */
async function prepared(hooks: Hook[]) {
  const hooked = (index: RepositoryIndex): RepositoryIndex =>
    new Proxy(index, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (hooks[0]?.name === name) hooks.shift()?.act();
          const answer: unknown = member.apply(target, args);
          return name === "atLeast" ? hooked(answer as RepositoryIndex) : answer;
        };
      },
    });
  const app = await memoryApp({ decorate: (ports) => ({ ...ports, repositories: hooked(ports.repositories) }) });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(MODEL);
  const { id } = await app.admin.call("describeRepository", { repository: MODEL });
  const logLength = async () => (await app.stores.home.bucket.list(repositoryLogPrefix(id))).objects.length;
  return { app, pusher, logLength, id };
}

test("the index goes back between the look at the log and the look for the own operation: the retried commit lands once", async () => {
  const hooks: { name: string; act: () => void }[] = [];
  const { app, pusher, logLength } = await prepared(hooks);
  const { upload, parent } = await pusher.open(MODEL);
  const reservation = await pusher.reserve(MODEL, upload, FILES);
  await pusher.send(reservation, FILES);
  await pusher.confirm(MODEL, upload, reservation);
  const operation = operationId();
  const before = app.indexes.snapshot();
  // 1. The first request reaches the commit point; the index fails right after it: 503.
  hooks.push({
    name: "apply",
    act: () => {
      throw new Error("injected: index unavailable");
    },
  });
  await assert.rejects(pusher.commit(MODEL, upload, FILES, { parent, operationId: operation }));
  assert.equal(await logLength(), 1);
  // 2. The retry: catchUp applies record 1; a failover discards that write; findOperation asks the promoted copy.
  let asked = 0;
  const arm = () => {
    if (++asked === 2) before();
    else hooks.unshift({ name: "findOperation", act: arm });
  };
  hooks.push({ name: "findOperation", act: arm });
  await pusher.commit(MODEL, upload, FILES, { parent, operationId: operation }).catch(() => {});
  assert.ok(asked >= 2, "the index went back");
  assert.equal((await pusher.commit(MODEL, upload, FILES, { parent, operationId: operation })).seq, 1);
  assert.equal(await logLength(), 1, "one operation, one record");
});

test("the index goes back before the comparison at the commit point: a commit on an old parent does not land", async () => {
  const hooks: { name: string; act: () => void }[] = [];
  const { app, pusher, id } = await prepared(hooks);
  const first = await pusher.push(MODEL, FILES);
  const { upload } = await pusher.open(MODEL);
  const files = { ...FILES, b: "bbbb" };
  const reservation = await pusher.reserve(MODEL, upload, files);
  await pusher.send(reservation, files);
  await pusher.confirm(MODEL, upload, reservation);
  const before = app.indexes.snapshot();
  let second: { revision: { revision: string } } | undefined;
  // Somebody else commits after our early check; then the index rolls back right before the comparison at the commit point.
  const operation = operationId();
  const member = app.ports.stores.home.bucket;
  const realPut = member.put.bind(member);
  member.put = async (key, bytes) => {
    await realPut(key, bytes);
    if (key.startsWith("manifests/") && second === undefined) {
      second = { revision: { revision: "pending" } };
      second = await pusher.push(MODEL, { c: "cccc" });
      hooks.length = 0;
      hooks.push({ name: "resolveName", act: before });
    }
  };
  await pusher.commit(MODEL, upload, files, { parent: first.revision.revision, operationId: operation }).catch(() => {});
  assert.equal(hooks.length, 0, "the index went back");
  await catchUp(repositoryLog(app.ports, id));
  const { revisions } = await app.admin.call("listRevisions", { repository: MODEL, query: {} });
  const [newest, previous] = revisions;
  assert.ok(newest?.parent === previous?.revision, "each revision's parent is the head before it");
});

test("the index went back before the early comparison: a commit on the right parent lands", async () => {
  const { app, pusher } = await prepared([]);
  const before = app.indexes.snapshot();
  const first = await pusher.push(MODEL, FILES);
  const { upload, parent } = await pusher.open(MODEL);
  assert.equal(parent, first.revision.revision);
  await pusher.reserve(MODEL, upload, FILES);
  before();
  const answer = await pusher.commit(MODEL, upload, FILES, { parent }).then(
    (revision) => revision.seq,
    (error) => error.code,
  );
  assert.equal(answer, 2);
});

test("a lost index of a log with more records than one request replays comes back, request by request", async () => {
  const { app, pusher, id } = await prepared([]);
  const { revision } = await pusher.push(MODEL, FILES);
  const log = repositoryLog(app.ports, id);
  for (let at = 0; at < 2005; at++) {
    await append(
      log,
      { operationId: operationId(), actor: "test" },
      async () =>
        ({
          op: "tag",
          repositoryId: id,
          tag: refName("v1"),
          revision: RevisionId.parse(revision.revision),
          from: null,
          fromSeq: null,
          message: "",
        }) as never,
    );
  }
  app.indexes.wipe();
  let answered = false;
  for (let tries = 0; tries < 50 && !answered; tries++)
    answered = await app.admin.call("describeRepository", { repository: MODEL }).then(
      () => true,
      () => false,
    );
  assert.ok(answered, "50 tries did not bring it back");
});
