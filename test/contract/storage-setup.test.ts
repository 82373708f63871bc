/** Store setup on real S3 servers: what it may change, and that it says what it could not. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { Store as StoreSettings } from "../../scripts/stack/stores.ts";
import { type Ceph, startCeph, whyNoCeph } from "../support/ceph.ts";
import { localR2Stand, storeOf, TurnedClock } from "../support/storage-stands.ts";

let ceph: Ceph | { reason: string } = { reason: "not started" };
before(async () => {
  if (whyNoCeph() === false) ceph = await startCeph();
});
after(async () => {
  if ("stop" in ceph) await ceph.stop();
});

test("on Ceph both steps are done, twice the same, and rules of others stay", { skip: whyNoCeph() }, async (t) => {
  if ("reason" in ceph) return t.skip(ceph.reason);
  const settings: StoreSettings = { ...(await ceph.makeStore("ceph")), prefix: "team/" };
  const client = clientOf(settings);
  const Bucket = settings.bucket;
  const theirCors = { ID: "theirs", AllowedMethods: ["GET"], AllowedOrigins: ["https://theirs.example"], AllowedHeaders: ["x-theirs"] };
  await client.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [theirCors] } }));
  const theirRule = { ID: "theirs", Status: "Enabled" as const, Filter: { Prefix: "logs/" }, Expiration: { Days: 30 } };
  await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [theirRule] } }));

  const store = storeOf(settings, { clock: new TurnedClock() });
  for (const round of ["first", "second"]) {
    const { steps } = await store.setup();
    assert.deepEqual(
      steps.map(({ step, done }) => [step, done]),
      [
        ["cors", true],
        ["lifecycle", true],
      ],
      JSON.stringify(steps),
    );
    const cors = (await client.send(new GetBucketCorsCommand({ Bucket }))).CORSRules ?? [];
    assert.deepEqual(cors.map(({ ID }) => ID).sort(), ["modelferry", "theirs"], round);
    const rules = (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules ?? [];
    assert.deepEqual(rules.map(({ ID }) => ID).sort(), ["modelferry-multipart", "modelferry-probe", "theirs"], round);
    assert.equal(rules.find(({ ID }) => ID === "theirs")?.Expiration?.Days, 30);
    assert.equal(rules.find(({ ID }) => ID === "modelferry-probe")?.Filter?.Prefix, "team/probe/");
  }
  client.destroy();
});

test("on Ceph a browser's preflight for every ticket header is then answered yes", { skip: whyNoCeph() }, async (t) => {
  if ("reason" in ceph) return t.skip(ceph.reason);
  const settings = await ceph.makeStore("ceph");
  await storeOf(settings, { clock: new TurnedClock() }).setup();
  for (const headers of ["authorization,if-none-match,x-amz-acl,x-amz-content-sha256,x-amz-date", "content-md5,if-none-match", "range"]) {
    const answer = await fetch(`${settings.endpoint}/${settings.bucket}/chunks/00/x`, {
      method: "OPTIONS",
      headers: { origin: "https://anywhere.example", "access-control-request-method": "PUT", "access-control-request-headers": headers },
    });
    assert.equal(answer.status, 200, headers);
    assert.match(answer.headers.get("access-control-allow-methods") ?? "", /PUT/);
  }
});

test("on local R2, which has neither, both steps say that they were not done, and why", async () => {
  const { store, close } = await localR2Stand();
  try {
    const { steps } = await store.setup();
    for (const { done, detail } of steps) assert.deepEqual([done, detail], [false, "not done: 501 NotImplemented"]);
    assert.equal(steps.length, 2);
  } finally {
    await close();
  }
});

function clientOf({ endpoint, region, accessKeyId, secretAccessKey }: StoreSettings): S3Client {
  return new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
}
