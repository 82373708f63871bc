/** How values look to people. */
import { language } from "./words.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `3.0 GiB`: binary units, two or three digits. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  // From the value that would round up to the unit on, so that nobody reads "1024 KiB".
  while (value >= 1023.5 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(value < 99.95 ? 1 : 0)} ${UNITS[unit]}`;
}

export function numberText(value: number): string {
  return new Intl.NumberFormat(localeOf()).format(value);
}

export function percentText(share: number): string {
  return new Intl.NumberFormat(localeOf(), { style: "percent", maximumFractionDigits: 1 }).format(share);
}

export function moneyText(amount: number, currency: string): string {
  return new Intl.NumberFormat(localeOf(), { style: "currency", currency }).format(amount);
}

/** In the time zone of who reads it. */
export function timeText(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  return new Intl.DateTimeFormat(localeOf(), { dateStyle: "medium", timeStyle: "medium" }).format(time);
}

const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/** `3 hours ago`, `in 2 days`. */
export function agoText(iso: string, nowMs: number): string {
  const seconds = (Date.parse(iso) - nowMs) / 1000;
  if (Number.isNaN(seconds)) return iso;
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? (["second", 1] as const);
  return new Intl.RelativeTimeFormat(localeOf(), { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A digest or an id, as far as people compare it. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

function localeOf(): string {
  return language.value === "zh" ? "zh-CN" : "en";
}
