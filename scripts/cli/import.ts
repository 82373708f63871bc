/** `ferry import`: a model that is elsewhere into a new revision of a branch. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName, type RepositoryName } from "../../shared/names.ts";
import type { PushRequest, PushResult } from "../../shared/transfer/contract.ts";
import { GiB } from "../../shared/units.ts";
import type { Origin } from "../import/origin.ts";
import type { Act } from "./act.ts";
import type { Cli } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { sourceOf } from "./push-source.ts";
import { addTransferOptions, engineOptions, filters, summary, TransferFlags, transfer } from "./transfer.ts";
import { BytesValue, countValue, TargetValue } from "./values.ts";

const CONNECTIONS = 8;
const SPOOL_BYTES_MAX = 64 * GiB;
const TEXT_MAX = 255;

const Import = TransferFlags.extend({
  args: z.tuple([
    z.string().min(1),
    TargetValue.transform(({ repository, ref }, context) => {
      const branch = RefName.safeParse(ref ?? DEFAULT_BRANCH);
      if (branch.success) return { repository, branch: branch.data };
      context.addIssue("an import goes to a branch, not to a revision");
      return z.NEVER;
    }),
  ]),
  message: z.string().max(4000).optional(),
  create: z.boolean().default(true),
  spool: z.string().min(1).optional(),
  spoolBytes: BytesValue.default(SPOOL_BYTES_MAX),
  sourceConnections: countValue(1, 64).default(CONNECTIONS),
  virtualHosted: z.boolean().default(false),
});
type Import = z.infer<typeof Import>;

export function addImport(program: Command, act: Act): void {
  const command = program
    .command("import")
    .summary("Import a model from a Hub, a bucket or a URL as a new revision.")
    .description(
      "Import a model from a Hub (hf://org/name[@revision], by HF_ENDPOINT and HF_TOKEN), a bucket (s3://bucket/prefix, by the AWS_ variables), a URL or a folder, as a new revision. Files pass through this machine; what the source says of their content is checked, and only chunks that are not stored yet are sent. An import that was stopped goes on.",
    )
    .argument("<source>", "hf://…, s3://…, https://… or a folder")
    .argument("<target>", `namespace/name[@branch] (default branch: ${DEFAULT_BRANCH})`)
    .option("-m, --message <text>", "what this revision is (default: where it comes from)")
    .option("--no-create", "fail when the repository does not exist")
    .option("--spool <dir>", "where files are kept on their way (default: in ferry's cache)")
    .option("--spool-bytes <size>", "what they may take there together; a single larger file is kept whole (default: 64GiB)")
    .option("--source-connections <n>", "requests to the source at the same time, 1 to 64 (default: 8)")
    .option("--virtual-hosted", "the bucket's name is part of its host");
  addTransferOptions(command).action(act(Import, run));
}

async function run(cli: Cli, flags: Import): Promise<void> {
  const [text, { repository, branch }] = flags.args;
  const origin = await originOf(cli, flags, text);
  const known = origin === null ? null : await alreadyThere(await cli.connect(), repository, branch, origin);
  if (known !== null) {
    cli.note(`${repository}@${branch} is what ${text} is by now`);
    return cli.answer({ repository, ref: branch, revision: known, imported: false }, `${repository}@${known}\n`);
  }
  const result = await (origin === null ? importFolder(cli, flags, text) : importFrom(cli, flags, origin));
  const { revision, files, bytesTotal, seconds } = result;
  const counts = {
    files,
    bytesTotal,
    bytesSent: result.bytesMoved,
    chunksTotal: result.chunksTotal,
    chunksSent: result.chunksMoved,
    seconds,
  };
  cli.note(`imported ${summary(result, "sent")}`);
  cli.answer({ repository, ref: branch, revision: revision.revision, imported: true, ...counts }, `${repository}@${revision.revision}\n`);
}

/** Null: a folder of this machine. */
async function originOf({ host }: Cli, { virtualHosted }: Import, text: string): Promise<Origin | null> {
  const { hubOrigin } = await import("../import/hub.ts");
  const { bucketOrigin } = await import("../import/bucket.ts");
  const { urlOrigin } = await import("../import/url.ts");
  const { env, fetch, signal } = host;
  const origin =
    (await hubOrigin(text, { env, fetch, signal })) ??
    bucketOrigin(text, { env, fetch, nowMs: host.now, virtualHosted }) ??
    urlOrigin(text, fetch);
  if (origin === null && !existsSync(text))
    throw new FerryError("USAGE_INVALID", {
      problem: `'${text}' is neither hf://org/name, s3://bucket/prefix, an https:// URL nor a folder that is there`,
    });
  return origin;
}

/** The revision at the branch's head, when it is an import of the same state of the same source. */
async function alreadyThere(
  client: FerryClient,
  repository: RepositoryName,
  branch: string,
  { name, revision }: Origin,
): Promise<string | null> {
  if (revision === null) return null;
  const head = await client.call("resolve", { repository, params: { ref: branch } }).catch((error: unknown) => {
    if (error instanceof FerryError && (error.code === "REPOSITORY_UNKNOWN" || error.code === "REF_UNKNOWN")) return null;
    throw error;
  });
  const labels = head?.labels ?? {};
  return labels["import/source"] === name.slice(0, TEXT_MAX) && labels["import/revision"] === revision ? (head?.revision ?? null) : null;
}

async function importFolder(cli: Cli, flags: Import, folder: string): Promise<PushResult> {
  const { pushFiles } = await import("../node/transfer.ts");
  const request = requestOf(cli, flags, { name: folder, revision: null, sources: [folder] });
  return transfer(cli, "importing", (control) => pushFiles(request, control, engineOptions(cli.host, flags, true)));
}

async function importFrom(cli: Cli, flags: Import, origin: Origin): Promise<PushResult> {
  const { pushFrom } = await import("../node/transfer.ts");
  const { Spool } = await import("../import/spool.ts");
  const { ImportSource } = await import("../import/source.ts");
  const { host } = cli;
  const options = engineOptions(host, flags, false);
  const place = createHash("sha256")
    .update(`${origin.name}@${origin.revision ?? ""}`)
    .digest("hex")
    .slice(0, 16);
  const folder = join(flags.spool ?? join(options.cacheDir, "import"), place);
  const spool = new Spool({ origin, folder, bytesMax: flags.spoolBytes, connections: flags.sourceConnections, sleep: host.sleep });
  const files = await origin.list(host.signal);
  const request = requestOf(cli, flags, { ...origin, name: origin.name, sources: [] });
  const result = await transfer(cli, "importing", (control) =>
    pushFrom((disk) => new ImportSource(disk, spool, { name: origin.name, files, ...filters(flags) }), request, control, options),
  );
  spool.drop();
  return result;
}

type From = { name: string; revision: string | null; sources: string[] };

function requestOf({ host }: Cli, { args: [, target], message, create, ...flags }: Import, { name, revision, sources }: From): PushRequest {
  const labels = { "import/source": name.slice(0, TEXT_MAX), ...(revision === null ? {} : { "import/revision": revision }) };
  return {
    ...target,
    ...filters({ ...flags }),
    sources,
    message: message ?? `Import of ${name}${revision === null ? "" : `@${revision}`}`,
    create,
    labels,
    source: sourceOf(host.env, []),
    once: async () => ({ operationId: newOperationId() }),
  };
}
