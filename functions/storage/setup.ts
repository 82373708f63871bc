/** Settings of the bucket that make it fit for clients: CORS for browsers, and lifecycle rules that clear what was left behind. */
import {
  type CORSRule,
  GetBucketCorsCommand,
  GetBucketLifecycleConfigurationCommand,
  type LifecycleRule,
  PutBucketCorsCommand,
  PutBucketLifecycleConfigurationCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { SetupResult } from "../../shared/contract/stores.ts";
import { PROBE_PREFIX } from "../registry/layout.ts";
import { attempt, type Wire } from "./attempt.ts";
import { StoreAnswer, understand } from "./failure.ts";
import { dialectOf, type S3Profile } from "./profile.ts";

const CORS_ID = "modelferry";
const RULE_ID_PREFIX = "modelferry-";
const CORS_SECONDS = 3600;

export type SetupTools = { profile: S3Profile; client: S3Client; wire: Wire };

/** Rules of others are kept: ours are told apart by their ids, so that running it again changes nothing. */
export async function setUpStore(tools: SetupTools): Promise<SetupResult> {
  const steps = [await step("cors", () => applyCors(tools)), await step("lifecycle", () => applyLifecycle(tools))];
  return { store: tools.profile.id, steps };
}

async function step(name: string, act: () => Promise<string>): Promise<SetupResult["steps"][number]> {
  try {
    return { step: name, done: true, detail: await act() };
  } catch (error) {
    return { step: name, done: false, detail: `not done: ${understand(error).message}` };
  }
}

async function applyCors({ profile, client, wire }: SetupTools): Promise<string> {
  const { bucket: Bucket, id } = profile;
  const found = await orNone(() => attempt(wire, id, () => client.send(new GetBucketCorsCommand({ Bucket }))));
  const others = (found?.CORSRules ?? []).filter(({ ID }) => ID !== CORS_ID);
  const ours: CORSRule = {
    ID: CORS_ID,
    // Whoever holds a signed URL may use it; a browser's origin proves nothing more.
    AllowedOrigins: ["*"],
    AllowedMethods: ["GET", "PUT", "HEAD"],
    AllowedHeaders: [
      "authorization",
      "content-md5",
      "content-type",
      "if-none-match",
      "range",
      "x-amz-*",
      dialectOf(profile).createOnly.name,
    ],
    ExposeHeaders: ["ETag", "Content-Range"],
    MaxAgeSeconds: CORS_SECONDS,
  };
  const command = new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [...others, ours] } });
  await attempt(wire, id, () => client.send(command));
  return `browsers may GET, PUT and HEAD; ${others.length} other rules kept`;
}

async function applyLifecycle({ profile, client, wire }: SetupTools): Promise<string> {
  const { bucket: Bucket, prefix, id } = profile;
  const command = new GetBucketLifecycleConfigurationCommand({ Bucket });
  const found = await orNone(() => attempt(wire, id, () => client.send(command)));
  const others = (found?.Rules ?? []).filter(({ ID }) => ID?.startsWith(RULE_ID_PREFIX) !== true);
  const ours: LifecycleRule[] = [
    {
      ID: `${RULE_ID_PREFIX}multipart`,
      Status: "Enabled",
      Filter: { Prefix: prefix },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
    },
    { ID: `${RULE_ID_PREFIX}probe`, Status: "Enabled", Filter: { Prefix: prefix + PROBE_PREFIX }, Expiration: { Days: 1 } },
  ];
  const LifecycleConfiguration = { Rules: [...others, ...ours] };
  await attempt(wire, id, () => client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration })));
  return `unfinished multipart uploads go after 7 days, probes' scratch after 1 day; ${others.length} other rules kept`;
}

/** A bucket without such settings answers 404. */
async function orNone<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (failure) {
    if (failure instanceof StoreAnswer && failure.status === 404 && failure.code !== "NoSuchBucket") return null;
    throw failure;
  }
}
