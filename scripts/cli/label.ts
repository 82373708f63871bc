/** `ferry label`: labels and metrics of a revision that is there. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH, Metrics } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { facts, pairsText } from "./text.ts";
import { collected, TargetValue } from "./values.ts";

type Change = readonly [string, string | null];

/** `key=value`, or `key-` to take it away. */
const ChangeValue = z.string().transform((text, context): Change => {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  if (at < 0 && text.length > 1 && text.endsWith("-")) return [text.slice(0, -1), null];
  context.addIssue(`'${text}' is neither key=value nor key-`);
  return z.NEVER;
});
const MetricChange = ChangeValue.transform((change, context): Change => {
  const [key, value] = change;
  if (value !== null && !Metrics.safeParse({ [key]: value }).success) context.addIssue(`'${value}' is not a decimal number such as 0.031`);
  return change;
});

const Label = GlobalFlags.extend({
  args: z.tuple([TargetValue]).rest(ChangeValue),
  metric: z.array(MetricChange).default([]),
  replace: z.boolean().default(false),
});

export function addLabel(program: Command, act: Act): void {
  program
    .command("label")
    .summary("Label a revision, set its metrics.")
    .description("Label a revision, set its metrics. Labels and metrics that are not named stay, unless --replace says otherwise.")
    .argument("<target>", `namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .argument("[labels...]", "key=value, or key- to take it away")
    .option("--metric <key=number>", "a metric, or key- to take it away; may be repeated", collected)
    .option("--replace", "these labels instead of all it has; likewise the metrics, when any is given")
    .action(act(Label, label));
}

async function label(cli: Cli, { args: [{ repository, ref }, ...labels], metric: metrics, replace }: z.infer<typeof Label>): Promise<void> {
  if (labels.length + metrics.length === 0)
    throw new FerryError("USAGE_INVALID", { problem: "say what to set: key=value, or --metric key=number" });
  const removed = [...labels, ...metrics].find(([, value]) => value === null);
  if (replace && removed !== undefined) throw new FerryError("USAGE_INVALID", { problem: `with --replace leave out '${removed[0]}-'` });
  const shown = await (await cli.connect()).call("setLabels", {
    repository,
    params: { ref: ref ?? DEFAULT_BRANCH },
    body: {
      merge: !replace,
      ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
      ...(metrics.length === 0 ? {} : { metrics: Object.fromEntries(metrics) }),
      operationId: newOperationId(),
    },
  });
  const rows = [
    ["revision", shown.revision] as const,
    ["labels", pairsText(shown.labels)] as const,
    ["metrics", pairsText(shown.metrics)] as const,
  ];
  cli.answer({ repository, ...shown }, facts(rows));
}
