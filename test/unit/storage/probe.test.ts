import assert from "node:assert/strict";
import { test } from "node:test";
import { FORMAT_KEY } from "../../../functions/registry/layout.ts";
import type { Store } from "../../../functions/registry/ports.ts";
import type { ProbeResult } from "../../../shared/contract/stores.ts";
import { FerryError } from "../../../shared/errors.ts";
import { FAKE_KEYS, FAKE_REGION, FakeS3, type Flaw } from "../../support/fake-s3.ts";
import { storeOf, TurnedClock } from "../../support/storage-stands.ts";

function storeWith(
  flaws: readonly Flaw[],
  clock = new TurnedClock(),
): { store: Store; s3: FakeS3; clock: TurnedClock; asked: () => number } {
  const s3 = new FakeS3(flaws);
  let count = 0;
  const fetch: typeof globalThis.fetch = (input, init) => {
    count++;
    return s3.fetch(input instanceof Request ? input : String(input), init);
  };
  const { endpoint, bucket } = s3;
  const settings = { id: "fake", provider: "s3", endpoint, region: FAKE_REGION, bucket, addressing: "path" as const, ...FAKE_KEYS };
  return { store: storeOf(settings, { clock, fetch }), s3, clock, asked: () => count };
}

const ALL_MODES = ["payload", "checksum", "md5"];

test("a store that enforces everything is proven in every mode, and every check is fine", async () => {
  const probe = await storeWith([]).store.probe();
  assert.deepEqual(probe.modes, ALL_MODES);
  assert.deepEqual([probe.createOnly, probe.listAfterPut, probe.rangeReads, probe.clockSkewSeconds], [true, true, true, 0]);
  assert.deepEqual(
    probe.checks.filter(({ ok }) => ok !== true),
    [],
  );
});

/** What a probe must then say differently. `failing`: some check that names the fault. */
const FLAWS: Record<Flaw, Partial<ProbeResult> & { failing: RegExp }> = {
  "ignores conditions": { createOnly: false, failing: /^create-only$/ },
  "checks conditions too early": { createOnly: false, failing: /^create-only among racers$/ },
  "ignores x-amz-content-sha256": { modes: ["checksum", "md5"], failing: /^payload: other first byte$/ },
  "ignores x-amz-checksum-sha256": { modes: ["payload", "md5"], failing: /^checksum: other last byte$/ },
  "ignores content-md5": { modes: ["payload", "checksum"], failing: /^md5: other bytes throughout$/ },
  "ignores the signed length": { failing: /: other key$/ },
  "obeys unsigned headers": { modes: [], failing: /^payload: copy of another object$/ },
  "lists late": { listAfterPut: false, failing: /^list after put$/ },
  "ignores ranges": { rangeReads: false, failing: /^range read$/ },
  "is public": { failing: /^unsigned read$/ },
  "never expires": { failing: /: expired$/ },
  "has a wrong clock": { clockSkewSeconds: 600, failing: /^clock$/ },
};

for (const [flaw, { failing, ...expected }] of Object.entries(FLAWS)) {
  test(`a probe finds out that a store ${flaw}`, async () => {
    const probe = await storeWith([flaw as Flaw]).store.probe();
    const good = { modes: ALL_MODES, createOnly: true, listAfterPut: true, rangeReads: true, clockSkewSeconds: 0 };
    const { modes, createOnly, listAfterPut, rangeReads, clockSkewSeconds } = probe;
    assert.deepEqual({ modes, createOnly, listAfterPut, rangeReads, clockSkewSeconds }, { ...good, ...expected });
    assert.ok(
      probe.checks.some(({ check, ok }) => ok === false && failing.test(check)),
      "and says so in a check",
    );
  });
}

test("a probe leaves nothing but its result", async () => {
  const { store } = storeWith([]);
  await store.probe();
  const { objects } = await store.bucket.list("");
  assert.deepEqual(
    objects.map(({ key }) => key),
    [FORMAT_KEY],
  );
});

test("the bucket keeps its id and its birthday when it is probed again", async () => {
  const { store, clock } = storeWith([]);
  await store.probe();
  const first = JSON.parse(Buffer.from((await store.bucket.get(FORMAT_KEY)) ?? "").toString());
  clock.offsetMs = 60_000;
  const again = await store.probe();
  const second = JSON.parse(Buffer.from((await store.bucket.get(FORMAT_KEY)) ?? "").toString());
  assert.match(first.bucketId, /^[0-9a-f]{32}$/);
  assert.deepEqual([second.bucketId, second.createdAt], [first.bucketId, first.createdAt]);
  assert.deepEqual(second.probe, again);
  assert.notEqual(second.probe.probedAt, first.probe.probedAt);
});

test("the last result is read from the bucket once a minute; 'not probed' is never kept", async () => {
  const { store, s3, clock, asked } = storeWith([]);
  const settings = {
    id: "fake",
    provider: "s3",
    endpoint: s3.endpoint,
    region: FAKE_REGION,
    bucket: s3.bucket,
    addressing: "path" as const,
  };
  const elsewhere = storeOf({ ...settings, ...FAKE_KEYS }, { clock, fetch: s3.fetch });
  assert.equal(await store.probed(), null);
  const probe = await elsewhere.probe();
  assert.deepEqual(await store.probed(), probe, "seen at once after an unprobed answer");
  const before = asked();
  clock.offsetMs += 59_000;
  assert.deepEqual(await store.probed(), probe);
  assert.equal(asked(), before, "within a minute nothing is read");
  const newer = await elsewhere.probe();
  clock.offsetMs += 2_000;
  assert.deepEqual(await store.probed(), newer);
});

test("a format of a later version stops us, and is not overwritten", async () => {
  const { store } = storeWith([]);
  const later = Buffer.from(JSON.stringify({ v: 2, bucketId: "x", createdAt: "2027-01-01T00:00:00.000Z", probe: null }));
  await store.bucket.put(FORMAT_KEY, later);
  const isDamage = (error: unknown) => error instanceof FerryError && error.code === "LOG_DAMAGED";
  await assert.rejects(store.probed(), isDamage);
  await assert.rejects(store.probe(), isDamage);
  assert.deepEqual(await store.bucket.get(FORMAT_KEY), new Uint8Array(later));
});

test("a store that can't be written at all is an error, not a result", async () => {
  const { s3 } = storeWith([]);
  const settings = {
    id: "fake",
    provider: "s3",
    endpoint: s3.endpoint,
    region: FAKE_REGION,
    bucket: s3.bucket,
    addressing: "path" as const,
  };
  const store = storeOf({ ...settings, accessKeyId: "FAKEKEY", secretAccessKey: "wrong" }, { clock: new TurnedClock(), fetch: s3.fetch });
  await assert.rejects(store.probe(), (error: unknown) => error instanceof FerryError && error.code === "STORAGE_UNAVAILABLE");
});
