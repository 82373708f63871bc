/**
 * Five fields, as cron has them: minute, hour, day of month, month, day of week (0 and 7 are Sunday); `*`, lists, ranges, steps. When both
 * days are restricted either is enough, as cron has it. Of an hour that a clock skips nothing fires; of one that comes twice all fires twice.
 */
import * as z from "zod";

const MINUTE_MS = 60_000;
const LIMITS = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;

type Fields = { sets: Set<number>[]; anyDay: boolean; anyWeekday: boolean };

export const CronText = z
  .string()
  .max(100)
  .refine((text) => parse(text) !== null, "minute hour day month weekday, such as '0 9 * * 1-5'");
export const TimeZone = z.string().max(64).refine(isZone, "a time zone such as 'Asia/Shanghai' or 'UTC'");

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** The first minute after `fromMs`, up to `toMs`, at which it fires, in ms since 1970; null: none. One look for each minute between. */
export function nextFire(cron: string, zone: string, { fromMs, toMs }: { fromMs: number; toMs: number }): number | null {
  const fields = parse(cron);
  if (fields === null) return null;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    minute: "numeric",
    hour: "numeric",
    day: "numeric",
    month: "numeric",
    weekday: "short",
  });
  for (let at = (Math.floor(fromMs / MINUTE_MS) + 1) * MINUTE_MS; at <= toMs; at += MINUTE_MS) if (fires(fields, format, at)) return at;
  return null;
}

function fires({ sets, anyDay, anyWeekday }: Fields, format: Intl.DateTimeFormat, at: number): boolean {
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"].indexOf(parts["weekday"] ?? "");
  const holds = (field: number, value: number) => sets[field]?.has(value) ?? false;
  if (!holds(0, Number(parts["minute"])) || !holds(1, Number(parts["hour"])) || !holds(3, Number(parts["month"]))) return false;
  const day = holds(2, Number(parts["day"]));
  return anyDay || anyWeekday ? day && holds(4, weekday) : day || holds(4, weekday);
}

function parse(text: string): Fields | null {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== LIMITS.length) return null;
  const sets: Set<number>[] = [];
  for (const [at, [min, max]] of LIMITS.entries()) {
    const set = setOf(fields[at] ?? "", min, max);
    if (set === null) return null;
    sets.push(set);
  }
  if (sets[4]?.has(7)) sets[4].add(0);
  return { sets, anyDay: fields[2]?.startsWith("*") ?? false, anyWeekday: fields[4]?.startsWith("*") ?? false };
}

function setOf(field: string, min: number, max: number): Set<number> | null {
  const set = new Set<number>();
  for (const item of field.split(",")) {
    const range = rangeOf(item, min, max);
    if (range === null) return null;
    for (let value = range.first; value <= range.last; value += range.step) set.add(value);
  }
  return set;
}

function rangeOf(item: string, min: number, max: number): { first: number; last: number; step: number } | null {
  const [, whole, from, to, step = "1"] = /^(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:\/([1-9]\d?))?$/.exec(item) ?? [];
  if (whole !== undefined) return { first: min, last: max, step: Number(step) };
  const first = Number(from);
  // A step after one number counts from it, to the end.
  const last = to === undefined && item.includes("/") ? max : Number(to ?? from);
  return first >= min && last <= max && first <= last ? { first, last, step: Number(step) } : null;
}
