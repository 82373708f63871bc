/** `ferry trash ls|restore|purge`: what was deleted, back or gone for good. */
import type { Command } from "commander";
import * as z from "zod";
import { TRASH_DAYS, type TrashPage } from "../../shared/contract/lifecycle.ts";
import type { RevisionSummary } from "../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { firstItems } from "./pages.ts";
import { bytesText, plain, table, timeText } from "./text.ts";
import { LISTED_MAX, trashedRepositories } from "./trash-list.ts";
import { addPurge } from "./trash-purge.ts";
import { addTrashRestore } from "./trash-restore.ts";
import { RepositoryValue } from "./values.ts";

export function addTrash(program: Command, act: Act): void {
  const trash = program.command("trash").helpCommand(false).description("List what was deleted, bring it back, or purge it for good.");
  addList(trash, act);
  addTrashRestore(trash, act);
  addPurge(trash, act);
}

const List = GlobalFlags.extend({
  args: z
    .array(RepositoryValue)
    .max(1)
    .transform(([repository]) => repository),
});

function addList(trash: Command, act: Act): void {
  trash
    .command("ls")
    .summary("List deleted repositories, or the deleted revisions of one.")
    .description(
      `List deleted repositories, or the deleted revisions of one. Both stay for ${TRASH_DAYS} days and until somebody purges them.`,
    )
    .argument("[repository]", "namespace/name: its revisions (default: repositories)")
    .action(act(List, (cli, { args: repository }) => (repository === undefined ? listRepositories(cli) : listRevisions(cli, repository))));
}

async function listRepositories(cli: Cli): Promise<void> {
  const { items, more } = await trashedRepositories(cli);
  cli.answer({ repositories: items, more }, repositoriesText(items));
}

function repositoriesText(repositories: TrashPage["repositories"]): string {
  return table(
    repositories.map(({ id, repository, deletedAt, deletedBy, purgeableAt }) => [
      id,
      plain(repository),
      `deleted ${timeText(deletedAt)} by ${plain(deletedBy)}`,
      `may be purged from ${timeText(purgeableAt)}`,
    ]),
  );
}

async function listRevisions(cli: Cli, repository: RepositoryName): Promise<void> {
  const client = await cli.connect();
  const { items, more } = await firstItems(LISTED_MAX, async (asked) => {
    const { revisions, next } = await client.call("listRevisions", { repository, query: { deleted: "true", ...asked } });
    return { items: revisions, next };
  });
  cli.answer({ repository, revisions: items, more }, table(items.map(revisionRow), [{}, {}, {}, { align: "right" }]));
}

function revisionRow({ revision, branch, deletedAt, sizeBytes, message }: RevisionSummary): string[] {
  return [revision, plain(branch), `deleted ${timeText(deletedAt ?? "")}`, bytesText(sizeBytes), plain(message.split("\n")[0] ?? "")];
}
