/** `ferry push`: files into a new revision of a branch. */
import type { Command } from "commander";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import type { PushRequest, PushResult } from "../../shared/transfer/contract.ts";
import type { Act } from "./act.ts";
import type { Cli } from "./cli.ts";
import { findingLines, firstLines } from "./content-text.ts";
import { readSigner } from "./key-file.ts";
import { newOperationId } from "./operation.ts";
import { sourceOf } from "./push-source.ts";
import { PartsValue, PartValue, partOf, SessionValue } from "./session-rank.ts";
import { sendSignature } from "./signed.ts";
import { addTransferOptions, engineOptions, filters, summary, TransferFlags, transfer } from "./transfer.ts";
import { collected, LabelsValue, MetricsValue, RevisionOrNone, SecondsValue, TargetValue } from "./values.ts";

const WAIT_SECONDS = 1800;

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
  metric: MetricsValue.optional(),
  followLinks: z.boolean().default(false),
  create: z.boolean().default(true),
  parent: RevisionOrNone.optional(),
  cache: z.boolean().default(true),
  session: SessionValue.optional(),
  part: PartValue.optional(),
  parts: PartsValue.optional(),
  wait: SecondsValue.optional(),
  allowEmpty: z.boolean().default(false),
  sign: z.string().min(1).optional(),
  secrets: z.enum(["block", "warn", "off"], "it is not 'block', 'warn' or 'off'").default("warn"),
})
  .refine(({ session, sign }) => session === undefined || sign === undefined, {
    error: "--sign is for a push of one's own: sign a session's revision when all parts are there, with `ferry sign`",
  })
  .refine(
    ({ session, part, parts, wait, allowEmpty }) =>
      session !== undefined || [part, parts, wait, allowEmpty || undefined].every((flag) => flag === undefined),
    {
      error: "--part, --parts, --wait and --allow-empty are for a push with --session",
    },
  );
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
    .option("--metric <key=number>", "a figure about the revision, such as loss=0.031; may be repeated", collected)
    .option("--follow-links", "push what symbolic links lead to in their place; without, links are kept as links")
    .option("--no-create", "fail when the repository does not exist")
    .option("--parent <revision>", "only when the branch is at this revision; 'none': only when there is no such branch")
    .option("--no-cache", "read and hash every file, also those that look untouched since the last push")
    .option("--session <name>", "push one part of a revision that many ranks push together; all of them name the same session")
    .option("--part <k>", "which part this is, counted from 0 (default: auto, the rank that the launcher set)")
    .option("--parts <n>", "how many parts there are (default: the number of ranks that the launcher set)")
    .option("--wait <time>", "how long to wait for the other parts: 90s, 30m (default: 30m)")
    .option("--allow-empty", "a part without any file is fine")
    .option("--secrets <how>", "secrets found in text files: block, warn, off (default: warn)")
    .option("--sign <file>", "sign the revision with this private key, from `ferry key create`");
  addTransferOptions(command).action(
    act(Push, async (cli, flags) => {
      const { pushFiles } = await import("../node/transfer.ts");
      const options = engineOptions(cli.host, flags, flags.cache);
      const signing = await signingOf(flags);
      const result = await transfer(cli, "pushing", async (control, note) => {
        const source = sourceOf(cli.host.env, flags.args.sources);
        const request = {
          ...requestOf(flags),
          source,
          ...sessionOf(cli, flags, note),
          ...signing.request,
          ...inspecting(flags.secrets, note),
        };
        const pushed = await pushFiles(request, control, options);
        await signing.finish(control.client, pushed);
        return pushed;
      });
      const { repository, ref, files, bytesTotal, chunksTotal, seconds } = result;
      const counts = { files, bytesTotal, bytesSent: result.bytesMoved, chunksTotal, chunksSent: result.chunksMoved, seconds };
      cli.note(`pushed ${summary(result, "sent")}`);
      const revision = result.revision.revision;
      cli.answer({ repository, ref, revision, ...counts }, `${repository}@${revision}\n`);
    }),
  );
}

function requestOf(flags: Push): PushRequest {
  const { args, message, label, metric, followLinks, create, parent, allowEmpty } = flags;
  return {
    ...args,
    ...filters(flags),
    message,
    create,
    mayBeEmpty: allowEmpty,
    followLinks,
    ...(label === undefined ? {} : { labels: label }),
    ...(metric === undefined ? {} : { metrics: metric }),
    ...(parent === undefined ? {} : { parent }),
  };
}

/** Findings are told once, before the commit. With `block` nothing is sent before all files were looked into. */
function inspecting(secrets: Push["secrets"], note: Note): Pick<PushRequest, "inspect" | "inspectFirst"> {
  const inspect: PushRequest["inspect"] = async (entries, signal) => {
    const { inspectFiles } = await import("../node/inspect-files.ts");
    const { report, findings } = await inspectFiles(entries, signal);
    const lines = findingLines(findings.map((finding) => (secrets === "off" ? { ...finding, secrets: [] } : finding)));
    if (lines.length > 0) note(firstLines(lines));
    if (secrets === "block" && report.secrets > 0)
      throw new FerryError("SECRETS_FOUND", { repository: "this push", count: report.secrets });
    return report;
  };
  return { inspect, inspectFirst: secrets === "block" };
}

type Signing = { request: Pick<PushRequest, "once">; finish(client: FerryClient, pushed: PushResult): Promise<void> };

/** The key is read before anything is sent. What is signed is the manifest that was made here, whatever the deployment says it took. */
async function signingOf({ sign }: Push): Promise<Signing> {
  if (sign === undefined) return { request: {}, finish: async () => {} };
  const signer = await readSigner(sign);
  let made: Digest | null = null;
  const once = async (manifest: Digest) => {
    made = manifest;
    return { operationId: newOperationId() };
  };
  const finish: Signing["finish"] = async (client, { repository, revision }) => {
    if (made !== null) await sendSignature(client, { repository, ref: revision.revision }, signer, made);
  };
  return { request: { once }, finish };
}

type Note = (text: string) => void;

function sessionOf({ host }: Cli, { session: name, part, parts, wait = WAIT_SECONDS }: Push, note: Note): Pick<PushRequest, "session"> {
  if (name === undefined) return {};
  const place = partOf(host.env, { part, parts });
  let told = "";
  const onWaiting = (missing: string) => {
    if (missing !== told) note(`part ${place.part} is sealed; waiting for ${missing} of ${place.parts}`);
    told = missing;
  };
  return { session: { name, ...place, waitMs: wait * 1000, onWaiting } };
}
