/** F16 of reference/safety.md §6: what collection reads of the store is not what it should be, so the run ends and deletes nothing. */
import assert from "node:assert/strict";
import { CHUNK_PREFIX, ENVELOPE_PREFIX } from "../../../functions/registry/layout.ts";
import type { Store } from "../../../scripts/stack/stores.ts";
import type { CrashStand } from "../../support/crash-stand.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import type { Verdict } from "../../support/forwarder.ts";
import { collectOn, GarbageYard, runToEnd } from "../../support/garbage-yard.ts";
import { repositoryName } from "../../support/memory-app.ts";
import { listKeys, overwriteObject, readObject } from "../../support/s3-keys.ts";

/** `harm`: done to the store, or to its answers; resolves with what undoes it. */
type Rail = { name: string; harm: (stand: CrashStand, yard: GarbageYard) => Promise<() => Promise<void>>; says: RegExp };

const RAILS: Rail[] = [
  {
    name: "broken key formatter",
    // The last digit, and never a lower one: the store's adapter itself refuses a listing out of order.
    harm: async (stand) => listedAs(stand, CHUNK_PREFIX, (xml) => xml.replaceAll(/[0-9a-e]<\/Key>/g, "f</Key>")),
    says: /chunks that revisions name are missing/,
  },
  {
    name: "empty LIST page",
    harm: async (stand) =>
      listedAs(stand, ENVELOPE_PREFIX, (xml) =>
        xml.replace(/<Contents>.*<\/Contents>/gs, "").replace("<IsTruncated>true", "<IsTruncated>false"),
      ),
    says: /was not seen by the scan/,
  },
  { name: "unreadable manifest", harm: (stand, yard) => envelopeBecomes(stand, yard, "not JSON"), says: /not JSON/ },
  { name: "unknown version", harm: (stand, yard) => envelopeBecomes(stand, yard, '{"v":99}'), says: /damaged/ },
];

export function railsSuite(ground: FaultGround): void {
  ground.test(
    "F16: a key that is spelled otherwise, an empty listing, an envelope that can't be read, one of an unknown version: nothing is deleted",
    {
      timeout: 240_000,
    },
    async (t, stand) => {
      const yard = await GarbageYard.open(stand, repositoryName("rails/model"));
      const home = homeOf(stand);
      await yard.pushAgain([{ own: "rails kept", shared: "rails shared" }], "before");
      await yard.makeGarbage("rails");
      const before = await listKeys(home, CHUNK_PREFIX);
      const aborted: string[] = [];
      for (const { name, harm, says } of RAILS) {
        const undo = await harm(stand, yard);
        const run = await runToEnd(stand);
        await undo();
        assert.deepEqual([run.phase, run.deleted], ["aborted", 0], `${name}: ${run.problem}`);
        assert.match(run.problem ?? "", says, name);
        assert.deepEqual(await listKeys(home, CHUNK_PREFIX), before, name);
        aborted.push(name);
      }
      const { deleted } = await collectOn(stand);
      assert.ok(deleted >= 3, "there was garbage all the time");
      await yard.judge(t, `${aborted.length}/${RAILS.length} aborted (${aborted.join(", ")}), deleted 0; then ${deleted}`);
    },
  );
}

function homeOf({ live }: CrashStand): Store {
  const [home] = live.stack.stores;
  return home ?? assert.fail("no home store");
}

/** The server is shown listings under `prefix` as `view` makes them; what the test itself lists goes the same way, so only meanwhile. */
function listedAs({ store }: CrashStand, prefix: string, view: (xml: string) => string): () => Promise<void> {
  const pass = store.rule;
  store.rule = ({ method, path }): Verdict => {
    const query = new URL(path, "http://store").searchParams;
    const isListing = method === "GET" && query.has("list-type") && (query.get("prefix") ?? "").startsWith(prefix);
    return isListing ? { edit: view } : "pass";
  };
  return async () => {
    store.rule = pass;
  };
}

/** Of the one that was acknowledged: collection must not take it for garbage because it says nothing any more. */
async function envelopeBecomes(stand: CrashStand, { acknowledged }: GarbageYard, text: string): Promise<() => Promise<void>> {
  const home = homeOf(stand);
  const repository = repositoryName("rails/model");
  const { manifest } = await stand.client.call("resolve", { repository, params: { ref: acknowledged[0]?.revision ?? "" } });
  const [key] = await listKeys(home, `${ENVELOPE_PREFIX}${manifest}`);
  assert.ok(key !== undefined);
  const bytes = await readObject(home, key);
  await overwriteObject(home, key, Buffer.from(text));
  return () => overwriteObject(home, key, bytes);
}
