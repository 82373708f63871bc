/** What wrangler needs before it bundles the Worker (wrangler.toml): the files served beside it, and packages without their unused halves. */
import { buildConsole } from "./build-console.ts";
import { buildRedisClient } from "./worker-parts/redis-client.ts";
import { buildS3Client } from "./worker-parts/s3-client.ts";
import { buildZod } from "./worker-parts/zod.ts";

await Promise.all([buildConsole(), buildS3Client(), buildRedisClient(), buildZod()]);
