/** The bucket suite on real S3 servers. */
import { bucketSuite } from "../suites/bucket.ts";
import { cephStand, localR2Stand } from "../support/storage-stands.ts";

bucketSuite("local R2", async () => {
  const { store, close } = await localR2Stand();
  return { bucket: store.bucket, close };
});

bucketSuite("local R2 under a prefix", async () => {
  const { store, close } = await localR2Stand({ prefix: "team/models" });
  return { bucket: store.bucket, close };
});

bucketSuite("Ceph", async () => {
  const stand = await cephStand();
  return "reason" in stand ? stand : { bucket: stand.store.bucket, close: stand.close };
});
