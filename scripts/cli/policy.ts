/** `ferry policy create|ls|preview|run|rm`: which revisions should be in which stores. */
import type { Command } from "commander";
import * as z from "zod";
import type { Policy, PolicyPreview, PolicySummary } from "../../shared/contract/replication.ts";
import { POLICY_BYTES_MAX, PolicyTrigger, RefGlob } from "../../shared/contract/replication.ts";
import { FerryError } from "../../shared/errors.ts";
import { NamePart, RepositoryGlob } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { bytesText, counted, durationText, pairsText, plain, table, timeText } from "./text.ts";
import { BytesValue, collected, countValue, LabelsValue, SecondsValue, StoresValue } from "./values.ts";

const NameValue = z.string().pipe(NamePart);

const Rule = GlobalFlags.extend({
  repositories: RepositoryGlob.default("*"),
  refs: RefGlob.default("*"),
  label: LabelsValue.default({}),
  stores: StoresValue,
  trigger: PolicyTrigger.default("commit"),
  everyHours: countValue(1, 8760).optional(),
  evict: z.boolean().default(false),
  bandwidth: BytesValue.optional(),
  lag: SecondsValue.optional(),
});
const Create = Rule.extend({ args: z.tuple([NameValue]), yes: z.boolean().default(false) });
const Named = GlobalFlags.extend({ args: z.tuple([NameValue]) });

export function addPolicy(program: Command, act: Act): void {
  const policy = program.command("policy").helpCommand(false).description("Say which revisions should be in which stores.");
  const rule = (command: Command) =>
    command
      .option("--repositories <glob>", "of these repositories, such as team/* (default: all)")
      .option("--refs <glob>", "what these branches and tags point at, such as release-* (default: all)")
      .option("--label <key=value>", "only revisions with this label (may be given again)", collected)
      .requiredOption("--stores <ids>", "into these stores, parted by commas")
      .option("--trigger <when>", "commit (default), tag, cron, webhook or manual")
      .option("--every-hours <n>", "how often it runs, with --trigger cron")
      .option("--evict", "give up replicas of these repositories in these stores that no policy asks for")
      .option("--bandwidth <rate>", "at most so many bytes a second into each of the stores, such as 50MB")
      .option("--lag <time>", "an event tells of what is missing for longer, such as 30m");
  rule(policy.command("create").description("Create a policy, or replace the one of that name."))
    .argument("<name>", "its name")
    .option("-y, --yes", `also when it would move more than ${bytesText(POLICY_BYTES_MAX)}`)
    .action(act(Create, create));
  policy.command("ls").description("List the policies.").action(act(GlobalFlags, list));
  rule(policy.command("preview").description("What a policy would match and move, without saving it.")).action(act(Rule, preview));
  policy.command("run").description("Ask for what a policy matches now.").argument("<name>", "its name").action(act(Named, run));
  policy.command("rm").description("Remove a policy. Replicas stay.").argument("<name>", "its name").action(act(Named, remove));
}

async function create(cli: Cli, flags: z.infer<typeof Create>): Promise<void> {
  const body = { policy: policyOf(flags, flags.args[0]), operationId: newOperationId(), yes: flags.yes };
  const saved = await (await cli.connect()).call("setPolicy", { body });
  cli.answer(saved, table([row(saved)]));
}

function policyOf(flags: z.infer<typeof Rule>, name: string): Policy {
  const { repositories, refs, label, stores, trigger, everyHours, evict, bandwidth, lag } = flags;
  if ((trigger === "cron") !== (everyHours !== undefined))
    throw new FerryError("USAGE_INVALID", { problem: "--every-hours goes with --trigger cron, and that not without it" });
  return {
    ...{ name, repositories, refs, labels: label, stores, trigger, evict },
    ...(everyHours === undefined ? {} : { everyHours }),
    ...(bandwidth === undefined ? {} : { bytesPerSecond: bandwidth }),
    ...(lag === undefined ? {} : { lagSeconds: lag }),
  };
}

async function list(cli: Cli): Promise<void> {
  const { policies } = await (await cli.connect()).call("listPolicies", {});
  cli.answer({ policies }, policies.length === 0 ? "There are no policies.\n" : table(policies.map(row)));
}

function row(policy: PolicySummary): string[] {
  const { name, repositories, refs, labels, stores, trigger, everyHours, pinned, ranAt, evict, bytesPerSecond, lagSeconds } = policy;
  const when = everyHours === undefined ? trigger : `every ${everyHours} h`;
  const ran = ranAt === null ? "" : `asked for ${counted(pinned, "revision")} ${timeText(ranAt)}`;
  const limits = [
    evict ? "evicts" : "",
    bytesPerSecond === undefined ? "" : `at most ${bytesText(bytesPerSecond)}/s`,
    lagSeconds === undefined ? "" : `late after ${durationText(lagSeconds)}`,
  ].filter((text) => text !== "");
  return [name, plain(repositories), plain(refs), pairsText(labels) ?? "", `to ${stores.join(", ")}`, when, limits.join(", "), ran];
}

async function preview(cli: Cli, flags: z.infer<typeof Rule>): Promise<void> {
  const answer = await (await cli.connect()).call("previewPolicy", { body: { policy: policyOf(flags, "preview") } });
  cli.answer(answer, previewText(answer));
}

function previewText({ matches, missing, bytes, more, replicas }: PolicyPreview): string {
  const rows = replicas.map(({ repository, refs, revision, store, sizeBytes }) => [
    `${repository}@${refs[0] ?? revision}`,
    revision,
    `to ${store}`,
    bytesText(sizeBytes),
  ]);
  const many = `${counted(matches, "revision")} ${matches === 1 ? "matches" : "match"}${more ? ", and more" : ""}`;
  return `${table(rows, [{}, {}, {}, { align: "right" }])}${many}; ${counted(missing, "replica")} missing, at most ${bytesText(bytes)} to move\n`;
}

async function run(cli: Cli, { args: [policy] }: z.infer<typeof Named>): Promise<void> {
  const ran = await (await cli.connect()).call("runPolicy", { params: { policy }, body: { operationId: newOperationId() } });
  cli.answer(ran, table([row(ran)]));
}

async function remove(cli: Cli, { args: [policy] }: z.infer<typeof Named>): Promise<void> {
  await (await cli.connect()).call("removePolicy", { params: { policy }, query: { operationId: newOperationId() } });
  cli.answer({ policy, removed: true }, `Policy ${policy} is removed; its replicas stay.\n`);
}
