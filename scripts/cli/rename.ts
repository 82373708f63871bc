/** `ferry rename`: another name for a repository. */
import type { Command } from "commander";
import * as z from "zod";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { RepositoryValue } from "./values.ts";

const Rename = GlobalFlags.extend({ args: z.tuple([RepositoryValue, RepositoryValue]) });

export function addRename(program: Command, act: Act): void {
  program
    .command("rename")
    .summary("Give a repository another name.")
    .description(
      "Give a repository another name: its revisions, tags and settings go with it, and no bytes are moved. Scopes of tokens count for the new name from then on. Clients of the Hub that read the old name are redirected until somebody takes it.",
    )
    .argument("<repository>", "namespace/name")
    .argument("<name>", "its new namespace/name")
    .action(
      act(Rename, async (cli, { args: [from, repository] }) => {
        const body = { repository, operationId: newOperationId() };
        const renamed = await (await cli.connect()).call("renameRepository", { repository: from, body });
        cli.answer({ ...renamed, from }, `${from} is ${repository} now\n`);
      }),
    );
}
