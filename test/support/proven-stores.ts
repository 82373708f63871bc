/**
 * What the stores of a test's stack have proven. To try it takes hundreds of requests, and every bucket of one kind proves the same: of
 * a run of many test files (scripts/test.ts) the first has its stores probed by the app, and the others write what came of that into
 * their own buckets, where the app keeps its last probe. A file that runs by itself has all of them probed.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FORMAT_KEY } from "../../functions/registry/layout.ts";
import { S3Objects } from "../../functions/storage/objects.ts";
import { S3Profile } from "../../functions/storage/profile.ts";
import { Signer } from "../../functions/storage/signer.ts";
import type { Store } from "../../scripts/stack/stores.ts";
import type { FerryClient } from "../../shared/client.ts";
import { ProbeResult } from "../../shared/contract/stores.ts";
import { StoreId } from "../../shared/names.ts";
import { isoTime } from "../../shared/time.ts";

const PUT_SECONDS = 60;
const TIMEOUT_MS = 10_000;

export async function proveStores(stores: readonly Store[], admin: FerryClient): Promise<void> {
  for (const store of stores) {
    const file = fileOf(store);
    const known = file !== null && existsSync(file) ? ProbeResult.parse(JSON.parse(readFileSync(file, "utf8"))) : null;
    if (known !== null) {
      await writeFormat(store, { ...known, store: StoreId.parse(store.id), probedAt: isoTime(Date.now()) });
      continue;
    }
    const probe = await admin.call("probeStore", { params: { store: store.id } });
    if (file !== null) keep(file, probe);
  }
}

/** All of one provider are one program on this machine. */
function fileOf({ provider }: Store): string | null {
  const folder = process.env["FERRY_TEST_PROBES"];
  return folder === undefined ? null : join(folder, `${provider}.json`);
}

/** Renamed into place: files that run beside each other read all of it or nothing. */
function keep(file: string, probe: ProbeResult): void {
  const fresh = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(fresh, JSON.stringify(probe));
  renameSync(fresh, file);
}

/** As functions/storage/format.ts writes it for a bucket that nobody has probed. */
async function writeFormat(store: Store, probe: ProbeResult): Promise<void> {
  const format = { v: 1, bucketId: randomBytes(16).toString("hex"), createdAt: probe.probedAt, probe };
  const bytes = Buffer.from(JSON.stringify(format));
  const [url = ""] = await objectsOf(store).putUrls([{ key: FORMAT_KEY, sizeBytes: bytes.length }], PUT_SECONDS);
  const answer = await fetch(url, { method: "PUT", body: bytes });
  if (!answer.ok) throw new Error(`the store ${store.id} answered ${answer.status}: ${await answer.text()}`);
}

function objectsOf({ id, provider, endpoint, region, bucket, addressing, prefix, ...credentials }: Store): S3Objects {
  const profile = S3Profile.parse({ id, provider, endpoint, region, bucket, addressing, ...(prefix === undefined ? {} : { prefix }) });
  const clock = { now: Date.now };
  const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) };
  const wire = { clock, random, fetch, wait: async () => {}, timeoutMs: TIMEOUT_MS };
  return new S3Objects(profile, new Signer({ credentials, region, clock }), wire);
}
