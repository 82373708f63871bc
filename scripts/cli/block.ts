/** `ferry block`, `unblock`: the kill switch of one repository. */
import type { Command } from "commander";
import * as z from "zod";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { RepositoryValue } from "./values.ts";

const Block = GlobalFlags.extend({ args: z.tuple([RepositoryValue]), reason: z.string().min(1).max(1000) });

export function addBlock(program: Command, act: Act): void {
  program
    .command("block")
    .summary("Stop all downloads of a repository.")
    .description("Stop all downloads of a repository, at once and for everybody. URLs that were given before live up to 15 minutes more.")
    .argument("<repository>", "namespace/name")
    .requiredOption("--reason <text>", "why; whoever wants to download is told")
    .action(
      act(Block, async (cli, { args: [repository], reason }) => {
        const body = { reason, operationId: newOperationId() };
        const blocked = await (await cli.connect()).call("blockRepository", { repository, body });
        cli.answer(blocked, `Downloads of ${repository} are blocked.\n`);
        cli.note("URLs that were given before live up to 15 minutes more.");
      }),
    );
}

const Unblock = GlobalFlags.extend({ args: z.tuple([RepositoryValue]) });

export function addUnblock(program: Command, act: Act): void {
  program
    .command("unblock")
    .description("Allow downloads of a repository again.")
    .argument("<repository>", "namespace/name")
    .action(
      act(Unblock, async (cli, { args: [repository] }) => {
        await (await cli.connect()).call("unblockRepository", { repository, query: { operationId: newOperationId() } });
        cli.answer({ repository, blocked: null }, `Downloads of ${repository} are allowed again.\n`);
      }),
    );
}
