import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { MACHINE } from "../../../scripts/node/machine.ts";
import { pushFiles } from "../../../scripts/node/transfer.ts";
import { type WatchControl, type WatchRequest, watchCheckpoints } from "../../../scripts/node/watch.ts";
import { WatchState } from "../../../scripts/node/watch-state.ts";
import { FerryClient } from "../../../shared/client.ts";
import type { RevisionSummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import type { RepositoryName } from "../../../shared/names.ts";
import type { PushRequest, PushResult } from "../../../shared/transfer/contract.ts";
import { type MemoryApp, memoryApp, refName, repositoryName } from "../../support/memory-app.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { plant, tempFolder } from "../../support/trees.ts";

const folder = tempFolder();
let app: MemoryApp;
let served: ServedApp;
let client: FerryClient;
let names = 0;

before(async () => {
  app = await memoryApp();
  served = await serveApp(app);
  const scopes = [{ repositories: "*", actions: ["pull" as const, "push" as const, "tag" as const, "delete" as const] }];
  const { token } = await app.admin.call("createToken", { body: { name: "trainer", scopes } });
  client = new FerryClient({ endpoint: served.endpoint, token, fetch, sleep: async () => {}, random: Math.random, attempts: 1 });
});
after(async () => {
  await served.stop();
  folder.remove();
});

type Ground = {
  root: string;
  repository: RepositoryName;
  /** One look. */
  look(how?: Partial<WatchRequest>, control?: Partial<WatchControl>): Promise<void>;
  stored: string[];
  notes: string[];
  /** The push as it is, for those that stand before it. */
  push: (request: PushRequest) => Promise<PushResult>;
  /** As a restart on another machine. */
  forget(): void;
  history(): Promise<RevisionSummary[]>;
};

function ground(): Ground {
  const name = `watch-${++names}`;
  const root = join(folder.path, name);
  const cacheDir = join(folder.path, `${name}-cache`);
  const repository = repositoryName(`team/${name}`);
  const signal = new AbortController().signal;
  const [stored, notes]: [string[], string[]] = [[], []];
  const push = (request: PushRequest) =>
    pushFiles(request, { client, onProgress: () => {}, signal }, { cacheDir, useStatCache: true, threads: 0 });
  return {
    root,
    repository,
    stored,
    notes,
    push,
    look: (how = {}, control = {}) =>
      watchCheckpoints(
        {
          root,
          repository,
          branch: refName("main"),
          message: null,
          labels: {},
          marker: null,
          keep: null,
          once: true,
          create: true,
          everyMs: 1000,
          ...how,
        },
        {
          client,
          machine: { ...MACHINE, sleep: async () => {} },
          state: new WatchState(cacheDir, [root]),
          signal,
          push,
          onStored: ({ path }) => stored.push(path),
          onRemoved: () => {},
          note: (text) => notes.push(text),
          ...control,
        },
      ),
    forget: () => rmSync(cacheDir, { recursive: true, force: true }),
    history: async () => (await client.call("listRevisions", { repository, query: { limit: "1000" } })).revisions.toReversed(),
  };
}

const CHECKPOINT = { "step-1/.metadata": "", "step-1/__0_0.distcp": "shard" };
const killed = () => Promise.reject(new FerryError("INTERNAL", { problem: "killed" }));

test("killed right after the commit, before anything is remembered: the restart finds the revision and makes no other", async () => {
  const { root, look, push, forget, history, stored } = ground();
  plant(root, CHECKPOINT);
  let kills = 0;
  const dying = async (request: PushRequest) => {
    await push(request);
    kills++;
    return killed();
  };
  await assert.rejects(look({}, { push: dying }));
  assert.deepEqual([stored, (await history()).length], [[], 1]);
  assert.ok(kills > 0);
  forget();
  await look();
  assert.deepEqual([stored, (await history()).length], [["step-1"], 1]);
  await look();
  assert.deepEqual(stored, ["step-1"], "what is remembered is not looked at again");
});

test("a commit that a dead process sent is found also when it lands only after the restart has looked for it", async () => {
  const { root, look, push, history } = ground();
  plant(root, CHECKPOINT);
  const late = async (request: PushRequest) => {
    const { once } = request;
    return push({
      ...request,
      once: async (manifest, parent) => {
        const answer = await once?.(manifest, parent);
        // The other one's commit arrives now, by the operation id that it had.
        await push(request);
        return answer ?? assert.fail();
      },
    });
  };
  await look({}, { push: late });
  assert.equal((await history()).length, 1);
});

test("long after, with nothing remembered, or with the revision in the trash: still no second revision", async () => {
  const { root, repository, look, forget, history } = ground();
  plant(root, CHECKPOINT);
  await look();
  for (let at = 0; at < 300; at++)
    await client.call("setTag", {
      repository,
      params: { tag: `t${at}` },
      body: { ref: "main", operationId: `0123456789abcdef-${at}` as never },
    });
  forget();
  await look();
  assert.equal((await history()).length, 1);
  plant(root, { "step-2/.metadata": "", "step-2/__0_0.distcp": "second" });
  await look();
  const [first] = await history();
  for (let at = 0; at < 300; at++)
    await client.call("deleteTag", { repository, params: { tag: `t${at}` }, query: { operationId: `fedcba9876543210-${at}` as never } });
  await client.call("trashRevisions", {
    repository,
    body: { revisions: [first?.revision ?? assert.fail()], operationId: "0123456789abcdef-trash" as never },
  });
  forget();
  await look();
  assert.deepEqual(
    (await history()).map(({ labels }) => labels["step"]),
    ["2"],
  );
});

test("a file that comes while the checkpoint is sent belongs to it: the revision is what stands there at the end", async () => {
  const { root, look, push, history, notes } = ground();
  plant(root, CHECKPOINT);
  let pushes = 0;
  const slow = async (request: PushRequest) => {
    const { once } = request;
    return push({
      ...request,
      once: (manifest, parent) => {
        // As other ranks of a trainer do, whose files come after the main process has written its state.
        if (++pushes === 1) writeFileSync(join(root, "step-1/rng_state_1.pth"), "late");
        return once?.(manifest, parent) ?? assert.fail();
      },
    });
  };
  await look({}, { push: slow });
  const [revision, ...more] = await history();
  assert.deepEqual([revision?.fileCount, more.length, pushes], [3, 0, 2]);
  assert.match(notes.join(), /changed while it was read; trying again/);
});

test("a checkpoint that the framework removes while it is sent is left out, and the next one comes", async () => {
  const { root, look, push, history, notes } = ground();
  plant(root, { ...CHECKPOINT, "step-2/.metadata": "", "step-2/x": "second" });
  const racing = (request: PushRequest) => {
    if (request.sources[0]?.endsWith("step-1")) rmSync(join(root, "step-1"), { recursive: true });
    return push(request);
  };
  await look({}, { push: racing });
  assert.deepEqual(
    (await history()).map(({ labels }) => labels["step"]),
    ["2"],
  );
  assert.match(notes.join(), /checkpoint step-1 was removed before it was stored/);
});

test("what passes is waited for, and order is kept; what does not pass ends it, also with a look only once", async () => {
  const { root, look, push, history } = ground();
  plant(root, { ...CHECKPOINT, "step-2/.metadata": "", "step-2/x": "second" });
  let failures = 3;
  const flaky = (request: PushRequest) =>
    failures-- > 0 ? Promise.reject(new FerryError("STORAGE_UNAVAILABLE", { store: "home", problem: "busy" })) : push(request);
  await look({}, { push: flaky });
  assert.deepEqual(
    (await history()).map(({ labels }) => labels["step"]),
    ["1", "2"],
  );
  plant(root, { "step-3/.metadata": "" });
  const denied = () => Promise.reject(new FerryError("PERMISSION_DENIED", { action: "push", repository: "team/x" }));
  for (const once of [true, false])
    await assert.rejects(look({ once }, { push: denied }), (error) => error instanceof FerryError && error.code === "PERMISSION_DENIED");
  let tries = 0;
  const down = () => {
    tries++;
    return Promise.reject(new FerryError("ENDPOINT_UNREACHABLE", { endpoint: "x", problem: "down" }));
  };
  await assert.rejects(look({}, { push: down }), (error) => error instanceof FerryError && error.code === "ENDPOINT_UNREACHABLE");
  assert.ok(tries > 3 && tries < 20);
});

test("a folder that is not there yet is waited for; to look at it once is an error", async () => {
  const { root, look, stored } = ground();
  await assert.rejects(look(), (error) => error instanceof FerryError && error.code === "FILE_UNREADABLE");
  const stop = new AbortController();
  let sleeps = 0;
  const machine = {
    ...MACHINE,
    sleep: async () => {
      if (++sleeps === 2) plant(root, CHECKPOINT);
    },
  };
  const onStored = ({ path }: { path: string }) => {
    stored.push(path);
    stop.abort(new Error("enough"));
  };
  await assert.rejects(look({ once: false }, { machine, signal: stop.signal, onStored }), /enough/);
  assert.deepEqual([stored, sleeps >= 2], [["step-1"], true]);
});
