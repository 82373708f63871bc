/** `ferry commit`: makes a revision of what S3 clients uploaded to a branch. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { RefName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { isConfirmed } from "./confirm.ts";
import { atDesk, type Desk, DOOR_HELP, DoorFlag, doorOf } from "./s3-at.ts";
import { bytesText, plain, table, timeText } from "./text.ts";
import { TargetValue } from "./values.ts";

const Place = TargetValue.transform(({ repository, ref }, context) => {
  const branch = RefName.safeParse(ref ?? DEFAULT_BRANCH);
  if (branch.success) return { repository, branch: branch.data };
  context.addIssue("a commit goes to a branch, not to a revision");
  return z.NEVER;
});

const Commit = GlobalFlags.extend({
  args: z.tuple([Place.optional()]),
  message: z.string().max(4000).default(""),
  list: z.boolean().default(false),
  discard: z.boolean().default(false),
  yes: z.boolean().default(false),
  door: DoorFlag,
}).refine(({ args: [place], list }) => (place === undefined) === list, { error: "say which branch: namespace/name[@branch], or --list" });
type Commit = z.infer<typeof Commit>;

const Committed = z.object({ repository: z.string(), branch: z.string(), revision: z.string(), isNew: z.boolean() });
const Discarded = z.object({ repository: z.string(), branch: z.string(), discarded: z.int() });
const Pending = z.object({
  pending: z.array(
    z.object({ repository: z.string(), branch: z.string(), files: z.int(), removed: z.int(), bytes: z.int(), changedAt: z.string() }),
  ),
});

export function addCommit(program: Command, act: Act): void {
  program
    .command("commit")
    .summary("Commit what S3 clients uploaded to a branch.")
    .description(
      "Commit what S3 clients uploaded by an agent's S3 door: the files of the branch with what was put, copied and removed over them become a revision. Until then only those who may push see it, at that door.",
    )
    .argument("[namespace/name[@branch]]", "the branch (default: main)")
    .option("-m, --message <text>", "what this revision is; kept in the history")
    .option("--list", "list what is not committed yet")
    .option("--discard", "throw it away instead")
    .option("-y, --yes", "do not ask")
    .option("--door <url>", DOOR_HELP)
    .action(act(Commit, commit));
}

async function commit(cli: Cli, flags: Commit): Promise<void> {
  const {
    args: [place],
    message,
    discard,
  } = flags;
  const door = doorOf(cli, flags.door);
  if (place === undefined) return list(cli, door);
  const { repository, branch } = place;
  const path = `/-/pending/${repository}?branch=${encodeURIComponent(branch)}`;
  if (discard) {
    const name = `${repository}@${branch}`;
    if (!flags.yes && !(await isConfirmed(cli, `what is not committed on ${name}`, name))) return;
    const gone = await atDesk(cli, door, { method: "DELETE", path }, Discarded);
    return cli.answer(gone, `${gone.discarded} changes of ${repository}@${branch} are thrown away\n`);
  }
  const asked: Desk = { method: "POST", path, body: message };
  const made = await atDesk(cli, door, asked, Committed);
  if (!made.isNew) cli.note("nothing was changed: this is the revision that was there");
  cli.answer(made, `${repository}@${made.revision}\n`);
}

async function list(cli: Cli, door: string): Promise<void> {
  const answer = await atDesk(cli, door, { method: "GET", path: "/-/pending" }, Pending);
  const rows = answer.pending.map(({ repository, branch, files, removed, bytes, changedAt }) => [
    plain(`${repository}@${branch}`),
    `${files} files`,
    bytesText(bytes),
    `${removed} removed`,
    timeText(changedAt),
  ]);
  cli.answer(answer, table(rows));
}
