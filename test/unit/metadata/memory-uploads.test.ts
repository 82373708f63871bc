/** Uploads in memory end as those on Redis do: a day after the last touch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../support/chain.ts";
import { proofOf, UPLOAD, UPLOAD_KEY } from "../../support/index-values.ts";
import { memoryIndexes } from "../../support/memory-index.ts";

const HOUR_MS = 3_600_000;

function atNoon() {
  let nowMs = 0;
  const { uploads, wipe } = memoryIndexes({ clock: { now: () => nowMs } });
  const pass = (hours: number) => {
    nowMs += hours * HOUR_MS;
  };
  return { uploads, wipe, pass };
}

test("an upload that is touched within a day lives on; a day of silence ends it", async () => {
  const { uploads, pass } = atNoon();
  const digest = digestOf("c");
  await uploads.record(UPLOAD, new Map([[digest, proofOf("c")]]));
  await uploads.addRecipes(UPLOAD, [digest]);
  for (let touch = 0; touch < 3; touch++) {
    pass(23);
    assert.deepEqual(await uploads.proofs(UPLOAD, [digest]), [proofOf("c")]);
    pass(23);
    assert.deepEqual(await uploads.missingRecipes(UPLOAD, [digest]), []);
  }
  pass(24);
  assert.deepEqual(await uploads.proofs(UPLOAD, [digest]), [null]);
  assert.deepEqual(await uploads.missingRecipes(UPLOAD, [digest]), [digest]);
});

test("the unfinished upload of a branch is offered until a day after it was offered last", async () => {
  const { uploads, pass } = atNoon();
  await uploads.remember(UPLOAD_KEY, "text", 0, 10);
  pass(23);
  assert.equal(await uploads.current(UPLOAD_KEY), "text");
  pass(23);
  assert.equal(await uploads.current(UPLOAD_KEY), "text");
  pass(24);
  assert.equal(await uploads.current(UPLOAD_KEY), null);
});

test("a wiped index knows nothing", async () => {
  const { uploads, wipe } = atNoon();
  await uploads.record(UPLOAD, new Map([[digestOf("c"), proofOf("c")]]));
  await uploads.remember(UPLOAD_KEY, "text", 0, 10);
  wipe();
  assert.deepEqual(await uploads.proofs(UPLOAD, [digestOf("c")]), [null]);
  assert.equal(await uploads.current(UPLOAD_KEY), null);
});
