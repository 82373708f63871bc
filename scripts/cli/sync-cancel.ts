/** `ferry sync cancel`: ends jobs of replication. */
import type { Command } from "commander";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import type { ReplicaJobState } from "../../shared/contract/replication.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { counted } from "./text.ts";
import { StoreValue, TargetValue } from "./values.ts";

const Cancel = GlobalFlags.extend({ args: z.tuple([TargetValue]), store: StoreValue.optional() });
type Cancel = z.infer<typeof Cancel>;

export function addSyncCancel(sync: Command, act: Act): void {
  sync
    .command("cancel")
    .description("End jobs that copy a repository, or one revision of it. While a policy or a tag asks for the replica, it is begun again.")
    .argument("<target>", "namespace/name, or namespace/name@ref")
    .option("--store <id>", "only jobs into this store")
    .action(act(Cancel, cancel));
}

async function cancel(cli: Cli, { args: [{ repository, ref }], store }: Cancel): Promise<void> {
  const client = await cli.connect();
  const revision = ref === null ? null : (await client.call("resolve", { repository, params: { ref } })).revision;
  const jobs = (await jobsOf(client, repository)).filter(
    (job) => (revision === null || job.revision === revision) && (store === undefined || job.store === store),
  );
  for (const job of jobs) await client.call("cancelJob", { params: { store: job.store, job: job.job } });
  const ended = jobs.map(({ job, store: into, revision: copied }) => ({ job, store: into, revision: copied }));
  const lines = ended.map((job) => `${repository}@${job.revision} to ${job.store}: ended\n`).join("");
  cli.answer({ repository, jobs: ended }, ended.length === 0 ? "No such job is under way.\n" : lines);
  if (ended.length > 0) cli.note(`${counted(ended.length, "job")} ended; \`ferry policy ls\` tells what would begin them again`);
}

async function jobsOf(client: FerryClient, repository: RepositoryName): Promise<ReplicaJobState[]> {
  return (await client.call("syncStatus", { query: { repository } })).jobs;
}
