/** Copies within one endpoint, as stores really make them: local R2, a small S3 in memory, and a Ceph. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { nodeHasher } from "../../functions/node/hasher.ts";
import type { ChunkStore, Store } from "../../functions/registry/ports.ts";
import { S3Profile } from "../../functions/storage/profile.ts";
import { makeStores } from "../../functions/storage/stores.ts";
import type { Store as Settings } from "../../scripts/stack/stores.ts";
import { startCeph, whyNoCeph } from "../support/ceph.ts";
import { digestOf } from "../support/pusher.ts";
import { startTestS3 } from "../support/stack.ts";

const TEXT = "a chunk";
const CHUNK = { sha256: digestOf(TEXT), size: Buffer.byteLength(TEXT), tag: "1".repeat(16) };
const COPY = { ...CHUNK, tag: "2".repeat(16) };

function storesOf(settings: readonly Settings[]): Store[] {
  const credentials = settings.map(({ id, accessKeyId, secretAccessKey }) => [id, { accessKeyId, secretAccessKey }]);
  const profiles = settings.map(({ accessKeyId: _, secretAccessKey: __, ...profile }) => S3Profile.parse(profile));
  const stores = makeStores({
    profiles,
    credentials: Object.fromEntries(credentials),
    homeId: profiles[0]?.id ?? "",
    clock: { now: () => Date.now() },
    random: { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
    hasher: nodeHasher,
    fetch: (...input) => fetch(...input),
  });
  return [...stores.all()];
}

async function put({ chunks }: Store): Promise<void> {
  assert.equal(await chunks.write("payload", CHUNK, new Blob([TEXT]).stream()), "stored");
}

function copies(name: string, start: () => Promise<{ stores: Settings[]; stop(): Promise<void> } | { reason: string }>): void {
  describe(`copies within ${name}`, () => {
    const started = start();
    after(async () => {
      const stand = await started;
      if (!("reason" in stand)) await stand.stop();
    });

    test("a chunk is copied whole, again without harm, and what is not there is not copied", { timeout: 60_000 }, async (t) => {
      const stand = await started;
      if ("reason" in stand) return t.skip(stand.reason);
      const [home, west] = storesOf(stand.stores.map((store, at) => ({ ...store, prefix: at === 0 ? "here" : "there/below" })));
      assert.ok(home !== undefined && west !== undefined);
      await put(home);
      const copy = west.chunks.copierFrom(home.chunks);
      assert.ok(copy !== null);
      for (let time = 0; time < 2; time++) {
        assert.equal(await copy(CHUNK, COPY), true);
        assert.deepEqual(await west.chunks.content(COPY), { sha256: CHUNK.sha256, sizeBytes: CHUNK.size });
      }
      assert.equal(await copy({ ...CHUNK, tag: "3".repeat(16) }, { ...CHUNK, tag: "4".repeat(16) }), false);
      assert.deepEqual(await west.chunks.lengths([COPY, { ...CHUNK, tag: "4".repeat(16) }]), [CHUNK.size, null]);
    });
  });
}

copies("local R2", () => startTestS3(["home", "west"], { sharedKeys: true }));
if (whyNoCeph() === false)
  copies("a Ceph", async () => {
    const ceph = await startCeph();
    return "reason" in ceph ? ceph : { stores: [await ceph.makeStore("home"), await ceph.makeStore("west")], stop: ceph.stop };
  });

test("stores at other endpoints, with other keys, or of another kind do not copy from one another", () => {
  const base: Settings = {
    ...{ id: "home", provider: "s3", endpoint: "https://one.test", region: "r-1", bucket: "bucket", addressing: "path" },
    ...{ accessKeyId: "KEY", secretAccessKey: "secret" },
  };
  const others: Partial<Settings>[] = [{ endpoint: "https://other.test" }, { accessKeyId: "OTHER" }, { region: "r-2" }];
  for (const other of others) {
    const [home, west] = storesOf([base, { ...base, id: "west", ...other }]);
    assert.ok(home !== undefined && west !== undefined);
    assert.equal(west.chunks.copierFrom(home.chunks), null);
    assert.equal(west.chunks.copierFrom({} as ChunkStore), null);
  }
});
