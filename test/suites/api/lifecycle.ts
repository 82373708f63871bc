/** The life of revisions and repositories: tags, copies, labels, searches, trash, settings, signatures. */
import assert from "node:assert/strict";
import type { RepositoryName, RevisionId } from "../../../shared/names.ts";
import { operationId, refName, repositoryName } from "../../support/memory-app.ts";
import { makeSigner } from "../../support/signer.ts";
import type { Guarantees } from "./api.ts";
import type { ApiWorld } from "./world.ts";

/** A repository with three revisions on main, oldest first. */
async function withHistory(world: ApiWorld, name: string): Promise<{ repository: RepositoryName; revisions: RevisionId[] }> {
  const repository = await world.repositoryWith(name, { text: "1" });
  for (const text of ["2", "3"]) await world.pusher.push(repository, { text, [`only-${text}`]: text });
  const { revisions } = await world.admin.call("listRevisions", { repository, query: {} });
  return { repository, revisions: revisions.map(({ revision }) => revision).reverse() };
}

const operation = () => ({ operationId: operationId() });

export const LIFECYCLE: Guarantees = {
  "a tag moves, is rolled back, and does not move while it is locked": async (world) => {
    const { repository, revisions } = await withHistory(world, "tags");
    const [first, second] = revisions;
    const at = { repository, params: { tag: "prod" } };
    const set = (ref: unknown) => world.admin.call("setTag", { ...at, body: { ref, force: true, ...operation() } as never });
    await set(first);
    await set(second);
    assert.equal((await world.admin.call("rollbackTag", { ...at, body: operation() })).revision, first);
    const { entries } = await world.admin.call("tagHistory", { ...at, query: {} });
    assert.deepEqual(
      entries.map(({ revision }) => revision),
      [first, second, first],
    );
    await world.admin.call("lockTag", { ...at, body: operation() });
    await assert.rejects(set(second), { code: "TAG_LOCKED" });
    await world.admin.call("unlockTag", { ...at, query: operation() });
    await world.admin.call("deleteTag", { ...at, query: operation() });
    await assert.rejects(world.admin.call("resolve", { repository, params: { ref: "prod" } }), { code: "REF_UNKNOWN" });
  },

  "a revision is copied to another repository and back on top of its branch, without bytes": async (world) => {
    const { repository, revisions } = await withHistory(world, "copied");
    const target = repositoryName("api/copy");
    const body = { from: repository, ref: revisions[0], branch: refName("main"), ...operation() };
    const copy = await world.admin.call("clone", { repository: target, body: body as never });
    const origin = await world.admin.call("resolve", { repository, params: { ref: revisions[0] ?? "" } });
    assert.deepEqual([copy.manifest, copy.newBytes, copy.origin?.revision], [origin.manifest, 0, revisions[0]]);
    const back = await world.admin.call("restoreBranch", {
      repository,
      params: { branch: "main" },
      body: { ref: revisions[0], ...operation() } as never,
    });
    assert.deepEqual([back.manifest, back.parent], [origin.manifest, revisions[2]]);
  },

  "a diff counts files and bytes, and usage counts what is stored": async (world) => {
    const { repository } = await withHistory(world, "weighed");
    const diff = await world.admin.call("diff", { repository, params: { ref: "main" }, query: {} });
    assert.deepEqual(diff.files, { added: 1, removed: 1, changed: 1, unchanged: 0 });
    const usage = await world.admin.call("repositoryUsage", { repository });
    assert.deepEqual([usage.revisions, usage.logicalBytes, usage.uniqueBytes, usage.complete], [3, 5, 3, true]);
    assert.ok((await world.admin.call("usage", { query: {} })).logicalBytes >= 5);
  },

  "labels and metrics find a revision again": async (world) => {
    const { repository, revisions } = await withHistory(world, "labelled");
    const body = { labels: { step: "labelled-1000" }, metrics: { loss: "0.031" }, merge: true, ...operation() };
    await world.admin.call("setLabels", { repository, params: { ref: revisions[1] ?? "" }, body });
    const found = await world.admin.call("searchRevisions", { query: { label: "step:labelled-1000" } });
    assert.deepEqual(
      found.revisions.map(({ revision }) => revision),
      [revisions[1]],
    );
  },

  "revisions go to the trash, come back, and are purged for good": async (world) => {
    const { repository, revisions } = await withHistory(world, "trashed");
    const chosen = [revisions[0], revisions[1]] as RevisionId[];
    await world.admin.call("trashRevisions", { repository, body: { revisions: chosen, ...operation() } });
    await assert.rejects(world.admin.call("manifest", { repository, params: { ref: chosen[0] ?? "" } }), { code: "REVISION_DELETED" });
    await world.admin.call("restoreRevisions", { repository, body: { revisions: chosen.slice(1), ...operation() } });
    const purge = { revisions: chosen.slice(0, 1), now: true, ...operation() };
    await world.admin.call("purgeRevisions", { repository, body: purge });
    assert.equal((await world.admin.call("describeRepository", { repository })).revisionCount, 2);
    await assert.rejects(world.admin.call("restoreRevisions", { repository, body: { revisions: chosen.slice(0, 1), ...operation() } }));
  },

  "a repository goes to the trash and comes back under another name; another is purged": async (world) => {
    for (const name of ["gone", "forgotten"]) {
      const repository = await world.repositoryWith(name, { text: name });
      await world.admin.call("deleteRepository", { repository, query: operation() });
      await assert.rejects(world.admin.call("describeRepository", { repository }), { code: "REPOSITORY_UNKNOWN" });
    }
    const { repositories } = await world.admin.call("listTrash", { query: {} });
    const idOf = (name: string) => repositories.find(({ repository }) => repository === name)?.id ?? "";
    const again = repositoryName("api/again");
    await world.admin.call("restoreRepository", { params: { id: idOf("api/gone") }, body: { repository: again, ...operation() } });
    assert.equal((await world.admin.call("describeRepository", { repository: again })).revisionCount, 1);
    await world.admin.call("purgeRepository", { params: { id: idOf("api/forgotten") }, body: { now: true, ...operation() } });
    assert.deepEqual((await world.admin.call("listTrash", { query: {} })).repositories, []);
  },

  "a repository has another name from then on; whoever asks for the old one is told, and asking twice renames once": async (world) => {
    const { repository, revisions } = await withHistory(world, "before");
    const body = { repository: repositoryName("api/after"), ...operation() };
    const renamed = await world.admin.call("renameRepository", { repository, body });
    assert.deepEqual(await world.admin.call("renameRepository", { repository, body }), renamed);
    const described = await world.admin.call("describeRepository", { repository: body.repository });
    assert.deepEqual([described.id, described.refs.branches], [renamed.id, { main: revisions[2] }]);
    await assert.rejects(world.admin.call("describeRepository", { repository }), { code: "REPOSITORY_UNKNOWN" });
    const taken = await world.repositoryWith("taken", { text: "1" });
    await assert.rejects(world.admin.call("renameRepository", { repository: taken, body: { ...body, ...operation() } }), {
      code: "REPOSITORY_EXISTS",
    });
  },

  "settings keep what retention may not take, and quotas refuse": async (world) => {
    const { repository, revisions } = await withHistory(world, "kept");
    const settings = { retention: { keepLast: 1 }, quota: { logicalBytes: 6, storedBytes: null, objects: null } };
    await world.admin.call("setSettings", { repository, body: { settings, ...operation() } });
    await assert.rejects(world.pusher.push(repository, { text: "far too much" }), { code: "QUOTA_EXCEEDED" });
    const plan = await world.admin.call("runRetention", { repository, body: { dryRun: true, ...operation() } });
    assert.deepEqual([plan.kept, plan.deletes.map(({ revision }) => revision)], [1, revisions.slice(0, 2)]);
  },

  "a branch that is removed is gone, its revisions are not": async (world) => {
    const { repository, revisions } = await withHistory(world, "branches");
    await world.pusher.push(repository, { text: "x" }, { branch: refName("side"), parent: null });
    await world.admin.call("deleteBranch", { repository, params: { branch: "side" }, query: operation() });
    const described = await world.admin.call("describeRepository", { repository });
    assert.deepEqual([described.refs.branches, described.revisionCount], [{ main: revisions[2] }, 4]);
  },

  "a signature is kept with its revision, and a revoked key's counts no more": async (world) => {
    const { repository } = await withHistory(world, "signed");
    const signer = await makeSigner();
    const { manifest } = await world.admin.call("resolve", { repository, params: { ref: "main" } });
    await world.admin.call("addKey", { body: { name: "release", publicKey: signer.publicKey, ...operation() } });
    const body = { key: signer.id, signature: signer.sign(manifest), ...operation() };
    const { signatures } = await world.admin.call("addSignature", { repository, params: { ref: "main" }, body: body as never });
    assert.equal(signatures[0]?.key.id, signer.id);
    await assert.rejects(
      world.admin.call("addSignature", {
        repository,
        params: { ref: `${signatures.length === 1 ? "main" : ""}` },
        body: { ...body, signature: signer.sign("0".repeat(64) as never), ...operation() } as never,
      }),
      { code: "SIGNATURE_INVALID" },
    );
    await world.admin.call("revokeKey", { params: { id: signer.id }, query: operation() });
    const after = await world.admin.call("listSignatures", { repository, params: { ref: "main" } });
    assert.ok(after.signatures.every(({ key }) => key.revokedAt !== null));
    const { keys } = await world.admin.call("listKeys", {});
    assert.equal(keys.length, 1);
  },
};
