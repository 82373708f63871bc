/** `ferry store add`: the settings of one more store, to be put where the deployment's settings are. */
import type { Command } from "commander";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import { StoreId } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";

const PROVIDERS = ["s3", "aws", "r2", "oss", "cos", "ceph", "minio", "gcs"] as const;
const IdValue = z.string().pipe(StoreId);
const Add = GlobalFlags.extend({
  args: z.tuple([IdValue]),
  provider: z.enum(PROVIDERS).default("s3"),
  url: z.url({ protocol: /^https?$/ }),
  publicUrl: z.url({ protocol: /^https?$/ }).optional(),
  region: z.string().default("auto"),
  bucket: z.string().min(3).max(63),
  prefix: z.string().optional(),
  near: z
    .string()
    .transform((text) => text.split(","))
    .optional(),
  reach: z.enum(["edge", "agent"]).optional(),
});
type Add = z.infer<typeof Add>;

export function addStoreAdd(store: Command, act: Act): void {
  store
    .command("add")
    .description("Print the settings of one more store; the deployment takes them with its next start.")
    .argument("<id>", "its id: lower-case letters, digits and '-'")
    .requiredOption("--url <url>", "of its S3 API, as the deployment reaches it")
    .requiredOption("--bucket <name>", "its bucket")
    .option("--provider <name>", `${PROVIDERS.join(", ")} (default: s3)`)
    .option("--public-url <url>", "as clients reach it, when that is another")
    .option("--region <name>", "its region (default: auto)")
    .option("--prefix <prefix>", "keys of modelferry begin with this")
    .option("--near <names>", "networks that it is close to, parted by commas")
    .option("--reach <how>", "agent: only agents beside it can copy to it")
    .action(act(Add, add));
}

async function add(cli: Cli, flags: Add): Promise<void> {
  const { args, provider, url: endpoint, publicUrl: publicEndpoint, region, bucket, prefix, near, reach } = flags;
  const [id] = args;
  const { stores } = await (await cli.connect()).call("listStores", {});
  if (stores.some((store) => store.id === id)) throw new FerryError("USAGE_INVALID", { problem: `there is a store ${id} already` });
  const entry = Object.fromEntries(
    Object.entries({ id, provider, endpoint, publicEndpoint, region, bucket, prefix, near, reach }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  const name = `STORE_${id.toUpperCase().replaceAll("-", "_")}`;
  const secrets = [`${name}_ACCESS_KEY_ID`, `${name}_SECRET_ACCESS_KEY`];
  const text = [
    "Add this to the list in STORES:",
    `  ${JSON.stringify(entry)}`,
    "Give these secrets (wrangler secret put NAME, or the server's environment):",
    ...secrets.map((secret) => `  ${secret}`),
    `Then, once the deployment has them: ferry store probe ${id} && ferry store setup ${id}`,
    "",
  ].join("\n");
  cli.answer({ store: entry, secrets }, text);
}
