/** Reading the audit trail: events that fit, and batches and seals as they are in the bucket. */
import {
  AuditBatch,
  type AuditBatchPage,
  type AuditBatchQuery,
  type AuditEvent,
  type AuditPage,
  type AuditQuery,
  type AuditSealPage,
  type AuditSealQuery,
  BatchName,
  timeOfAudit,
} from "../../shared/contract/audit.ts";
import { sha256 } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { epochMs, isoTime } from "../../shared/time.ts";
import { AUDIT_PREFIX, auditKey, SEAL_PREFIX, sealKey } from "./layout.ts";
import { pooled, STORE_WIDTH } from "./pool.ts";
import type { Ports } from "./ports.ts";
import { decodeRecord } from "./records.ts";

/** Batches that one request looks at, and that it reads at a time. */
const BATCHES_MAX = 600;
const READ_AT_ONCE = 60;
/** An event stands in a batch that was written at most this long after it. */
const WAIT_MS_MAX = 3_600_000;

const decoder = new TextDecoder();

/** In order of time. A page ends when it is full, when the time is over that is asked for, or when 600 batches were looked at. */
export async function listAudit(ports: Ports, query: AuditQuery): Promise<AuditPage> {
  const page: AuditPage = { events: [], damaged: [], next: null };
  const [from = "", offset = "0"] = query.cursor?.split(":") ?? [];
  let looked = 0;
  // The cursor names the batch to go on with, so the listing begins right before it.
  for await (const { name, events } of batchesAfter(ports, from === "" ? firstAfter(query.since) : auditKey(from).slice(0, -1))) {
    if (isPast(name, query.until)) return page;
    if (looked++ >= BATCHES_MAX) return { ...page, next: `${name}:0` };
    if (events === null) page.damaged.push(name);
    const full = gather(page, events ?? [], name === from ? Number(offset) : 0, query);
    if (full !== null) return { ...page, next: `${name}:${full}` };
  }
  return page;
}

type Read = { name: string; events: readonly AuditEvent[] | null };

async function* batchesAfter(ports: Ports, start: string): AsyncGenerator<Read> {
  let after = start;
  for (let more = true; more; ) {
    const page = await ports.stores.home.bucket.list(AUDIT_PREFIX, { after, limit: READ_AT_ONCE });
    const names = page.objects.map(({ key }) => nameOfKey(key));
    yield* await pooled(names, STORE_WIDTH, async (name) => ({ name, events: await readEvents(ports, name) }));
    after = page.objects.at(-1)?.key ?? after;
    more = page.more;
  }
}

/** Adds what fits of a batch; the offset to go on at when the page is full, else null. */
function gather(page: AuditPage, events: readonly AuditEvent[], skip: number, query: AuditQuery): number | null {
  for (let at = skip; at < events.length; at++) {
    const event = events[at];
    if (event === undefined || !fits(event, query)) continue;
    if (page.events.length === query.limit) return at;
    page.events.push(event);
  }
  return null;
}

function fits(event: AuditEvent, { since, until, caller, repository, act, result }: AuditQuery): boolean {
  if ((since !== undefined && event.at < normal(since)) || (until !== undefined && event.at > normal(until))) return false;
  if (caller !== undefined && event.caller?.id !== caller && event.caller?.name !== caller) return false;
  if (repository !== undefined && event.repository !== repository) return false;
  if (act !== undefined && event.act !== act) return false;
  return result === undefined || (result === "failed" ? event.result !== "OK" : event.result === result);
}

/** Null for a batch that can't be read, or that is not what its name says. */
async function readEvents(ports: Ports, name: string): Promise<readonly AuditEvent[] | null> {
  const bytes = await ports.stores.home.bucket.get(auditKey(name));
  if (bytes === null || !name.endsWith(await sha256(bytes))) return null;
  try {
    return decodeRecord(AuditBatch, bytes, name).events;
  } catch (error) {
    if (error instanceof FerryError) return null;
    throw error;
  }
}

function isPast(name: string, until: string | undefined): boolean {
  return until !== undefined && name.slice(0, 17) > timeOfAudit(isoTime(epochMs(until) + WAIT_MS_MAX));
}

/** As a time with three digits of a second, as ours are. */
function normal(iso: string): string {
  return isoTime(epochMs(iso));
}

function firstAfter(since: string | undefined): string {
  return AUDIT_PREFIX + (since === undefined ? "" : timeOfAudit(normal(since)));
}

/** A stray object has a name, too, and is told as damaged. */
function nameOfKey(key: string): string {
  return key.slice(AUDIT_PREFIX.length).replace(/\.json$/, "");
}

/** Missing in the answer is what was removed between the listing and the reading. */
export async function readBatches(ports: Ports, { since, cursor, limit }: AuditBatchQuery): Promise<AuditBatchPage> {
  const after = cursor === undefined ? firstAfter(since) : auditKey(cursor);
  const { objects, more } = await ports.stores.home.bucket.list(AUDIT_PREFIX, { after, limit });
  const names = objects.map(({ key }) => nameOfKey(key));
  const batches = await pooled(names, STORE_WIDTH, async (name) => ({ name, text: await textAt(ports, auditKey(name)) }));
  const last = names.findLast((name) => BatchName.safeParse(name).success);
  return { batches, next: more ? (last ?? null) : null };
}

export async function readSeals(ports: Ports, { cursor, limit }: AuditSealQuery): Promise<AuditSealPage> {
  const after = cursor === undefined ? SEAL_PREFIX : sealKey(cursor);
  const { objects, more } = await ports.stores.home.bucket.list(SEAL_PREFIX, { after, limit });
  const hours = objects.map(({ key }) => key.slice(SEAL_PREFIX.length).replace(/\.json$/, ""));
  const seals = await pooled(hours, STORE_WIDTH, async (hour) => ({ hour, text: await textAt(ports, sealKey(hour)) }));
  return { seals, next: more ? (hours.at(-1) ?? null) : null };
}

async function textAt(ports: Ports, key: string): Promise<string> {
  const bytes = await ports.stores.home.bucket.get(key);
  return bytes === null ? "" : decoder.decode(bytes);
}
