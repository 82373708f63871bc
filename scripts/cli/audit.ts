/** `ferry audit`: who did what, and whether the trail is whole. */
import type { Command } from "commander";
import * as z from "zod";
import type { AuditEvent, AuditPage } from "../../shared/contract/audit.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { verifyTrail } from "./audit-verify.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { pairsText, plain, table, timeText } from "./text.ts";
import { countValue, SinceValue } from "./values.ts";

const LIMIT = 100;
const PAGE_MAX = 1000;
const DAY_MS = 86_400_000;

const NotedValue = z.string().transform((text, context): { hour: string; sha256: string } => {
  const [, hour, sha256] = /^(\d{10}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hour !== undefined && sha256 !== undefined) return { hour, sha256 };
  context.addIssue(`'${text}' is not HOUR:SHA256, as the deployment's log and an earlier check tell it`);
  return z.NEVER;
});

const Flags = GlobalFlags.extend({
  since: SinceValue.optional(),
  until: SinceValue.optional(),
  caller: z.string().min(1).max(200).optional(),
  repository: z.string().min(1).max(200).optional(),
  act: z.string().min(1).max(100).optional(),
  result: z.string().min(1).max(100).optional(),
  failed: z.boolean().default(false),
  limit: countValue(1, 1_000_000_000).optional(),
  jsonl: z.boolean().default(false),
  verify: z.boolean().default(false),
  noted: NotedValue.optional(),
});
type Flags = z.output<typeof Flags>;

export function addAudit(program: Command, act: Act): void {
  program
    .command("audit")
    .summary("Tell who did what, or check that the trail is whole.")
    .description("Tell who did what, where, when, from where, and how it ended, in order of time; or check that the trail is whole.")
    .option("--since <time>", "from then on: 7d (ago), a day or a time (default: 1d; with --verify all)")
    .option("--until <time>", "up to then")
    .option("--caller <id|name>", "only by this token or person")
    .option("--repository <name>", "only in this repository")
    .option("--act <act>", "only this: setTag, createToken, download, …")
    .option("--result <code>", "only with this end: OK, or a code such as PERMISSION_DENIED")
    .option("--failed", "only what did not end well")
    .option("-n, --limit <n>", `at most so many events (default: ${LIMIT}; with --jsonl all)`)
    .option("--jsonl", "one JSON object on each line, for export")
    .option("--verify", "check the trail: every batch against its name, every hour against its seal, every seal against the next")
    .option("--noted <seal>", "with --verify: HOUR:SHA256 of a seal that was written down, which must be there")
    .action(act(Flags, audit));
}

async function audit(cli: Cli, flags: Flags): Promise<ExitName | undefined> {
  if (flags.noted !== undefined && !flags.verify) throw new FerryError("USAGE_INVALID", { problem: "--noted goes with --verify" });
  const nowMs = cli.host.now();
  if (flags.verify) return verifyTrail(cli, { since: flags.since?.(nowMs), noted: flags.noted });
  const events: AuditEvent[] = [];
  let count = 0;
  const limit = flags.limit ?? (flags.jsonl ? Number.POSITIVE_INFINITY : LIMIT);
  let more = false;
  for await (const page of pagesOf(cli, flags, limit)) {
    for (const name of page.damaged) cli.note(`Batch ${plain(name)} is damaged; see \`ferry audit --verify\`.`);
    const fitting = page.events.slice(0, limit - count);
    count += fitting.length;
    more = page.next !== null;
    if (flags.jsonl) cli.host.stdout.write(fitting.map((event) => `${JSON.stringify(event)}\n`).join(""));
    else events.push(...fitting);
    if (count >= limit) break;
  }
  if (!flags.jsonl) cli.answer({ events, more }, auditText(events));
  if (more) cli.note("There are later ones; see --limit and --since.");
  return undefined;
}

async function* pagesOf(cli: Cli, flags: Flags, limit: number): AsyncGenerator<AuditPage> {
  const client = await cli.connect();
  const nowMs = cli.host.now();
  const { caller, repository, act } = flags;
  const result = flags.failed ? "failed" : flags.result;
  const query = Object.fromEntries(
    Object.entries({
      since: (flags.since ?? (() => new Date(nowMs - DAY_MS).toISOString()))(nowMs),
      until: flags.until?.(nowMs),
      caller,
      repository,
      act,
      result,
    }).filter(([, value]) => value !== undefined),
  );
  let left = limit;
  for (let cursor: string | null = null; ; ) {
    const asked = { ...query, limit: Math.min(PAGE_MAX, left), ...(cursor === null ? {} : { cursor }) };
    const page: AuditPage = await client.call("listAudit", { query: asked }, cli.host.signal);
    yield page;
    left -= page.events.length;
    cursor = page.next;
    if (cursor === null) return;
  }
}

function auditText(events: readonly AuditEvent[]): string {
  return table(
    events.map(({ at, caller, address, act, repository, about, result }) => [
      timeText(at),
      caller === null ? "-" : plain(caller.name),
      address === null ? "-" : plain(address),
      plain(act),
      plain(repository ?? "-"),
      plain(result),
      pairsText(about) ?? "",
    ]),
  );
}
