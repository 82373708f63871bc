/** `ferry usage`: what a repository, or all of them, weigh; and how much of that is shared. */
import type { Command } from "commander";
import * as z from "zod";
import type { RepositoryUsage } from "../../shared/contract/lifecycle.ts";
import { type UsageSum, wholeUsage } from "../../shared/deployment-usage.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { bytesText, counted, facts, timeText } from "./text.ts";
import { RepositoryValue } from "./values.ts";

const Usage = GlobalFlags.extend({
  args: z
    .array(RepositoryValue)
    .max(1)
    .transform(([repository]) => repository),
});

export function addUsage(program: Command, act: Act): void {
  program
    .command("usage")
    .summary("Tell how much is stored, and how much is shared.")
    .description("Tell how large revisions are, how many distinct bytes they have, and how many were sent for them.")
    .argument("[repository]", "namespace/name (default: all that the token may pull)")
    .action(act(Usage, (cli, { args: repository }) => (repository === undefined ? deployment(cli) : oneRepository(cli, repository))));
}

async function oneRepository(cli: Cli, repository: RepositoryName): Promise<void> {
  const usage = await (await cli.connect()).call("repositoryUsage", { repository });
  cli.answer({ repository, ...usage }, repositoryText(repository, usage));
}

function repositoryText(repository: RepositoryName, usage: RepositoryUsage): string {
  const part = usage.complete ? "" : `, in the newest ${usage.scanned} revisions alone`;
  return facts([
    ["repository", repository],
    ["revisions", `${usage.revisions}`],
    ["logical", `${bytesText(usage.logicalBytes)}: all files of all revisions, those in the trash too`],
    ["unique", `${bytesText(usage.uniqueBytes)} in ${counted(usage.uniqueChunks, "chunk")} of living revisions${part}`],
    ["stored", `${bytesText(usage.storedBytes)} in ${counted(usage.objects, "object")}, sent for them${savedText(usage)}`],
  ]);
}

/** How much less was sent than the files have. */
function savedText({ logicalBytes, storedBytes }: { logicalBytes: number; storedBytes: number }): string {
  if (logicalBytes <= storedBytes || logicalBytes === 0) return "";
  return `: ${(100 * (1 - storedBytes / logicalBytes)).toFixed(1)} % less than logical`;
}

async function deployment(cli: Cli): Promise<void> {
  const sum = await wholeUsage(await cli.connect());
  cli.answer(sum, deploymentText(sum));
}

function deploymentText(sum: UsageSum): string {
  const { measured } = sum;
  return facts([
    ["repositories", `${sum.repositories}`],
    ["revisions", `${sum.revisions}`],
    ["logical", bytesText(sum.logicalBytes)],
    ["stored", `${bytesText(sum.storedBytes)} in ${counted(sum.objects, "object")}${savedText(sum)}`],
    [
      "in the bucket",
      measured === null
        ? null
        : `${bytesText(measured.bytes)} in ${counted(measured.chunks, "chunk")}, ${bytesText(measured.garbageBytes)} garbage; counted ${timeText(measured.startedAt)}`,
    ],
  ]);
}
