import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { excessOf } from "../../../functions/registry/access.ts";
import type { Scope } from "../../../shared/contract/access.ts";
import { matchesGlob, type RefName } from "../../../shared/names.ts";
import { memoryApp, operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { commit, FILES, failure, fileA, ground, MODEL } from "./bad-input-ground.ts";

for (const word of ["constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf"] as RefName[]) {
  test(`a branch and a tag may be called ${word}, and are unknown until they are made`, async () => {
    const { app, pusher } = await ground();
    await pusher.push(MODEL, FILES);
    const act = () => ({ operationId: operationId() });
    const unknown = async (call: Promise<unknown>, code: string) => assert.equal((await failure(call, word)).code, code);
    await unknown(app.admin.call("resolve", { repository: MODEL, params: { ref: word } }), "REF_UNKNOWN");
    await unknown(app.admin.call("deleteTag", { repository: MODEL, params: { tag: word }, query: act() }), "TAG_UNKNOWN");
    await unknown(app.admin.call("deleteBranch", { repository: MODEL, params: { branch: word }, query: act() }), "BRANCH_UNKNOWN");
    const { revision } = await pusher.push(MODEL, FILES, { branch: word });
    assert.equal((await app.admin.call("resolve", { repository: MODEL, params: { ref: word } })).revision, revision.revision);
    await app.admin.call("deleteBranch", { repository: MODEL, params: { branch: word }, query: act() });
    await app.admin.call("setTag", { repository: MODEL, params: { tag: word }, body: { ref: "main", ...act() } });
    app.indexes.wipe();
    const { refs } = await app.admin.call("describeRepository", { repository: MODEL });
    assert.deepEqual([Object.keys(refs.branches), Object.keys(refs.tags)], [["main"], [word]]);
    await app.admin.call("deleteTag", { repository: MODEL, params: { tag: word }, query: act() });
  });
}

test("an operation id that was used for another act is refused, and that act is not done", async () => {
  const { app, pusher } = await ground();
  await pusher.push(MODEL, FILES);
  await pusher.push(MODEL, FILES, { branch: refName("other") });
  const used = operationId();
  const [query, operation] = [{ operationId: used }, { operationId: used }];
  await app.admin.call("setTag", { repository: MODEL, params: { tag: "v1" }, body: { ref: "main", ...operation } });
  const before = await app.admin.call("describeRepository", { repository: MODEL });
  const { upload, parent } = await pusher.open(MODEL);
  const acts: [string, () => Promise<unknown>][] = [
    [
      "setTag of another tag",
      () => app.admin.call("setTag", { repository: MODEL, params: { tag: "v2" }, body: { ref: "main", ...operation } }),
    ],
    ["deleteTag", () => app.admin.call("deleteTag", { repository: MODEL, params: { tag: "v1" }, query })],
    ["deleteBranch", () => app.admin.call("deleteBranch", { repository: MODEL, params: { branch: "other" }, query })],
    ["commit", () => pusher.commit(MODEL, upload, FILES, { parent, ...operation })],
  ];
  for (const [name, act] of acts) assert.match((await failure(act(), name)).message, /was used for another act/, name);
  assert.deepEqual(await app.admin.call("describeRepository", { repository: MODEL }), before);
  const [one, two] = [repositoryName("team/one"), repositoryName("team/two")];
  const system = { operationId: operationId() };
  await app.admin.call("createRepository", { body: { repository: one, ...system } });
  const again = await failure(
    app.admin.call("createRepository", { body: { repository: two, ...system } }),
    "createRepository of another name",
  );
  assert.equal(again.code, "REQUEST_INVALID");
  const removal = await failure(app.admin.call("deleteRepository", { repository: one, query: system }), "deleteRepository");
  assert.equal(removal.code, "REQUEST_INVALID");
});

test("an operation id that was used for a commit of other content is refused, not answered with that other revision", async () => {
  const here = await ground();
  const operation = { operationId: operationId() };
  await commit(here, [fileA("f")], operation);
  assert.equal((await failure(commit(here, [fileA("another")], operation), "other content")).code, "REQUEST_INVALID");
});

test("one page of a list costs a few questions, however many repositories the caller may not see", async () => {
  let asked = 0;
  const app = await memoryApp({
    decorate: (ports) => ({
      ...ports,
      system: new Proxy(ports.system, {
        get(target, name) {
          if (name === "listRepositories") asked++;
          const found: unknown = Reflect.get(target, name);
          return typeof found === "function" ? found.bind(target) : found;
        },
      }),
    }),
  });
  for (let at = 0; at < 200; at++)
    await app.admin.call("createRepository", { body: { repository: repositoryName(`hidden/model-${at}`), operationId: operationId() } });
  const stranger = await app.member({ repositories: "mine/*", actions: ["pull"] });
  assert.deepEqual((await stranger.call("listRepositories", { query: { limit: 1 } })).repositories, []);
  assert.ok(asked <= 10, `${asked} questions`);
});

test("property: a scope that may be handed on never matches what its maker's scopes do not", () => {
  const part = fc.string({ unit: fc.constantFrom(..."ab*"), minLength: 1, maxLength: 4 });
  const glob = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom("*", "**") },
    { weight: 9, arbitrary: fc.tuple(part, part).map((parts) => parts.join("/")) },
  );
  const name = fc
    .tuple(...[1, 2].map(() => fc.string({ unit: fc.constantFrom(..."ab"), minLength: 1, maxLength: 4 })))
    .map((parts) => parts.join("/"));
  const scope = (repositories: string): Scope => ({ repositories, actions: ["pull"] });
  let given = 0;
  fc.assert(
    fc.property(
      fc.array(glob, { minLength: 1, maxLength: 3 }),
      glob,
      fc.array(name, { minLength: 8, maxLength: 8 }),
      (own, wanted, names) => {
        const caller = { scopes: own.map(scope), networks: [] };
        if (excessOf(caller, { scopes: [scope(wanted)], networks: [] }) !== null) return;
        given++;
        for (const one of names)
          if (matchesGlob(wanted, one))
            assert.ok(
              own.some((maker) => matchesGlob(maker, one)),
              `${wanted} of ${own} matches ${one}`,
            );
      },
    ),
    { numRuns: 5_000 },
  );
  assert.ok(given > 500, `${given} scopes were given`);
});
