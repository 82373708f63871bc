/** `ferry webhook create|ls|show|rotate|test|deliveries|replay|rm`: whom events are sent to. */
import type { Command } from "commander";
import * as z from "zod";
import { DeliveryId, DeliveryState, type DeliverySummary, EventGlob, type Webhook, WebhookFormat } from "../../shared/contract/hooks.ts";
import { NamePart, RepositoryGlob } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { facts, plain, table, timeText } from "./text.ts";
import { collected, countValue } from "./values.ts";
import { addSources } from "./webhook-source.ts";

const NameValue = z.string().pipe(NamePart);
const DAY_SECONDS = 86_400;

const Create = GlobalFlags.extend({
  args: z.tuple([NameValue, z.string().min(1)]),
  event: z.array(EventGlob).default(["*"]),
  repositories: RepositoryGlob.default(RepositoryGlob.parse("*")),
  format: WebhookFormat.default("standard"),
});
const Named = GlobalFlags.extend({ args: z.tuple([NameValue]) });
const Rotate = Named.extend({ overlap: countValue(0, 720).optional() });
const Deliveries = Named.extend({ state: DeliveryState.optional(), limit: countValue(1, 500).optional() });
const Replay = GlobalFlags.extend({ args: z.tuple([NameValue, DeliveryId]) });

export function addWebhook(program: Command, act: Act): void {
  const webhook = program.command("webhook").helpCommand(false).description("Send events to other systems, and take theirs.");
  const name = "its name";
  webhook
    .command("create")
    .description("Send events to a URL. Prints the secret that they are signed with (Standard Webhooks), once.")
    .argument("<name>", name)
    .argument("<url>", "a public https:// address")
    .option("--event <event>", "only these: tag.moved, replica.*, … (may be given again; default: all)", collected)
    .option("--repositories <glob>", "only of these repositories, such as team/* (default: all)")
    .option("--format <format>", "standard (default) or cloudevents")
    .action(act(Create, create));
  webhook.command("ls").description("List the webhooks.").action(act(GlobalFlags, list));
  webhook.command("show").description("Show a webhook.").argument("<name>", name).action(act(Named, show));
  webhook
    .command("rotate")
    .description("Make another secret; for a while both sign. A webhook that was disabled is sent to again.")
    .argument("<name>", name)
    .option("--overlap <hours>", "how long the old secret signs, too (default: 24)")
    .action(act(Rotate, rotate));
  webhook.command("test").description("Send a test event now.").argument("<name>", name).action(act(Named, test));
  webhook
    .command("deliveries")
    .description("What was sent, or is to be, newest first.")
    .argument("<name>", name)
    .option("--state <state>", "only waiting, delivered or failed")
    .option("-n, --limit <n>", "at most so many (default: 50)")
    .action(act(Deliveries, deliveries));
  webhook
    .command("replay")
    .description("Send a delivery once more, under the same id.")
    .argument("<name>", name)
    .argument("<delivery>", "its id, as deliveries tells it")
    .action(act(Replay, replay));
  webhook.command("rm").description("Send nothing there any more.").argument("<name>", name).action(act(Named, remove));
  addSources(webhook, act);
}

async function create(cli: Cli, flags: z.infer<typeof Create>): Promise<void> {
  const { args, event: events, repositories, format } = flags;
  const [name, url] = args;
  const body = { name, url, events, repositories, format, operationId: newOperationId() };
  const made = await (await cli.connect()).call("createWebhook", { body });
  cli.answer(made, `${factsOf(made.webhook)}secret  ${made.secret}\n`);
  cli.note("The secret is not shown again.");
}

async function list(cli: Cli): Promise<void> {
  const { webhooks } = await (await cli.connect()).call("listWebhooks", {});
  const rows = webhooks.map(({ name, url, events, repositories, disabled }) => [
    name,
    plain(url),
    events.join(" "),
    plain(repositories),
    disabled === null ? "" : `disabled: ${plain(disabled)}`,
  ]);
  cli.answer({ webhooks }, webhooks.length === 0 ? "There are no webhooks.\n" : table(rows));
}

async function show(cli: Cli, { args: [webhook] }: z.infer<typeof Named>): Promise<void> {
  const found = await (await cli.connect()).call("readWebhook", { params: { webhook } });
  cli.answer(found, factsOf(found));
}

async function rotate(cli: Cli, { args: [webhook], overlap }: z.infer<typeof Rotate>): Promise<void> {
  const overlapSeconds = overlap === undefined ? DAY_SECONDS : overlap * 3_600;
  const made = await (await cli.connect()).call("rotateWebhook", {
    params: { webhook },
    body: { operationId: newOperationId(), overlapSeconds },
  });
  cli.answer(made, `${factsOf(made.webhook)}secret  ${made.secret}\n`);
  cli.note("The secret is not shown again.");
}

async function test(cli: Cli, { args: [webhook] }: z.infer<typeof Named>): Promise<ExitName> {
  const delivery = await (await cli.connect()).call("testWebhook", { params: { webhook } });
  cli.answer(delivery, table([row(delivery)]));
  return delivery.state === "delivered" ? "ok" : "failed";
}

async function deliveries(cli: Cli, { args: [webhook], state, limit }: z.infer<typeof Deliveries>): Promise<void> {
  const query = { ...(state === undefined ? {} : { state }), ...(limit === undefined ? {} : { limit }) };
  const found = await (await cli.connect()).call("listDeliveries", { params: { webhook }, query });
  cli.answer(found, found.deliveries.length === 0 ? "Nothing was sent yet.\n" : table(found.deliveries.map(row)));
}

async function replay(cli: Cli, { args: [webhook, delivery] }: z.infer<typeof Replay>): Promise<void> {
  const sent = await (await cli.connect()).call("replayDelivery", { params: { webhook, delivery } });
  cli.answer(sent, table([row(sent)]));
}

async function remove(cli: Cli, { args: [webhook] }: z.infer<typeof Named>): Promise<void> {
  await (await cli.connect()).call("removeWebhook", { params: { webhook }, query: { operationId: newOperationId() } });
  cli.answer({ webhook, removed: true }, `Webhook ${webhook} is removed.\n`);
}

function row({ id, type, createdAt, state, attempts, status, problem, againAt }: DeliverySummary): string[] {
  const answer = status === null ? plain(problem ?? "-") : String(status);
  return [id, plain(type), timeText(createdAt), state, `${attempts}×`, answer, againAt === null ? "" : `again ${timeText(againAt)}`];
}

function factsOf({ name, url, events, repositories, format, createdAt, createdBy, previousUntil, disabled }: Webhook): string {
  return facts([
    ["name", name],
    ["url", plain(url)],
    ["events", events.join(" ")],
    ["repositories", plain(repositories)],
    ["format", format],
    ["created", `${timeText(createdAt)} by ${plain(createdBy)}`],
    ["old secret until", previousUntil === null ? null : timeText(previousUntil)],
    ["disabled", disabled === null ? null : plain(disabled)],
  ]);
}
