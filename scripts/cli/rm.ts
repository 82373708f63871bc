/** `ferry rm`: a repository, revisions or a branch. Asks before a repository or a branch goes. */
import type { Command } from "commander";
import * as z from "zod";
import { TRASH_DAYS } from "../../shared/contract/lifecycle.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName, type RepositoryName, RevisionId } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { isConfirmed } from "./confirm.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { counted } from "./text.ts";
import { revisionsOf, type Target, TargetValue } from "./values.ts";

const Rm = GlobalFlags.extend({
  args: z.tuple([TargetValue]).rest(TargetValue),
  branch: z.boolean().default(false),
  message: z.string().max(1000).default(""),
  yes: z.boolean().default(false),
});
type Rm = z.infer<typeof Rm>;

export function addRm(program: Command, act: Act): void {
  program
    .command("rm")
    .summary("Delete a repository, revisions or a branch.")
    .description(
      `Move a repository or revisions into the trash, from where \`ferry trash restore\` brings them back for ${TRASH_DAYS} days and more. With --branch, remove a branch; its revisions stay. Revisions that a branch or a tag names stay.`,
    )
    .argument(
      "<target...>",
      "namespace/name, namespace/name@revision (any number of one repository), or namespace/name@branch with --branch",
    )
    .option("--branch", "remove the branch only")
    .option("-m, --message <text>", "why revisions go; kept in the log")
    .option("-y, --yes", "do not ask")
    .action(act(Rm, rm));
}

async function rm(cli: Cli, { args: targets, branch, message, yes }: Rm): Promise<ExitName | undefined> {
  const [{ repository, ref }, ...others] = targets;
  if (branch || ref === null) {
    if (others.length > 0) throw new FerryError("USAGE_INVALID", { problem: "one repository or branch at a time" });
    if (message !== "") throw new FerryError("USAGE_INVALID", { problem: "--message goes with revisions only" });
    return branch ? removeBranch(cli, repository, ref, yes) : removeRepository(cli, repository, yes);
  }
  if (!RevisionId.safeParse(ref).success) {
    throw new FerryError("USAGE_INVALID", {
      problem: `to delete the branch ${ref} add --branch; to delete the repository leave out '@${ref}'; a revision has 40 hex characters`,
    });
  }
  return trash(cli, targets, message);
}

async function trash(cli: Cli, targets: readonly Target[], reason: string): Promise<undefined> {
  const { repository, revisions } = revisionsOf(targets);
  const answer = await (await cli.connect()).call("trashRevisions", {
    repository,
    body: { revisions, reason, operationId: newOperationId() },
  });
  cli.answer(
    { repository, revisions: answer.revisions, removed: true },
    `${counted(answer.revisions.length, "revision")} of ${repository} ${answer.revisions.length === 1 ? "is" : "are"} in the trash\n`,
  );
}

async function removeBranch(cli: Cli, repository: RepositoryName, ref: string | null, yes: boolean): Promise<ExitName | undefined> {
  const branch = RefName.safeParse(ref ?? "");
  if (!branch.success) throw new FerryError("USAGE_INVALID", { problem: "--branch needs namespace/name@branch" });
  if (!yes && !(await isConfirmed(cli, `branch ${branch.data} of ${repository}`, branch.data))) return "failed";
  await (await cli.connect()).call("deleteBranch", {
    repository,
    params: { branch: branch.data },
    query: { operationId: newOperationId() },
  });
  cli.answer({ repository, branch: branch.data, removed: true }, `${repository} has no branch ${branch.data} any more\n`);
  return undefined;
}

async function removeRepository(cli: Cli, repository: RepositoryName, yes: boolean): Promise<ExitName | undefined> {
  if (!yes && !(await isConfirmed(cli, `the repository ${repository} with all its revisions`, repository))) return "failed";
  await (await cli.connect()).call("deleteRepository", { repository, query: { operationId: newOperationId() } });
  cli.answer({ repository, removed: true }, `${repository} is in the trash; see \`ferry trash ls\`\n`);
  return undefined;
}
