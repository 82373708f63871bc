/**
 * S13: whoever holds the bucket's keys can change what is stored, and is found out: records are a chain, a manifest has its digest, and a
 * signature is made with a key that the bucket does not hold. Not found out by these: the newest records taken away while the index is lost,
 * too. The audit trail's seals are for that (docs/security.md).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { listAll } from "../../../functions/registry/listing.ts";
import { FerryError } from "../../../shared/errors.ts";
import { parseManifest } from "../../../shared/manifest.ts";
import { type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { makeSigner } from "../../support/signer.ts";

const M = repositoryName("team/m");

type Found = { key: string; text: string };

async function ground(): Promise<{ app: MemoryApp; manifests: Found[]; records: Found[] }> {
  const app = await memoryApp({ ids: ["home"] });
  const pusher = new Pusher(app.admin, app.stores.fetch);
  await pusher.create(M);
  for (const text of ["one", "two", "three"]) await pusher.push(M, { "model.safetensors": text });
  const read = async (prefix: string): Promise<Found[]> => {
    const objects = await listAll(app.stores.home.bucket, prefix);
    return Promise.all(
      objects.map(async ({ key }) => ({ key, text: Buffer.from((await app.stores.home.bucket.get(key)) ?? []).toString() })),
    );
  };
  return { app, manifests: await read("manifests/"), records: (await read("repositories/")).filter(({ key }) => key.includes("/log/")) };
}

/** As another isolate meets it: nothing remembered, the index lost. */
async function read(app: MemoryApp, ref = "main"): Promise<string> {
  app.indexes.wipe();
  try {
    const answer = await app.admin.call("manifest", { repository: M, params: { ref } });
    await parseManifest(answer.manifest, answer.revision.manifest);
    return "OK";
  } catch (error) {
    return error instanceof FerryError ? error.code : String(error);
  }
}

const put = (app: MemoryApp, key: string, text: string) => app.stores.home.bucket.put(key, new TextEncoder().encode(text));

const EDITS: readonly [name: string, edit: (records: Found[]) => Found[]][] = [
  [
    "a message is changed",
    ([first]) => (first === undefined ? [] : [{ ...first, text: first.text.replace('"message":""', '"message":"x"') }]),
  ],
  [
    "an author is changed",
    ([, second]) => (second === undefined ? [] : [{ ...second, text: second.text.replace(/"actor":"[^"]*"/, '"actor":"nobody"') }]),
  ],
  [
    "two records change places",
    ([first, second]) =>
      first && second
        ? [
            { key: first.key, text: second.text },
            { key: second.key, text: first.text },
          ]
        : [],
  ],
  [
    "a record is another's, renumbered",
    ([, second, third]) => (second && third ? [{ key: second.key, text: third.text.replace('"seq":3', '"seq":2') }] : []),
  ],
  ["a record is no record any more", ([first]) => (first === undefined ? [] : [{ ...first, text: "{}" }])],
];

for (const [name, edit] of EDITS) {
  test(`S13: ${name}: the log is refused, loudly`, async () => {
    const { app, records } = await ground();
    // What an isolate remembers is not asked again; a new one begins with nothing.
    const fresh = await memoryApp({ ids: ["home"], decorate: (ports) => ({ ...ports, stores: app.ports.stores, keyed: app.ports.keyed }) });
    assert.equal(await read(fresh), "OK");
    const edits = edit(records);
    assert.ok(edits.length > 0 && edits.every(({ key, text }) => records.find((one) => one.key === key)?.text !== text));
    for (const { key, text } of edits) await put(app, key, text);
    const other = await memoryApp({ ids: ["home"], decorate: (ports) => ({ ...ports, stores: app.ports.stores, keyed: app.ports.keyed }) });
    assert.equal(await read(other), "LOG_DAMAGED");
  });
}

test("S13: the manifest of one revision served for another is refused by the server, and by whoever pulls", async () => {
  const { app, manifests } = await ground();
  const [first, second] = manifests;
  assert.ok(first !== undefined && second !== undefined);
  for (const { key } of manifests) await put(app, key, first.text);
  const other = await memoryApp({ ids: ["home"], decorate: (ports) => ({ ...ports, stores: app.ports.stores, keyed: app.ports.keyed }) });
  const codes = [];
  for (const { revision } of (await other.admin.call("listRevisions", { repository: M, query: {} })).revisions)
    codes.push(await read(other, revision));
  assert.deepEqual(codes.filter((code) => code === "OK").length, 1, codes.join(", "));
  for (const code of codes) assert.ok(["OK", "DIGEST_INVALID", "LOG_DAMAGED"].includes(code), code);
});

test("S13: a server that mixes a revision with another one's manifest is refused by the client", async () => {
  const { app } = await ground();
  const revisions = (await app.admin.call("listRevisions", { repository: M, query: {} })).revisions;
  const answers = await Promise.all(
    revisions.map(({ revision }) => app.admin.call("manifest", { repository: M, params: { ref: revision } })),
  );
  const [first, second] = answers;
  assert.ok(first !== undefined && second !== undefined);
  await assert.rejects(parseManifest(first.manifest, second.revision.manifest), { code: "DIGEST_INVALID" });
});

test("S13: a signature planted in the log counts for nothing: it has no key that is known, or is not of that key", async () => {
  const { app, records } = await ground();
  const known = await makeSigner();
  await app.admin.call("addKey", { body: { name: "release", publicKey: known.publicKey, operationId: operationId() } });
  const settings = { retention: null, quota: null, signedTags: [{ tags: "v*", keys: [known.id] }] };
  await app.admin.call("setSettings", { repository: M, body: { settings, operationId: operationId() } });
  const { id } = await app.admin.call("describeRepository", { repository: M });
  const [revision] = (await app.admin.call("listRevisions", { repository: M, query: {} })).revisions;
  assert.ok(revision !== undefined && records.length === 3);
  // As a bucket's thief can: a well-formed next record, applied by every index.
  const { append } = await import("../../../functions/registry/log.ts");
  const { repositoryLog } = await import("../../../functions/registry/logs.ts");
  const forged = await makeSigner();
  const body = {
    op: "sign" as const,
    repositoryId: id,
    manifest: revision.manifest,
    keyId: known.id,
    signature: forged.sign(revision.manifest),
  };
  await append(repositoryLog(app.ports, id), { operationId: operationId(), actor: "thief" }, async () => body);
  const tag = app.admin.call("setTag", { repository: M, params: { tag: "v1" }, body: { ref: "main", operationId: operationId() } });
  await assert.rejects(tag, { code: "SIGNATURE_MISSING" });
  assert.deepEqual((await app.admin.call("listSignatures", { repository: M, params: { ref: "main" } })).signatures, []);
});
