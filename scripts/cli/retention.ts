/** `ferry retention`: which revisions a repository keeps, and moving the others into the trash. */
import type { Command } from "commander";
import * as z from "zod";
import type { RetentionPlan } from "../../shared/contract/lifecycle.ts";
import type { Retention as Rules } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { changeSettings } from "./settings.ts";
import { bytesText, counted, facts, plain, table, timeText } from "./text.ts";
import { countValue, RepositoryValue } from "./values.ts";

const BEST = /^(.+):(\d{1,4}):(max|min)$/;

const BestValue = z.string().transform((text, context): NonNullable<Rules["keepBest"]> => {
  const [, metric = "", digits = "", order] = BEST.exec(text) ?? [];
  const count = Number(digits);
  if (metric.length <= 63 && count >= 1 && count <= 1000 && (order === "max" || order === "min")) return { metric, count, order };
  context.addIssue(`'${text}' is not metric:count:max or metric:count:min, such as loss:3:min`);
  return z.NEVER;
});
const flag = z.boolean().default(false);

const Retention = GlobalFlags.extend({
  args: z.tuple([RepositoryValue]),
  keepLast: countValue(1, 100_000).optional(),
  keepEvery: countValue(2, 100_000).optional(),
  keepDays: countValue(1, 36_500).optional(),
  keepBest: BestValue.optional(),
  none: flag,
  dryRun: flag,
  run: flag,
  force: flag,
});
type Retention = z.infer<typeof Retention>;

export function addRetention(program: Command, act: Act): void {
  program
    .command("retention")
    .summary("Show or set which revisions a repository keeps; move the others into the trash.")
    .description(
      "Show the rules of a repository, or set those that are given instead of all it had. A revision is kept when any rule keeps it; what a branch or a tag names is always kept. With --dry-run or --run the given rules hold for that run alone.",
    )
    .argument("<repository>", "namespace/name")
    .option("--keep-last <n>", "the newest of each branch")
    .option("--keep-every <n>", "each n-th of a branch's history, from its first")
    .option("--keep-days <n>", "what is not older")
    .option("--keep-best <best>", "the best by a metric, as metric:count:max or metric:count:min")
    .option("--none", "no rules: keep all")
    .option("--dry-run", "list what would go, delete nothing")
    .option("--run", "move it into the trash, until nothing is left to move")
    .option("--force", "also when the rules keep nothing, or no revision has the metric")
    .action(act(Retention, retention));
}

async function retention(cli: Cli, flags: Retention): Promise<void> {
  const [repository] = flags.args;
  const rules = rulesIn(flags);
  const running = flags.run || flags.dryRun;
  const problem = wrongTogether(flags, rules !== null);
  if (problem !== null) throw new FerryError("USAGE_INVALID", { problem });
  if (running) return runRules(cli, repository, rules, flags);
  const client = await cli.connect();
  const { settings } = await client.call("describeRepository", { repository });
  const { retention: kept } =
    flags.none || rules !== null ? await changeSettings(client, repository, settings, { retention: rules }) : settings;
  cli.answer({ repository, retention: kept }, rulesText(kept));
}

function wrongTogether({ none, run, dryRun, force }: Retention, hasRules: boolean): string | null {
  if (run && dryRun) return "choose one of --run and --dry-run";
  if (none && hasRules) return "--none goes without rules";
  if (none && (run || dryRun)) return "--none goes without --run and --dry-run";
  if (force && !run && !dryRun) return "--force goes with --run or --dry-run only";
  return null;
}

function rulesIn({ keepLast, keepEvery, keepDays, keepBest }: Retention): Rules | null {
  const rules: Rules = {
    ...(keepLast === undefined ? {} : { keepLast }),
    ...(keepEvery === undefined ? {} : { keepEvery }),
    ...(keepDays === undefined ? {} : { keepDays }),
    ...(keepBest === undefined ? {} : { keepBest }),
  };
  return Object.keys(rules).length === 0 ? null : rules;
}

function rulesText(rules: Rules | null): string {
  if (rules === null) return "There are no rules: all revisions are kept.\n";
  const { keepLast, keepEvery, keepDays, keepBest } = rules;
  return facts([
    ["keep-last", keepLast === undefined ? null : `${keepLast}`],
    ["keep-every", keepEvery === undefined ? null : `${keepEvery}`],
    ["keep-days", keepDays === undefined ? null : `${keepDays}`],
    ["keep-best", keepBest === undefined ? null : `${plain(keepBest.metric)}:${keepBest.count}:${keepBest.order}`],
  ]);
}

/** One request moves no more than a part of a long history; each is an act of its own. */
async function runRules(cli: Cli, repository: RepositoryName, rules: Rules | null, { dryRun, force }: Retention): Promise<void> {
  const client = await cli.connect();
  const deletes: RetentionPlan["deletes"] = [];
  let plan: RetentionPlan;
  do {
    const body = { dryRun, force, operationId: newOperationId(), ...(rules === null ? {} : { retention: rules }) };
    plan = await client.call("runRetention", { repository, body });
    deletes.push(...plan.deletes);
  } while (plan.more && !dryRun && plan.deletes.length > 0);
  const done = { ...plan, deletes };
  cli.answer({ repository, ...done }, planText(done));
}

function planText({ dryRun, kept, keptBy, deletes, more }: RetentionPlan): string {
  const rows = table(
    deletes.map(({ revision, branch, time, sizeBytes }) => [revision, plain(branch), timeText(time), bytesText(sizeBytes)]),
    [{}, {}, {}, { align: "right" }],
  );
  const reasons = Object.entries(keptBy).flatMap(([reason, count]) => (count === 0 ? [] : [`${count} by ${reason}`]));
  const many = `${counted(deletes.length, "revision")}${more ? " and more" : ""}`;
  const moved = dryRun ? `${many} would go into the trash` : `${many} moved into the trash`;
  return `${rows}${moved}; ${kept} kept${reasons.length === 0 ? "" : ` (${reasons.join(", ")})`}\n`;
}
