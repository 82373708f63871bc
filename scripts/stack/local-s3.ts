/** Local buckets with an S3 endpoint: miniflare's R2 in a process of its own, each bucket with its own keys, all data under one folder. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { type Child, startModule } from "./child.ts";
import type { Store, StoreKeys } from "./stores.ts";

export type LocalS3Options = {
  /** Data lives in `home`/s3. */
  home: string;
  /** Bucket name → its keys. A bucket is a store of the same id. */
  buckets: Record<string, StoreKeys>;
  /** Left out or 0: any free port. */
  port?: number;
};

export type LocalS3 = { endpoint: string; port: number; stores: Store[]; child: Child; stop(): Promise<void> };

/** Its whole URL; it takes path-style addressing and any region. */
export async function startLocalS3(options: LocalS3Options): Promise<LocalS3> {
  const { child, started } = await startModule({
    name: "the local stores",
    file: fileURLToPath(new URL("local-s3-process.ts", import.meta.url)),
    logFile: join(options.home, "logs", "stores.log"),
    settings: { folder: join(options.home, "s3"), port: options.port ?? 0, buckets: options.buckets },
    answer: z.object({ endpoint: z.string(), port: z.number() }),
  });
  const stores = Object.entries(options.buckets).map(([bucket, keys]): Store => {
    return { ...keys, id: bucket, bucket, provider: "miniflare", endpoint: started.endpoint, region: "auto", addressing: "path" };
  });
  return { ...started, stores, child, stop: () => child.stop() };
}
