/**
 * Sealing the audit trail, hour by hour. An hour is sealed when no PUT of it can land any more: a batch's name has the time at which its PUT
 * began, and a signed request is good for 15 minutes. Whoever seals, and however often, writes the same bytes.
 */
import { type AuditSeal, timeOfAudit } from "../../shared/contract/audit.ts";
import { sha256 } from "../../shared/digest.ts";
import { isoTime } from "../../shared/time.ts";
import { AUDIT_PREFIX, SEAL_PREFIX, sealKey } from "./layout.ts";
import { pagesOf } from "./listing.ts";
import type { Bucket, Ports } from "./ports.ts";
import { encodeRecord } from "./records.ts";

const SETTLED_MS = 20 * 60_000;
const HOUR_DIGITS = 10;
/** Fewer hours than a page of a listing holds. */
const RECENT_MS = 40 * 86_400_000;

/** Every hour that is over and has batches. Returns the newest seal that was made now, with its hash: worth writing down elsewhere. */
export async function sealAudit(ports: Ports): Promise<{ hour: string; sha256: string } | null> {
  const { bucket } = ports.stores.home;
  const open = hourOf(timeOfAudit(isoTime(ports.clock.now() - SETTLED_MS)));
  let last = await newestSeal(ports);
  let made: { hour: string; sha256: string } | null = null;
  // '~' is behind all names of the sealed hour.
  const after = last === null ? AUDIT_PREFIX : `${AUDIT_PREFIX}${last.hour}~`;
  for await (const { hour, names } of hoursAfter(bucket, after, open)) {
    const seal: AuditSeal = { v: 1, hour, prev: last, count: names.length, names: await sha256(names.map((name) => `${name}\n`).join("")) };
    const bytes = encodeRecord(seal);
    if ((await bucket.create(sealKey(hour), bytes)) === "exists") return made;
    last = { hour, sha256: await sha256(bytes) };
    made = last;
  }
  return made;
}

async function newestSeal({ clock, stores }: Ports): Promise<AuditSeal["prev"]> {
  const { bucket } = stores.home;
  const recent = sealKey(hourOf(timeOfAudit(isoTime(clock.now() - RECENT_MS))));
  const newest = (await lastKey(bucket, recent)) ?? (await lastKey(bucket, undefined));
  const bytes = newest === null ? null : await bucket.get(newest);
  if (newest === null || bytes === null) return null;
  return { hour: newest.slice(SEAL_PREFIX.length, SEAL_PREFIX.length + HOUR_DIGITS), sha256: await sha256(bytes) };
}

async function lastKey(bucket: Bucket, after: string | undefined): Promise<string | null> {
  let last: string | null = null;
  for await (const page of pagesOf(bucket, SEAL_PREFIX, after)) last = page.at(-1)?.key ?? last;
  return last;
}

/** Hours before `open` with the names of their batches, in order. */
async function* hoursAfter(bucket: Bucket, after: string, open: string): AsyncGenerator<{ hour: string; names: string[] }> {
  let names: string[] = [];
  let hour = "";
  for await (const page of pagesOf(bucket, AUDIT_PREFIX, after)) {
    for (const { key } of page) {
      const name = key.slice(AUDIT_PREFIX.length).replace(/\.json$/, "");
      if (hourOf(name) !== hour && names.length > 0) {
        yield { hour, names };
        names = [];
      }
      hour = hourOf(name);
      if (hour >= open) return;
      names.push(name);
    }
  }
  if (names.length > 0) yield { hour, names };
}

function hourOf(name: string): string {
  return name.slice(0, HOUR_DIGITS);
}
