/** What `npm run bench` is told. */
import { parseArgs } from "node:util";
import * as z from "zod";
import { BytesValue, countValue } from "../cli/values.ts";

export const USAGE = `npm run bench -- [options] [scenario…]

  --size SIZE          bytes that big transfers move (default 2GiB)
  --rounds N           measured rounds (default 5)
  --variant=FLAGS      one more case of ours, with these flags of \`ferry push\` or \`ferry pull\`; may be repeated
  --without NAME       leaves out peers whose name begins so; may be repeated
  --endpoint URL       a real S3 in place of the bench's own; keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, region in AWS_REGION
  --bucket NAME        the bucket there (default bench); everything is kept below bench-<random>/ and removed
  --provider NAME      what it is: aws, r2, oss, cos, ceph, minio, gcs, miniflare (default s3)
  --json FILE          writes the results there; a folder gets a name by date and machine
  --disk FOLDER        where "disk" is (default: the system's temporary folder)
  --revisions N        longest history of the scenario \`revisions\` (default 100000)
  --requests N         requests over which the scenario \`api\` watches memory (default 100000)
  --foreign N          repeats a run in which other processes used more than N % of the cores (default 12)
  --machine-network    stays in the machine's network even when its congestion control paces the loopback
  --list               prints the scenarios`;

const Options = z.object({
  scenarios: z.array(z.string()),
  size: BytesValue.optional(),
  rounds: countValue(1, 1000).optional(),
  variant: z.array(z.string()).default([]),
  without: z.array(z.string().min(1)).default([]),
  endpoint: z.url().optional(),
  bucket: z.string().default("bench"),
  provider: z.string().default("s3"),
  json: z.string().optional(),
  disk: z.string().optional(),
  revisions: countValue(10, 1_000_000).default(100_000),
  requests: countValue(100, 10_000_000).default(100_000),
  foreign: countValue(0, 100).default(12),
  "machine-network": z.boolean().default(false),
  list: z.boolean().default(false),
  help: z.boolean().default(false),
});
/** `size` and `rounds` are undefined when not given: scenarios have their own defaults. */
export type Options = z.infer<typeof Options>;

/** Throws Error with a sentence about what is wrong. */
export function parseOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      size: { type: "string" },
      rounds: { type: "string" },
      variant: { type: "string", multiple: true },
      without: { type: "string", multiple: true },
      endpoint: { type: "string" },
      bucket: { type: "string" },
      provider: { type: "string" },
      json: { type: "string" },
      disk: { type: "string" },
      revisions: { type: "string" },
      requests: { type: "string" },
      foreign: { type: "string" },
      "machine-network": { type: "boolean" },
      list: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const parsed = Options.safeParse({ ...values, scenarios: positionals });
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`).join("; "));
}
