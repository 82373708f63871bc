import { bucketSuite } from "../../suites/bucket.ts";
import { memoryStand } from "../../support/storage-stands.ts";

bucketSuite("memory", async () => {
  const { store, close } = await memoryStand();
  return { bucket: store.bucket, close };
});
