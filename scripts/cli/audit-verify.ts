/** `ferry audit --verify`: reads the trail as it is stored, and checks it here. */

import { TrailCheck, type TrailReport } from "../../shared/audit-check.ts";
import type { FerryClient } from "../../shared/client.ts";
import type { AuditBatchPage, AuditSealPage } from "../../shared/contract/audit.ts";
import type { Cli } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { counted, facts, plain, table } from "./text.ts";

type Batch = AuditBatchPage["batches"][number];
type What = { since: string | undefined; noted: { hour: string; sha256: string } | undefined };

export async function verifyTrail(cli: Cli, { since, noted }: What): Promise<ExitName | undefined> {
  const client = await cli.connect();
  const check = new TrailCheck(since);
  let found = noted === undefined;
  for await (const { hour, text } of sealsOf(client, cli.host.signal)) {
    const expected = hour === noted?.hour ? noted.sha256 : undefined;
    found ||= expected !== undefined;
    await check.seal(hour, text, expected);
  }
  for await (const { name, text } of batchesOf(client, since, cli.host.signal)) await check.batch(name, text);
  const report = await check.end();
  if (!found) report.problems.push({ where: `seal ${noted?.hour}`, problem: "it was written down, and is not there" });
  cli.answer({ ok: report.problems.length === 0, ...report }, reportText(report));
  return report.problems.length === 0 ? undefined : "integrity";
}

async function* sealsOf(client: FerryClient, signal: AbortSignal): AsyncGenerator<AuditSealPage["seals"][number]> {
  let cursor: string | null = null;
  do {
    const page: AuditSealPage = await client.call("readAuditSeals", { query: cursor === null ? {} : { cursor } }, signal);
    yield* page.seals;
    cursor = page.next;
  } while (cursor !== null);
}

async function* batchesOf(client: FerryClient, since: string | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
  const fixed = since === undefined ? {} : { since };
  let cursor: string | null = null;
  do {
    const page: AuditBatchPage = await client.call("readAuditBatches", { query: cursor === null ? fixed : { ...fixed, cursor } }, signal);
    yield* page.batches;
    cursor = page.next;
  } while (cursor !== null);
}

function reportText({ batches, events, seals, unsealed, head, problems }: TrailReport): string {
  const summary = facts([
    ["events", `${events} in ${counted(batches, "batch", "batches")}`],
    ["seals", `${seals}; ${counted(unsealed, "batch", "batches")} not sealed yet`],
    ["newest seal", head === null ? null : `${head.hour}:${head.sha256}`],
    ["problems", `${problems.length}`],
  ]);
  return problems.length === 0 ? summary : `${summary}\n${table(problems.map(({ where, problem }) => [plain(where), plain(problem)]))}`;
}
