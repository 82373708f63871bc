/** `ferry events`: what happens in the deployment, in order, and as it happens. */
import type { Command } from "commander";
import * as z from "zod";
import { EVENTS_PAGE_MAX, EventCursor, type EventPage, type FeedEvent } from "../../shared/contract/events.ts";
import { EventGlob, matchesEvent } from "../../shared/contract/hooks.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { pairsText, plain, table, timeText } from "./text.ts";
import { countValue } from "./values.ts";

const LIMIT = 100;
const POLL_MS = 2_000;

const Flags = GlobalFlags.extend({
  after: EventCursor.optional(),
  type: EventGlob.default("*"),
  limit: countValue(1, EVENTS_PAGE_MAX).optional(),
  follow: z.boolean().default(false),
});

export function addEvents(program: Command, act: Act): void {
  program
    .command("events")
    .description("Tell what happens: commits, tags, replicas, warm-ups, collection. Only of repositories that you may pull.")
    .option("--after <cursor>", "from there on; 0-0 for all that is kept (the default, without --follow)")
    .option("--type <event>", "only these: tag.moved, replica.*, … (default: all)")
    .option("-n, --limit <n>", `at most so many (default: ${LIMIT})`)
    .option("-f, --follow", "go on with what happens from now on, one JSON object on each line with --json")
    .action(act(Flags, events));
}

type Flags = z.infer<typeof Flags>;
type Read = (after: string | undefined) => Promise<EventPage>;

async function events(cli: Cli, flags: Flags): Promise<void> {
  const client = await cli.connect();
  const limit = flags.limit ?? LIMIT;
  const read: Read = (after) => client.call("listEvents", { query: after === undefined ? { limit } : { after, limit } }, cli.host.signal);
  if (flags.follow) return follow(cli, flags, read);
  const { events: all, next, missed } = await read(flags.after ?? "0-0");
  const fitting = all.filter(({ type }) => matchesEvent(flags.type, type));
  cli.answer({ events: fitting, next, missed }, table(fitting.map(row)));
  if (missed) cli.note("Earlier events are kept no more.");
  if (all.length >= limit) cli.note(`There may be later ones: --after ${next}`);
}

async function follow(cli: Cli, { after, type, limit }: Flags, read: Read): Promise<void> {
  for (let at = after; !cli.host.signal.aborted; ) {
    const page = await read(at);
    if (page.missed) cli.note("Some events are kept no more.");
    for (const event of page.events.filter((one) => matchesEvent(type, one.type)))
      cli.host.stdout.write(cli.flags.json ? `${JSON.stringify(event)}\n` : table([row(event)]));
    at = page.next;
    if (page.events.length < (limit ?? LIMIT)) await cli.host.sleep(POLL_MS, cli.host.signal);
  }
}

function row({ at, type, repository, about }: FeedEvent): string[] {
  const words = Object.fromEntries(Object.entries(about).map(([key, value]) => [key, String(value)]));
  return [timeText(at), plain(type), plain(repository ?? "-"), pairsText(words) ?? ""];
}
