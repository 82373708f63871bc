/** `ferry push`: files into a new revision of a branch. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { RefName } from "../../shared/names.ts";
import type { PushRequest } from "../../shared/transfer/contract.ts";
import type { Act } from "./act.ts";
import { addTransferOptions, engineOptions, filters, summary, TransferFlags, transfer } from "./transfer.ts";
import { collected, LabelsValue, RevisionOrNone, TargetValue } from "./values.ts";

/** The last word is the target; all before it are sources. */
const PushWords = z
  .array(z.string())
  .min(2, "say what to push and where: ferry push DIR namespace/name")
  .transform((words, context) => {
    const target = TargetValue.safeParse(words.at(-1));
    const branch = RefName.safeParse(target.data?.ref ?? DEFAULT_BRANCH);
    if (target.success && branch.success) return { sources: words.slice(0, -1), repository: target.data.repository, branch: branch.data };
    context.addIssue(target.error?.issues[0]?.message ?? "a push goes to a branch, not to a revision");
    return z.NEVER;
  });

const Push = TransferFlags.extend({
  args: PushWords,
  message: z.string().max(4000).default(""),
  label: LabelsValue.optional(),
  create: z.boolean().default(true),
  parent: RevisionOrNone.optional(),
  cache: z.boolean().default(true),
});
type Push = z.infer<typeof Push>;

export function addPush(program: Command, act: Act): void {
  const command = program
    .command("push")
    .summary("Push a directory or files as a new revision.")
    .description("Push a directory or files as a new revision. Sends only chunks that are not stored yet; a push that was stopped goes on.")
    .usage("[options] <dir|file...> <namespace/name[@branch]>")
    .argument("<path...>", "directories, whose files keep their paths below them, or files; at last the repository")
    .option("-m, --message <text>", "what this revision is; kept in the history")
    .option("--label <key=value>", "a label of the revision; may be repeated", collected)
    .option("--no-create", "fail when the repository does not exist")
    .option("--parent <revision>", "only when the branch is at this revision; 'none': only when there is no such branch")
    .option("--no-cache", "read and hash every file, also those that look untouched since the last push");
  addTransferOptions(command).action(
    act(Push, async (cli, flags) => {
      const { pushFiles } = await import("../node/transfer.ts");
      const options = engineOptions(cli.host, flags, flags.cache);
      const result = await transfer(cli, "pushing", (control) => pushFiles(requestOf(flags), control, options));
      const { repository, ref, files, bytesTotal, chunksTotal, seconds } = result;
      const counts = { files, bytesTotal, bytesSent: result.bytesMoved, chunksTotal, chunksSent: result.chunksMoved, seconds };
      cli.note(`pushed ${summary(result, "sent")}`);
      const revision = result.revision.revision;
      cli.answer({ repository, ref, revision, ...counts }, `${repository}@${revision}\n`);
    }),
  );
}

function requestOf(flags: Push): PushRequest {
  const { args, message, label, create, parent } = flags;
  return {
    ...args,
    ...filters(flags),
    message,
    create,
    ...(label === undefined ? {} : { labels: label }),
    ...(parent === undefined ? {} : { parent }),
  };
}
