/** `ferry watch`: pushes checkpoints as training writes them. */
import { resolve } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import type { PushRequest, PushResult } from "../../shared/transfer/contract.ts";
import type { Checkpoint } from "../node/watch-scan.ts";
import type { Act } from "./act.ts";
import type { Cli } from "./cli.ts";
import { cacheDirectory } from "./config.ts";
import { bytesText, plain } from "./text.ts";
import { addTransferOptions, engineOptions, filters, TransferFlags, transfer } from "./transfer.ts";
import { collected, countValue, LabelsValue, RefNameValue, SecondsValue, type Target, TargetValue } from "./values.ts";

const EVERY_SECONDS = 5;
const KEEP_MAX = 100_000;

const Watch = TransferFlags.extend({
  args: z.tuple([z.string().min(1), TargetValue]),
  branch: RefNameValue.optional(),
  marker: z.string().min(1).optional(),
  keep: countValue(1, KEEP_MAX).optional(),
  once: z.boolean().default(false),
  every: SecondsValue.default(EVERY_SECONDS),
  message: z.string().max(4000).optional(),
  label: LabelsValue.default({}),
  create: z.boolean().default(true),
});
type Watch = z.infer<typeof Watch>;

export function addWatch(program: Command, act: Act): void {
  const command = program
    .command("watch")
    .summary("Push checkpoints as training writes them.")
    .description(
      "Watch a directory and push every complete checkpoint in it as a revision, in order. A checkpoint is complete when its framework says so: PyTorch DCP (.metadata), Megatron (latest_checkpointed_iteration.txt), transformers (trainer_state.json), or --marker. Started again after a crash it goes on; no checkpoint becomes two revisions.",
    )
    .argument("<directory>", "where training writes its checkpoints; it may come later")
    .argument("<target>", `namespace/name[@branch] (default branch: ${DEFAULT_BRANCH})`)
    .option("--branch <name>", "the branch, when the target does not name it")
    .option("--marker <glob>", "instead: a file of this name or path makes its directory a complete checkpoint")
    .option("--keep <k>", "leave the newest so many checkpoints here, and remove older ones that are stored (default: all stay)")
    .option("--once", "push what is complete now, then end")
    .option("--every <time>", `how often to look where the system tells of no changes: 5s, 1m (default: ${EVERY_SECONDS}s)`)
    .option("-m, --message <text>", "what these revisions are (default: the checkpoint's name)")
    .option("--label <key=value>", "a label of every revision, beside step and checkpoint; may be repeated", collected)
    .option("--no-create", "fail when the repository does not exist");
  addTransferOptions(command).action(act(Watch, (cli, flags) => watch(cli, flags)));
}

async function watch(cli: Cli, flags: Watch): Promise<void> {
  const { watchCheckpoints } = await import("../node/watch.ts");
  const { WatchState } = await import("../node/watch-state.ts");
  const { pushFiles } = await import("../node/transfer.ts");
  const { MACHINE } = await import("../node/machine.ts");
  const { inspectFiles } = await import("../node/inspect-files.ts");
  const inspect: PushRequest["inspect"] = async (entries, signal) => (await inspectFiles(entries, signal)).report;
  const [directory, target] = flags.args;
  const branch = branchOf(target, flags.branch);
  const root = resolve(directory);
  const client = await cli.connect();
  const { marker = null, keep = null, message = null, once, create, every } = flags;
  const request = {
    root,
    repository: target.repository,
    branch,
    message,
    labels: flags.label,
    ...filters(flags),
    marker,
    keep,
    once,
    create,
  };
  await watchCheckpoints(
    { ...request, everyMs: every * 1000 },
    {
      client,
      machine: MACHINE,
      state: new WatchState(cacheDirectory(cli.host), [client.endpoint, target.repository, branch, root, marker ?? ""]),
      signal: cli.host.signal,
      push: (push) => transfer(cli, "pushing", (control) => pushFiles({ ...push, inspect }, control, engineOptions(cli.host, flags, true))),
      onStored: (checkpoint, result) => tellStored(cli, checkpoint, result),
      onRemoved: ({ path }) => cli.note(`removed ${plain(path)}, which is stored`),
      note: (text) => cli.note(plain(text)),
    },
  );
}

/** Throws USAGE_INVALID. */
function branchOf({ ref }: Target, flag: RefName | undefined): RefName {
  if (ref !== null && flag !== undefined)
    throw new FerryError("USAGE_INVALID", { problem: `the branch is named twice: @${ref}, --branch ${flag}` });
  const branch = RefName.safeParse(flag ?? ref ?? DEFAULT_BRANCH);
  if (!branch.success) throw new FerryError("USAGE_INVALID", { problem: "checkpoints go to a branch, not to a revision" });
  return branch.data;
}

function tellStored(cli: Cli, { path, step, framework }: Checkpoint, result: PushResult): void {
  const { repository, ref, files, bytesTotal, chunksTotal, seconds } = result;
  const { revision, metrics } = result.revision;
  const counts = { files, bytesTotal, bytesSent: result.bytesMoved, chunksTotal, chunksSent: result.chunksMoved, seconds };
  cli.note(`${plain(path === "" ? "." : path)}: ${bytesText(bytesTotal)}, ${bytesText(result.bytesMoved)} sent`);
  const words = step === null ? "" : `  step ${step}`;
  cli.answer({ repository, ref, revision, checkpoint: path, step, framework, metrics, ...counts }, `${repository}@${revision}${words}\n`);
}
