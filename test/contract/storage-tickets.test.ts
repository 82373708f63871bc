/** The ticket suite on memory, on a fake that enforces everything, and on real S3 servers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ticketSuite } from "../suites/tickets.ts";
import { whyNoCeph } from "../support/ceph.ts";
import { cephStand, fakeS3Stand, localR2Stand, memoryStand, type Stand } from "../support/storage-stands.ts";

ticketSuite("memory", { reach: "memory", modes: ["payload", "checksum", "md5"], open: memoryStand });
ticketSuite("a fake S3", { reach: "store", modes: ["payload", "checksum", "md5"], open: fakeS3Stand });
ticketSuite("local R2", { reach: "network", modes: ["payload", "md5"], open: () => localR2Stand() });
ticketSuite("Ceph", { reach: "network", modes: ["payload", "md5"], open: () => cephStand() });

test("local R2 taken for a plain S3 is found unsafe in every mode: it lets unsigned headers copy other objects", async () => {
  const stand = await localR2Stand({ provider: "s3" });
  assert.deepEqual(await copied(stand), ["payload", "checksum", "md5"]);
});

test("Ceph taken for a plain S3 is found unsafe but for payload tickets", { skip: whyNoCeph() }, async (t) => {
  const stand = await cephStand({ provider: "s3" });
  if ("reason" in stand) return t.skip(stand.reason);
  assert.deepEqual(await copied(stand), ["checksum", "md5"]);
});

/** The modes whose tickets could be turned into a copy; none of them may be among the proven ones. */
async function copied({ store, close }: Stand): Promise<string[]> {
  try {
    const { modes, checks } = await store.probe();
    const unsafe = checks.filter(({ check, ok }) => check.endsWith(": copy of another object") && ok === false);
    const names = unsafe.map(({ check }) => check.split(":")[0] ?? "");
    assert.deepEqual(
      modes.filter((mode) => names.includes(mode)),
      [],
    );
    return names;
  } finally {
    await close();
  }
}
