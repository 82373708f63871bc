/** What wrangler needs before it bundles the Worker (wrangler.toml): the console's files, and the S3 client without its unused half. */
import { buildConsole } from "./build-console.ts";
import { buildS3Client } from "./build-s3-client.ts";

await Promise.all([buildConsole(), buildS3Client()]);
