/**
 * What a deployment asks of its providers, for each push and pull, and what that costs in a month if it goes on as it did. Of counters and
 * a list of prices alone. What the deployment can't count is estimated from what it can, upward: each presigned request is taken as used once.
 */
import type { Prices, StorePrice } from "./prices.ts";

/** `counts`: as `/api/v1/counters` has them. `storedBytes`: of the home store's chunks. */
export type Usage = {
  sinceMs: number;
  nowMs: number;
  counts: Readonly<Record<string, number>>;
  storedBytes: number;
  objects: number;
  stores: readonly { id: string; provider: string; home: boolean }[];
};

export type Wish = { prices: Prices; index: string; runtime: string };

/** Of one push or pull, on average. `times`: how many there were. */
export type Each = { times: number; classA: number; classB: number; commands: number; indexBytes: number };
/** One line of the bill, for a month of 30 days. `price`: for one `unit`; null where nobody bills it. */
export type Line = { what: string; amount: number; unit: string; included: number; price: number | null; currency: string; cost: number };
export type CostReport = {
  days: number;
  push: Each | null;
  pull: Each | null;
  lines: Line[];
  /** By currency. */
  month: Record<string, number>;
  sources: { of: string; source: string; readOn: string | null }[];
};

const DAY_MS = 86_400_000;
const MONTH_DAYS = 30;
const MILLION = 1e6;
const GB = 1e9;
/**
 * Redis bills what scripts call, too, and the deployment counts what it sends: so many for one. Measured on a real Redis over a push and a
 * pull (test/contract/cost.test.ts, which fails when it is off by half).
 */
export const COMMANDS_FOR_ONE = 2.7;

export function estimate(usage: Usage, { prices, index, runtime }: Wish): CostReport {
  const days = Math.max((usage.nowMs - usage.sinceMs) / DAY_MS, 1 / 24);
  const counts = new Counts(usage.counts);
  const monthly = (count: number) => (count / days) * MONTH_DAYS;
  const lines = [
    ...usage.stores.flatMap((store) => storeLines(store, usage, counts, { prices, monthly })),
    ...indexLines(counts, prices.index[index], monthly),
    ...runtimeLines(counts, prices.runtime[runtime], monthly),
  ];
  const month: Record<string, number> = {};
  for (const { currency, cost } of lines.filter(({ price }) => price !== null)) month[currency] = (month[currency] ?? 0) + cost;
  const pushes = counts.sum("ferry_commits_total");
  const pulls = counts.sum("ferry_requests_total", { route: MANIFEST_ROUTE, status: "200" });
  return {
    days,
    push: eachOf(counts, "push", pushes, "put"),
    pull: eachOf(counts, "pull", pulls, "get"),
    lines,
    month,
    sources: sourcesOf(usage, { prices, index, runtime }),
  };
}

/** A pull reads the manifest once. */
const MANIFEST_ROUTE = "/api/v1/repositories/:namespace/:name/revisions/:ref/manifest";

function eachOf(counts: Counts, purpose: "push" | "pull", times: number, kind: "put" | "get"): Each | null {
  if (times === 0) return null;
  const operations = (kind: string) => counts.sum("ferry_store_operations_total", { class: kind, for: purpose });
  const signed = counts.sum("ferry_signed_urls_total", { kind });
  return {
    times,
    classA: (operations("A") + (kind === "put" ? signed : 0)) / times,
    classB: (operations("B") + (kind === "get" ? signed : 0)) / times,
    commands: (counts.sum("ferry_index_commands_total", { for: purpose }) * COMMANDS_FOR_ONE) / times,
    indexBytes: counts.sum("ferry_index_bytes_total", { for: purpose }) / times,
  };
}

type Rate = { prices: Prices; monthly: (count: number) => number };

/** What signed requests lead to is put on home: which other store served one is not counted. */
function storeLines(store: Usage["stores"][number], usage: Usage, counts: Counts, { prices, monthly }: Rate): Line[] {
  const { id, provider, home } = store;
  const price = prices.stores[provider];
  const operations = (kind: string) => counts.sum("ferry_store_operations_total", { store: id, class: kind });
  const signed = (kind: string) => (home ? counts.sum("ferry_signed_urls_total", { kind }) : 0);
  const chunkBytes = usage.objects === 0 ? 0 : usage.storedBytes / usage.objects;
  const line = (what: string, unit: string, amount: number, key: keyof StorePrice["included"]) =>
    lineOf(
      `${id}: ${what}`,
      unit,
      amount,
      price === undefined ? null : { each: price[key], free: price.included[key], currency: price.currency },
    );
  return [
    ...(home ? [line("stored", "GB", usage.storedBytes / GB, "storedGb")] : []),
    line("class A", "million", monthly(operations("A") + signed("put")) / MILLION, "millionA"),
    line("class B", "million", monthly(operations("B") + signed("get")) / MILLION, "millionB"),
    ...(home ? [line("read", "GB", (monthly(signed("get")) * chunkBytes) / GB, "egressGb")] : []),
  ];
}

function indexLines(counts: Counts, price: Prices["index"][string] | undefined, monthly: Rate["monthly"]): Line[] {
  const commands = (monthly(counts.sum("ferry_index_commands_total")) * COMMANDS_FOR_ONE) / MILLION;
  const traffic = monthly(counts.sum("ferry_index_bytes_total")) / GB;
  const of = (each: number, free: number) => (price === undefined ? null : { each, free, currency: price.currency });
  return [
    lineOf("index: commands", "million", commands, of(price?.millionCommands ?? 0, 0)),
    lineOf("index: traffic", "GB", traffic, of(price?.trafficGb ?? 0, price?.included.trafficGb ?? 0)),
  ];
}

function runtimeLines(counts: Counts, price: Prices["runtime"][string] | undefined, monthly: Rate["monthly"]): Line[] {
  const requests = monthly(counts.sum("ferry_requests_total")) / MILLION;
  if (price === undefined) return [lineOf("app: requests", "million", requests, null)];
  const { currency, month, millionRequests, included } = price;
  return [
    lineOf("app: plan", "month", 1, { each: month, free: 0, currency }),
    lineOf("app: requests", "million", requests, { each: millionRequests, free: included.millionRequests, currency }),
  ];
}

function lineOf(what: string, unit: string, amount: number, price: { each: number; free: number; currency: string } | null): Line {
  if (price === null) return { what, amount, unit, included: 0, price: null, currency: "", cost: 0 };
  const { each, free, currency } = price;
  return { what, amount, unit, included: free, price: each, currency, cost: Math.max(0, amount - free) * each };
}

function sourcesOf({ stores }: Usage, { prices, index, runtime }: Wish): CostReport["sources"] {
  const rows = [
    ...[...new Set(stores.map(({ provider }) => provider))].map((name) => ({ of: name, price: prices.stores[name] })),
    { of: index, price: prices.index[index] },
    { of: runtime, price: prices.runtime[runtime] },
  ];
  return rows.flatMap(({ of, price }) => (price === undefined ? [] : [{ of, source: price.source, readOn: price.readOn }]));
}

/** Counters by their names and labels. */
class Counts {
  readonly #all: { name: string; labels: Map<string, string>; value: number }[];

  constructor(counts: Usage["counts"]) {
    this.#all = Object.entries(counts).map(([key, value]) => {
      const [name = "", text = ""] = key.split(/\{(.*)\}$/s);
      const labels = new Map([...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", of = ""]) => [label, of] as const));
      return { name, labels, value };
    });
  }

  sum(wanted: string, labels: Readonly<Record<string, string>> = {}): number {
    const fits = (has: Map<string, string>) => Object.entries(labels).every(([label, value]) => has.get(label) === value);
    return this.#all.reduce((total, { name, labels: has, value }) => (name === wanted && fits(has) ? total + value : total), 0);
  }
}
