/** `ferry trash purge`: out of the trash for good. Asks first. */
import type { Command } from "commander";
import * as z from "zod";
import { TRASH_DAYS } from "../../shared/contract/lifecycle.ts";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName, RevisionId } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { isConfirmed } from "./confirm.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { counted } from "./text.ts";
import { findTrashed } from "./trash-list.ts";
import { TrashTargetsValue } from "./trash-targets.ts";
import { revisionsOf } from "./values.ts";

const Purge = GlobalFlags.extend({ args: TrashTargetsValue, now: z.boolean().default(false), yes: z.boolean().default(false) });
type Purge = z.infer<typeof Purge>;

export function addPurge(trash: Command, act: Act): void {
  trash
    .command("purge")
    .summary("Purge revisions or a repository for good.")
    .description(
      `Purge for good what is in the trash for ${TRASH_DAYS} days or more. The next collection gives back the storage of what nothing else names.`,
    )
    .argument(
      "<what...>",
      "namespace/name@revision (any number of one repository), namespace/name (all its revisions whose time has come), or the id of a repository from `ferry trash ls`",
    )
    .option("--now", "do not wait for that time (administrators)")
    .option("-y, --yes", "do not ask")
    .action(act(Purge, purge));
}

function purge(cli: Cli, { args: what, now, yes }: Purge): Promise<ExitName | undefined> {
  if ("id" in what) return purgeRepository(cli, what.id, { now, yes });
  const [{ repository, ref }, ...others] = what.targets;
  if (ref === null && others.length === 0) return purgeAll(cli, repository, { now, yes });
  return purgeNamed(cli, revisionsOf(what.targets), { now, yes });
}

type How = { now: boolean; yes: boolean };

async function purgeRepository(cli: Cli, id: RepositoryId, { now, yes }: How): Promise<ExitName | undefined> {
  if (!yes) {
    const name = await findTrashed(cli, id);
    if (name === undefined) throw new FerryError("REPOSITORY_UNKNOWN", { repository: id });
    if (!(await isConfirmed(cli, `the repository ${name} (${id}) for good`, name))) return "failed";
  }
  await (await cli.connect()).call("purgeRepository", { params: { id }, body: { now, operationId: newOperationId() } });
  cli.answer({ id, purged: true }, `Repository ${id} is purged\n`);
  return undefined;
}

type Named = { repository: RepositoryName; revisions: RevisionId[] };

async function purgeNamed(cli: Cli, { repository, revisions }: Named, { now, yes }: How): Promise<ExitName | undefined> {
  const what = `${counted(revisions.length, "revision")} of ${repository} for good`;
  if (!yes && !(await isConfirmed(cli, what, repository))) return "failed";
  const answer = await (await cli.connect()).call("purgeRevisions", {
    repository,
    body: { revisions, now, operationId: newOperationId() },
  });
  report(cli, repository, answer.revisions);
  return undefined;
}

/** In as many steps as it takes, each an act of its own. */
async function purgeAll(cli: Cli, repository: RepositoryName, { now, yes }: How): Promise<ExitName | undefined> {
  const which = now ? "all revisions in the trash" : `all revisions in the trash for ${TRASH_DAYS} days`;
  if (!yes && !(await isConfirmed(cli, `${which} of ${repository} for good`, repository))) return "failed";
  const client = await cli.connect();
  const revisions: RevisionId[] = [];
  let cursor: string | null = null;
  do {
    const body = { now, operationId: newOperationId(), ...(cursor === null ? {} : { cursor }) };
    const answer: { revisions: RevisionId[]; next: string | null } = await client.call("purgeRevisions", { repository, body });
    revisions.push(...answer.revisions);
    cursor = answer.next;
  } while (cursor !== null);
  report(cli, repository, revisions);
  return undefined;
}

function report(cli: Cli, repository: RepositoryName, revisions: readonly RevisionId[]): void {
  const { length } = revisions;
  cli.answer({ repository, revisions }, `${counted(length, "revision")} of ${repository} ${length === 1 ? "is" : "are"} purged\n`);
}
