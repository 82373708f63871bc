/** `ferry quota`: limits of a repository, and how much of them is used. */
import type { Command } from "commander";
import * as z from "zod";
import type { Quota as Limits, Usage } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { changeSettings } from "./settings.ts";
import { bytesText, facts } from "./text.ts";
import { BytesValue, countValue, limitValue, RepositoryValue } from "./values.ts";

const Quota = GlobalFlags.extend({
  args: z.tuple([RepositoryValue]),
  logical: limitValue(BytesValue).optional(),
  stored: limitValue(BytesValue).optional(),
  objects: limitValue(countValue(1, 999_999_999)).optional(),
  none: z.boolean().default(false),
});
type Quota = z.infer<typeof Quota>;

export function addQuota(program: Command, act: Act): void {
  program
    .command("quota")
    .summary("Show or set the limits of a repository.")
    .description(
      "Show the limits of a repository, or set those that are given. A limit below what is there deletes nothing: it stops growth.",
    )
    .argument("<repository>", "namespace/name")
    .option("--logical <size>", "all files of all revisions, such as 1TiB; or 'none'")
    .option("--stored <size>", "bytes that its revisions brought; or 'none'")
    .option("--objects <n>", "chunks that its revisions brought; or 'none'")
    .option("--none", "no limits at all")
    .action(act(Quota, quota));
}

async function quota(cli: Cli, flags: Quota): Promise<void> {
  const [repository] = flags.args;
  const { logical: logicalBytes, stored: storedBytes, objects, none } = flags;
  const given = Object.entries({ logicalBytes, storedBytes, objects }).filter(([, limit]) => limit !== undefined);
  if (none && given.length > 0) throw new FerryError("USAGE_INVALID", { problem: "--none goes without other limits" });
  const client = await cli.connect();
  const { usage, settings } = await client.call("describeRepository", { repository });
  let limits = settings.quota;
  if (none || given.length > 0) {
    const open: Limits = { logicalBytes: null, storedBytes: null, objects: null };
    const wanted: Limits = { ...open, ...limits, ...Object.fromEntries(given) };
    const closed = !none && Object.values(wanted).some((limit) => limit !== null);
    limits = (await changeSettings(client, repository, settings, { quota: closed ? wanted : null })).quota;
  }
  cli.answer({ repository, quota: limits, usage }, quotaText(limits, usage));
}

function quotaText(limits: Limits | null, usage: Usage): string {
  const row = (name: string, used: string, limit: string | null): [string, string] => [name, `${used} of ${limit ?? "no limit"}`];
  const bytes = (limit: number | null | undefined) => (limit === null || limit === undefined ? null : bytesText(limit));
  return facts([
    row("logical", bytesText(usage.logicalBytes), bytes(limits?.logicalBytes)),
    row("stored", bytesText(usage.storedBytes), bytes(limits?.storedBytes)),
    row("objects", `${usage.objects}`, limits?.objects?.toString() ?? null),
  ]);
}
