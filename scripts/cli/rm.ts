/** `ferry rm`: removes a repository, or one branch. Asks first. */
import type { Command } from "commander";
import * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import { RefName, type RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { TargetValue } from "./values.ts";

const Rm = GlobalFlags.extend({
  args: z.tuple([TargetValue]),
  branch: z.boolean().default(false),
  yes: z.boolean().default(false),
});

export function addRm(program: Command, act: Act): void {
  program
    .command("rm")
    .summary("Delete a repository or a branch.")
    .description("Delete a repository with all its revisions; with --branch, one branch of it.")
    .argument("<target>", "namespace/name, or namespace/name@branch with --branch")
    .option("--branch", "delete the branch only")
    .option("-y, --yes", "do not ask")
    .action(
      act(Rm, async (cli, { args: [{ repository, ref }], branch, yes }) => {
        if (branch) return removeBranch(cli, repository, ref, yes);
        if (ref === null) return removeRepository(cli, repository, yes);
        throw new FerryError("USAGE_INVALID", {
          problem: `to delete the branch ${ref} add --branch; to delete the repository leave out '@${ref}'`,
        });
      }),
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
  cli.answer({ repository, removed: true }, `${repository} is deleted\n`);
  return undefined;
}

/** The person types the name, so that a habit of pressing Enter deletes nothing. */
async function isConfirmed({ host }: Cli, what: string, name: string): Promise<boolean> {
  if (!host.interactive) throw new FerryError("CONFIRMATION_MISSING", { what });
  const typed = await host.ask(`This deletes ${what}. Type ${name} to go on: `);
  if (typed.trim() === name) return true;
  host.stderr.write("Nothing was deleted.\n");
  return false;
}
