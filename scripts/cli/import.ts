/** `ferry import`: a model that is elsewhere into a new revision of a branch. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import type { TransferControl } from "../../shared/transfer/contract.ts";
import { GiB } from "../../shared/units.ts";
import type { Imported, ImportInto } from "../import/run.ts";
import type { Act } from "./act.ts";
import type { Cli } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { askImport } from "./imports.ts";
import { newOperationId } from "./operation.ts";
import { sourceOf } from "./push-source.ts";
import { addTransferOptions, engineOptions, filters, summary, TransferFlags, transfer } from "./transfer.ts";
import { BytesValue, countValue, TargetValue } from "./values.ts";

const CONNECTIONS = 8;
const SPOOL_BYTES_MAX = 64 * GiB;

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
  job: z.boolean().default(false),
  wait: z.boolean().default(false),
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
    .option("--virtual-hosted", "the bucket's name is part of its host")
    .option("--job", "have it done by an agent with --import-from instead, which reads with its own keys; see `ferry imports`")
    .option("--wait", "with --job: until it is done; fails when it failed");
  addTransferOptions(command).action(act(Import, run));
}

async function run(cli: Cli, flags: Import): Promise<ExitName | undefined> {
  const [text, target] = flags.args;
  const { repository, branch } = target;
  if (flags.wait && !flags.job) throw new FerryError("USAGE_INVALID", { problem: "--wait goes with --job" });
  if (flags.job) return askImport(cli, { from: text, ...target, ...jobFlags(flags) });
  const done = await imported(cli, flags, text);
  if ("known" in done) {
    cli.note(`${repository}@${branch} is what ${text} is by now`);
    cli.answer({ repository, ref: branch, revision: done.known, imported: false }, `${repository}@${done.known}\n`);
    return undefined;
  }
  const { revision, files, bytesTotal, bytesMoved, chunksTotal, chunksMoved, seconds } = done.result;
  const counts = { files, bytesTotal, bytesSent: bytesMoved, chunksTotal, chunksSent: chunksMoved, seconds };
  cli.note(`imported ${summary(done.result, "sent")}`);
  cli.answer({ repository, ref: branch, revision: revision.revision, imported: true, ...counts }, `${repository}@${revision.revision}\n`);
  return undefined;
}

/** What an executor does goes by its own settings. */
function jobFlags({ message, create, wait, ...flags }: Import) {
  if (flags.include !== undefined || flags.exclude !== undefined || flags.virtualHosted)
    throw new FerryError("USAGE_INVALID", { problem: "with --job all files are imported, in the agent's way" });
  return { message, create, wait };
}

async function imported(cli: Cli, flags: Import, text: string): Promise<Imported> {
  const { importFolder, importOrigin, originOf } = await import("../import/run.ts");
  const { host } = cli;
  const { env, fetch, signal, sleep, now: nowMs } = host;
  const [, target] = flags.args;
  const { message, create, virtualHosted, spool, spoolBytes: bytesMax, sourceConnections: connections } = flags;
  const origin = await originOf(text, { env, fetch, nowMs, signal, virtualHosted });
  if (origin === null && !existsSync(text))
    throw new FerryError("USAGE_INVALID", {
      problem: `'${text}' is neither hf://org/name, s3://bucket/prefix, an https:// URL nor a folder that is there`,
    });
  const source = sourceOf(env, []);
  const into: ImportInto = { ...target, ...filters(flags), message, create, source, once: async () => ({ operationId: newOperationId() }) };
  const options = engineOptions(host, flags, false);
  const given = {
    client: await cli.connect(),
    ...{ signal, sleep, options },
    transfer: <R>(run: (control: TransferControl) => Promise<R>) => transfer(cli, "importing", run),
    spool: { folder: spool ?? join(options.cacheDir, "import"), bytesMax, connections },
  };
  return origin === null ? importFolder(text, into, given) : importOrigin(origin, into, given);
}
