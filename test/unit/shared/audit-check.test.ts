/** What a check of the audit trail finds: every change, removal and addition in sealed hours, and most in the hour that is open. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { onMinute } from "../../../functions/jobs/cron.ts";
import { AUDIT_PREFIX, SEAL_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { TrailCheck, type TrailReport } from "../../../shared/audit-check.ts";
import { sha256 } from "../../../shared/digest.ts";
import { memoryApp } from "../../support/memory-app.ts";

const HOUR_MS = 3_600_000;
type Objects = Map<string, string>;

/** Of a deployment with two isolates' trails: five sealed hours, and one that is open. */
async function trail(): Promise<Objects> {
  const objects: Objects = new Map();
  for (const _ of [1, 2]) {
    const app = await memoryApp();
    for (let hour = 0; hour < 6; hour++) {
      for (let at = 0; at < 4; at++) {
        await app.admin.call("createToken", { body: { name: `${hour} ${at}`, scopes: [{ repositories: "a/b", actions: ["pull"] }] } });
        app.clock.advance(HOUR_MS / 4);
      }
    }
    for (const { key } of await listAll(app.stores.home.bucket, AUDIT_PREFIX)) objects.set(key, await textOf(app.stores.home.bucket, key));
  }
  // Sealed as one deployment seals them.
  const app = await memoryApp();
  for (const [key, text] of objects) await app.stores.home.bucket.put(key, new TextEncoder().encode(text));
  app.clock.advance(5 * HOUR_MS + 30 * 60_000);
  await onMinute(app.services);
  for (const { key } of await listAll(app.stores.home.bucket, SEAL_PREFIX)) objects.set(key, await textOf(app.stores.home.bucket, key));
  return objects;
}

async function textOf(bucket: { get(key: string): Promise<Uint8Array | null> }, key: string): Promise<string> {
  return new TextDecoder().decode((await bucket.get(key)) ?? new Uint8Array());
}

async function check(objects: Objects, options: { since?: string; noted?: { hour: string; sha256: string } } = {}): Promise<TrailReport> {
  const trailCheck = new TrailCheck(options.since);
  const keys = [...objects.keys()].sort();
  for (const key of keys.filter((one) => one.startsWith(SEAL_PREFIX))) {
    const hour = key.slice(SEAL_PREFIX.length, SEAL_PREFIX.length + 10);
    await trailCheck.seal(hour, objects.get(key) ?? "", options.noted?.hour === hour ? options.noted.sha256 : undefined);
  }
  const since = options.since?.replace(/\D/g, "") ?? "";
  for (const key of keys.filter((one) => one.startsWith(AUDIT_PREFIX))) {
    const name = key.slice(AUDIT_PREFIX.length, -".json".length);
    if (name >= since) await trailCheck.batch(name, objects.get(key) ?? "");
  }
  return trailCheck.end();
}

describe("a check of the audit trail", () => {
  let whole: Objects;
  let batches: string[];
  let seals: string[];
  before(async () => {
    whole = await trail();
    batches = [...whole.keys()].filter((key) => key.startsWith(AUDIT_PREFIX)).sort();
    seals = [...whole.keys()].filter((key) => key.startsWith(SEAL_PREFIX)).sort();
  });
  const problemsOf = async (objects: Objects, options = {}) => (await check(objects, options)).problems;
  const isSealed = (key: string) =>
    seals.some((seal) => seal.slice(SEAL_PREFIX.length, -".json".length) === key.slice(AUDIT_PREFIX.length).slice(0, 10));
  const without = (key: string): Objects => new Map([...whole].filter(([one]) => one !== key));
  const withText = (key: string, text: string): Objects => new Map(whole).set(key, text);

  test("finds nothing in one that is whole, and says where it ends", async () => {
    const report = await check(whole);
    assert.deepEqual(report.problems, []);
    assert.deepEqual([report.batches, report.events, report.seals, report.unsealed], [48, 48, 5, 8]);
    const last = seals.at(-1) ?? "";
    assert.deepEqual(report.head, { hour: "2026010104", sha256: await sha256(whole.get(last) ?? "") });
  });

  test("finds every batch that was changed, by one letter", async () => {
    let found = 0;
    for (const key of batches) {
      const changed = withText(key, (whole.get(key) ?? "").replace("bootstrap", "bootstrop"));
      assert.notDeepEqual(await problemsOf(changed), [], key);
      found++;
    }
    assert.equal(found, 48);
  });

  test("finds every batch that was changed together with its name", async () => {
    for (const key of batches.filter(isSealed)) {
      const text = (whole.get(key) ?? "").replace("bootstrap", "bootstrop");
      const renamed = without(key).set(key.replace(/[0-9a-f]{64}/, await sha256(text)), text);
      assert.notDeepEqual(await problemsOf(renamed), [], key);
    }
  });

  test("finds every batch of a sealed hour that was removed or added; of the open hour all but each isolate's last", async () => {
    let unseen = 0;
    for (const key of batches) {
      const problems = await problemsOf(without(key));
      if (isSealed(key)) assert.notDeepEqual(problems, [], key);
      else if (problems.length === 0) unseen++;
    }
    assert.equal(unseen, 2);
    const [first = ""] = batches;
    const text = (whole.get(first) ?? "").replace('"OK"', '"NO"');
    assert.notDeepEqual(await problemsOf(new Map(whole).set(first.replace(/[0-9a-f]{64}/, await sha256(text)), text)), []);
  });

  test("finds every seal that was changed or removed, but the newest that was removed, which only a note of it shows", async () => {
    for (const key of seals) {
      const hour = key.slice(SEAL_PREFIX.length, SEAL_PREFIX.length + 10);
      const noted = { hour, sha256: await sha256(whole.get(key) ?? "") };
      assert.deepEqual(await problemsOf(whole, { noted }), []);
      const changed = withText(key, (whole.get(key) ?? "").replace('"count":8', '"count":7'));
      assert.notDeepEqual(await problemsOf(changed), [], key);
      assert.notDeepEqual(await problemsOf(changed, { noted }), [], key);
      if (key !== seals.at(-1)) assert.notDeepEqual(await problemsOf(without(key)), [], key);
    }
  });

  test("finds an hour that was removed with its seal, and one that was sealed anew", async () => {
    const middle = seals[2] ?? "";
    const hour = middle.slice(SEAL_PREFIX.length, SEAL_PREFIX.length + 10);
    const gone = new Map([...whole].filter(([key]) => key !== middle && !key.startsWith(`${AUDIT_PREFIX}${hour}`)));
    assert.notDeepEqual(await problemsOf(gone), []);
    const only = new Map([...whole].filter(([key]) => !key.startsWith(`${AUDIT_PREFIX}${hour}`)));
    assert.ok((await problemsOf(only)).some(({ problem }) => /8 batches are gone/.test(problem)));
  });

  test("what can't be read is told, and does not stop the check", async () => {
    const [first = ""] = batches;
    for (const text of ["", "{", "[]", '{"v":2}']) {
      const report = await check(withText(first, text));
      assert.ok(report.problems.some(({ problem }) => /can't be read/.test(problem)));
      assert.equal(report.batches, 48);
      const [seal = ""] = seals;
      assert.notDeepEqual(await problemsOf(withText(seal, text)), []);
    }
    assert.notDeepEqual(await problemsOf(new Map(whole).set(`${AUDIT_PREFIX}stray.json`, "{}")), []);
  });

  test("one that begins later looks at whole hours from there, and at nothing before", async () => {
    const since = "2026-01-01T03:00:00.000Z";
    const report = await check(whole, { since });
    assert.deepEqual(report.problems, []);
    assert.equal(report.batches, 24);
    const late = batches.find((key) => key.startsWith(`${AUDIT_PREFIX}2026010103`)) ?? "";
    assert.notDeepEqual(await problemsOf(without(late), { since }), []);
    const early = batches[0] ?? "";
    assert.deepEqual(await problemsOf(without(early), { since }), []);
    assert.deepEqual(await problemsOf(whole, { since: "2026-01-01T03:30:00.000Z" }), []);
  });
});
