import assert from "node:assert/strict";
import { test } from "node:test";
import { CronText, nextFire, TimeZone } from "../../../shared/cron.ts";

const DAY_MS = 86_400_000;
const next = (cron: string, zone: string, from: string, ms = 8 * DAY_MS) => {
  const fromMs = Date.parse(from);
  const at = nextFire(cron, zone, { fromMs, toMs: fromMs + ms });
  return at === null ? null : new Date(at).toISOString();
};

for (const [cron, zone, from, expected] of [
  ["0 9 * * *", "UTC", "2026-11-24T08:59:30Z", "2026-11-24T09:00:00.000Z"],
  ["0 9 * * *", "UTC", "2026-11-24T09:00:00Z", "2026-11-25T09:00:00.000Z"],
  ["0 9 * * 1-5", "Asia/Shanghai", "2026-11-27T02:00:00Z", "2026-11-30T01:00:00.000Z"],
  ["*/15 8-10 * * *", "UTC", "2026-11-24T10:46:00Z", "2026-11-25T08:00:00.000Z"],
  ["30 2,14 * * *", "UTC", "2026-11-24T03:00:00Z", "2026-11-24T14:30:00.000Z"],
  ["0 0 * * 7", "UTC", "2026-11-24T03:00:00Z", "2026-11-29T00:00:00.000Z"],
  // Both days restricted: either is enough.
  ["0 0 26 * 0", "UTC", "2026-11-24T03:00:00Z", "2026-11-26T00:00:00.000Z"],
  ["5/20 * * * *", "UTC", "2026-11-24T03:06:00Z", "2026-11-24T03:25:00.000Z"],
  // The hour that Berlin's clocks skip in March fires on the next day.
  ["30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "2026-03-30T00:30:00.000Z"],
] as const) {
  test(`${cron} in ${zone} fires next after ${from} at ${expected}`, () => assert.equal(next(cron, zone, from), expected));
}

test("a time that is not in the window fires not", () => assert.equal(next("0 9 30 2 *", "UTC", "2026-11-24T03:00:00Z"), null));

for (const wrong of [
  "",
  "* * * *",
  "* * * * * *",
  "60 * * * *",
  "* 24 * * *",
  "* * 0 * *",
  "5-1 * * * *",
  "*/0 * * * *",
  "a * * * *",
  "1-2-3 * * * *",
  "* * * * 8",
]) {
  test(`'${wrong}' is no schedule`, () => assert.equal(CronText.safeParse(wrong).success, false));
}

test("a zone is one that the machine knows", () => {
  assert.equal(TimeZone.safeParse("Asia/Shanghai").success, true);
  assert.equal(TimeZone.safeParse("Asia/Nowhere").success, false);
});
