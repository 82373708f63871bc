/** `ferry webhook source set|ls|rm`: whose webhooks are taken, and what they do. */
import type { Command } from "commander";
import * as z from "zod";
import { type HookAction, HookRule, type HookSource, SourceKind } from "../../shared/contract/hooks.ts";
import { NamePart, RefName, RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { plain, table } from "./text.ts";
import { collected } from "./values.ts";

/** [EVENT[@FROM[:REF]]=]replicate:POLICY | …=warm:NS/NAME@REF | …=import:FROM>NS/NAME[@BRANCH] */
const RuleValue = z.string().transform((text, context): HookRule => {
  const [, when = "*", action = ""] = /^(?:([^=]*)=)?(.+)$/.exec(text) ?? [];
  const [, event = "*", from = "*", ref = "*"] = /^([^@]*)(?:@([^:]*)(?::(.*))?)?$/.exec(when) ?? [];
  const parsed = HookRule.safeParse({ event: event || "*", from: from || "*", ref: ref || "*", action: actionOf(action) });
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is no rule; such as push@org/*:main=replicate:POLICY, =warm:team/model@main or =import:FROM>team/model`);
  return z.NEVER;
});

function actionOf(text: string): Partial<HookAction> | null {
  const [kind = "", ...more] = text.split(":");
  const rest = more.join(":");
  if (kind === "replicate") return { kind, policy: rest };
  const [target = "", ref = "main"] = rest.split("@");
  const repository = RepositoryName.safeParse(target);
  if (kind === "warm" && repository.success) return { kind, repository: repository.data, ref, group: "default" as never };
  const [from = "", into = ""] = rest.split(">");
  const [name = "", branchName] = into.split("@");
  const [to, branch] = [RepositoryName.safeParse(name), RefName.optional().safeParse(branchName)];
  if (kind !== "import" || !to.success || !branch.success) return null;
  return { kind, from, to: to.data, ...(branch.data === undefined ? {} : { branch: branch.data }) };
}

const NameValue = z.string().pipe(NamePart);
const SetFlags = GlobalFlags.extend({
  args: z.tuple([NameValue]),
  kind: SourceKind.default("standard"),
  rule: z.array(RuleValue).default([]),
  secretEnv: z.string().min(1).optional(),
});
const Named = GlobalFlags.extend({ args: z.tuple([NameValue]) });

export function addSources(webhook: Command, act: Act): void {
  const source = webhook.command("source").helpCommand(false).description("Take webhooks of other systems, and say what they do.");
  source
    .command("set")
    .description("Take webhooks of a sender at /api/v1/webhooks/NAME, or change what they do. Prints the secret.")
    .argument("<name>", "its name")
    .option("--kind <kind>", "standard (default), github, huggingface, or secret in x-webhook-secret or as bearer")
    .option(
      "--rule <rule>",
      "[EVENT[@FROM[:REF]]=]replicate:POLICY, warm:NS/NAME@REF or import:FROM>NS/NAME[@BRANCH] (may be given again)",
      collected,
    )
    .option("--secret-env <name>", "the environment variable that holds the agreed secret (default: one is made, or stays)")
    .action(act(SetFlags, set));
  source.command("ls").description("List the senders.").action(act(GlobalFlags, list));
  source.command("rm").description("Take no webhooks of that sender any more.").argument("<name>", "its name").action(act(Named, remove));
}

async function set(cli: Cli, { args: [name], kind, rule: rules, secretEnv }: z.infer<typeof SetFlags>): Promise<void> {
  const secret = secretEnv === undefined ? undefined : cli.host.env[secretEnv];
  const body = { name, kind, rules, operationId: newOperationId(), ...(secret === undefined ? {} : { secret }) };
  const made = await (await cli.connect()).call("setHookSource", { body });
  cli.answer(made, `${table(rowsOf(made.source))}secret  ${made.secret}\n`);
}

async function list(cli: Cli): Promise<void> {
  const { sources } = await (await cli.connect()).call("listHookSources", {});
  cli.answer({ sources }, sources.length === 0 ? "No webhooks are taken.\n" : table(sources.flatMap(rowsOf)));
}

function rowsOf({ name, kind, rules }: HookSource): string[][] {
  if (rules.length === 0) return [[name, kind, "told, and nothing done"]];
  return rules.map(({ event, from, ref, action }) => [name, kind, `${event} of ${plain(from)}:${plain(ref)}`, actionText(action)]);
}

function actionText(action: HookAction): string {
  switch (action.kind) {
    case "replicate":
      return `replicate by policy ${action.policy}`;
    case "warm":
      return `warm ${action.repository}@${action.ref}`;
    case "import":
      return `import ${plain(action.from)} into ${action.to}${action.branch === undefined ? "" : `@${action.branch}`}`;
    default:
      return action satisfies never;
  }
}

async function remove(cli: Cli, { args: [source] }: z.infer<typeof Named>): Promise<void> {
  await (await cli.connect()).call("removeHookSource", { params: { source }, query: { operationId: newOperationId() } });
  cli.answer({ source, removed: true }, `Webhooks of ${source} are taken no more.\n`);
}
