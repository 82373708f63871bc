/** Mistakes of those who keep models: each is refused by a code of its own, and nothing in the bucket or the index is other than before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../../shared/errors.ts";
import type { RevisionId } from "../../../shared/names.ts";
import { type MemoryApp, operationId } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";
import { codeOf, ground, MODEL, rankOf, sealAll } from "./parts-ground.ts";

type Prepared = { app: MemoryApp; pusher: Pusher; first: RevisionId; head: RevisionId };
/** `prepare` may change what it likes; the act that it gives must not. */
type Mistake = { name: string; code: ErrorCode; prepare: (prepared: Prepared) => Promise<() => Promise<unknown>> };

const operation = () => ({ operationId: operationId() });

const MISTAKES: Mistake[] = [
  {
    name: "a rank that claims a part which another has sealed with other files",
    code: "PART_TAKEN",
    prepare: async ({ app }) => {
      await rankOf(app).bring({ a: "first" });
      const other = rankOf(app);
      const { upload } = await other.join();
      await other.send(upload, { a: "other" });
      return () => other.seal(upload, { a: "other" });
    },
  },
  {
    name: "a commit while a part was never sealed",
    code: "PARTS_MISSING",
    prepare: async ({ app }) => {
      const upload = await sealAll(app, "job-2", [2]);
      const rank = rankOf(app, { session: "job-2", part: 0, parts: 4 });
      return () => rank.commit(upload);
    },
  },
  {
    name: "a commit with a chunk that nobody has proven",
    code: "CHUNK_UNPROVEN",
    prepare: async ({ pusher, head }) => {
      const { upload } = await pusher.open(MODEL);
      return () => pusher.commit(MODEL, upload, { never: "never sent" }, { parent: head });
    },
  },
  {
    name: "a tag move on an expectation that is not so any more",
    code: "TAG_MOVED",
    prepare: async ({ app, first, head }) => {
      const tag = { repository: MODEL, params: { tag: "prod" } };
      await app.admin.call("setTag", { ...tag, body: { ref: head, ...operation() } });
      return () => app.admin.call("setTag", { ...tag, body: { ref: first, expected: first, ...operation() } });
    },
  },
  {
    name: "a restore of what was purged",
    code: "REVISION_UNKNOWN",
    prepare: async ({ app, first }) => {
      const revisions = [first];
      await app.admin.call("trashRevisions", { repository: MODEL, body: { revisions, ...operation() } });
      await app.admin.call("purgeRevisions", { repository: MODEL, body: { revisions, now: true, ...operation() } });
      return () => app.admin.call("restoreRevisions", { repository: MODEL, body: { revisions, ...operation() } });
    },
  },
  {
    name: "a retention whose metric no revision has",
    code: "RETENTION_EMPTY",
    prepare: async ({ app }) => {
      const retention = { keepBest: { metric: "los", count: 2, order: "min" as const } };
      return () => app.admin.call("runRetention", { repository: MODEL, body: { retention, dryRun: false, ...operation() } });
    },
  },
];

for (const { name, code, prepare } of MISTAKES) {
  test(`${name}: ${code}, and nothing changed`, async (t) => {
    const app = await ground();
    const pusher = new Pusher(app.admin, app.stores.fetch);
    const first = (await pusher.push(MODEL, { a: "aaaa" })).revision.revision;
    const head = (await pusher.push(MODEL, { a: "bbbb" })).revision.revision;
    const act = await prepare({ app, pusher, first, head });
    const before = await everything(app);
    const codes = [await codeOf(act()), await codeOf(act())];
    assert.deepEqual(codes, [code, code], "said again when it is asked again");
    assert.deepEqual(await everything(app), before);
    t.diagnostic(`${code}; of ${before.objects.length} objects changed 0`);
  });
}

/** Every object but the audit trail, and what the index says of the repository. */
async function everything({ admin, stores }: MemoryApp) {
  const { objects } = await stores.home.bucket.list("");
  return {
    objects: objects.filter(({ key }) => !key.startsWith("sys/audit/")),
    state: await admin.call("describeRepository", { repository: MODEL }),
    revisions: (await admin.call("listRevisions", { repository: MODEL })).revisions,
  };
}
