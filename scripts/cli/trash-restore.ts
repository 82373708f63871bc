/** `ferry trash restore`: out of the trash. */
import type { Command } from "commander";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { counted } from "./text.ts";
import { TrashTargetsValue } from "./trash-targets.ts";
import { RepositoryValue, revisionsOf, type Target } from "./values.ts";

const Restore = GlobalFlags.extend({ args: TrashTargetsValue, as: RepositoryValue.optional() });

export function addTrashRestore(trash: Command, act: Act): void {
  trash
    .command("restore")
    .description("Bring revisions back, or a repository with all it had.")
    .argument("<what...>", "namespace/name@revision (any number of one repository), or the id of a repository from `ferry trash ls`")
    .option("--as <repository>", "another name for the repository: the old one may be taken")
    .action(
      act(Restore, async (cli, { args: what, as: name }) => {
        if ("id" in what) return restoreRepository(cli, what.id, name);
        if (name !== undefined) throw new FerryError("USAGE_INVALID", { problem: "--as goes with a repository's id only" });
        return restoreRevisions(cli, what.targets);
      }),
    );
}

async function restoreRepository(cli: Cli, id: RepositoryId, name: RepositoryName | undefined): Promise<void> {
  const body = { operationId: newOperationId(), ...(name === undefined ? {} : { repository: name }) };
  const restored = await (await cli.connect()).call("restoreRepository", { params: { id }, body });
  cli.answer(restored, `${restored.repository} is back\n`);
}

async function restoreRevisions(cli: Cli, targets: readonly Target[]): Promise<void> {
  const { repository, revisions } = revisionsOf(targets);
  const answer = await (await cli.connect()).call("restoreRevisions", { repository, body: { revisions, operationId: newOperationId() } });
  const { length } = answer.revisions;
  cli.answer({ repository, ...answer }, `${counted(length, "revision")} of ${repository} ${length === 1 ? "is" : "are"} back\n`);
}
