/** Acts on a tag that is there: locks, its history, one step back. */
import type { TagHistory } from "../../shared/contract/lifecycle.ts";
import type { RefName, RepositoryName } from "../../shared/names.ts";
import type { Cli } from "./cli.ts";
import { expectedRevision } from "./expected.ts";
import { newOperationId } from "./operation.ts";
import { firstItems } from "./pages.ts";
import { plain, table, timeText } from "./text.ts";

const HISTORY_PAGE_MAX = 100;

export async function lockTag(cli: Cli, repository: RepositoryName, tag: RefName): Promise<void> {
  await (await cli.connect()).call("lockTag", { repository, params: { tag }, body: { operationId: newOperationId() } });
  cli.answer({ repository, tag, locked: true }, `${repository}@${tag} is locked\n`);
}

export async function unlockTag(cli: Cli, repository: RepositoryName, tag: RefName): Promise<void> {
  await (await cli.connect()).call("unlockTag", { repository, params: { tag }, query: { operationId: newOperationId() } });
  cli.answer({ repository, tag, locked: false }, `${repository}@${tag} is not locked\n`);
}

export async function showTagHistory(cli: Cli, repository: RepositoryName, tag: RefName, limit: number): Promise<void> {
  const client = await cli.connect();
  const { items, more } = await firstItems(
    limit,
    async (query) => {
      const { entries, next } = await client.call("tagHistory", { repository, params: { tag }, query });
      return { items: entries, next };
    },
    HISTORY_PAGE_MAX,
  );
  cli.answer({ repository, tag, entries: items, more }, historyText(items));
  if (more) cli.note("There are older ones; see --limit.");
}

function historyText(entries: TagHistory["entries"]): string {
  return table(
    entries.map(({ revision, time, author, message }) => [revision, timeText(time), plain(author), plain(message.split("\n")[0] ?? "")]),
  );
}

export async function rollTagBack(
  cli: Cli,
  repository: RepositoryName,
  tag: RefName,
  { if: given, message }: { if?: string | null | undefined; message: string },
): Promise<void> {
  const client = await cli.connect();
  const expected = (await expectedRevision(client, repository, given)) ?? undefined;
  const body = { message, operationId: newOperationId() };
  const answer = await client.call("rollbackTag", {
    repository,
    params: { tag },
    body: expected === undefined ? body : { ...body, expected },
  });
  cli.answer({ repository, ...answer }, `${repository}@${tag} is back at ${answer.revision}\n`);
}
