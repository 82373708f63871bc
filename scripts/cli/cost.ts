/** `ferry cost`: what pushes and pulls ask of stores and the index, and what a month of that costs. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import * as z from "zod";
import type { CostReport, Each } from "../../shared/costs/estimate.ts";
import { PRICES, Prices } from "../../shared/costs/prices.ts";
import { readCosts } from "../../shared/costs/read.ts";
import { FerryError, problemOf } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { bytesText, counted, durationText, facts, table } from "./text.ts";

const Flags = GlobalFlags.extend({
  args: z.tuple([]),
  prices: z.string().optional(),
  as: z.string().optional(),
  index: z.string().optional(),
  runtime: z.string().optional(),
});

export function addCost(program: Command, act: Act): void {
  program
    .command("cost")
    .summary("Tell what a push, a pull and a month cost.")
    .description(
      "Tell what each push and pull asked of stores and the index, as the deployment counted it, and what a month like this costs by its providers' prices. For administrators of the deployment.",
    )
    .option("--prices <file>", "JSON of prices in place of the list that comes along (shared/costs/prices.ts)")
    .option("--as <provider>", "as if every store were that provider's: r2, aws, gcs, oss")
    .option("--index <who>", "upstash, or own for a Redis that bills no commands (default: by the home store)")
    .option("--runtime <who>", "workers, or own for machines of yours (default: by the home store)")
    .action(act(Flags, cost));
}

async function cost(cli: Cli, { prices: file, as, index, runtime }: z.infer<typeof Flags>): Promise<void> {
  const prices = file === undefined ? PRICES : await readPrices(file);
  const wish = {
    prices,
    ...(as === undefined ? {} : { as }),
    ...(index === undefined ? {} : { index }),
    ...(runtime === undefined ? {} : { runtime }),
  };
  if (as !== undefined && prices.stores[as] === undefined)
    throw new FerryError("USAGE_INVALID", { problem: `--as: there are prices of ${Object.keys(prices.stores).join(", ")}` });
  const report = await readCosts(await cli.connect(), cli.host.now(), wish, cli.host.signal);
  if (report === null) return cli.answer({ days: 0, lines: [], month: {} }, "nothing was counted yet\n");
  cli.answer(report, reportText(report));
  for (const { of, source, readOn } of report.sources)
    cli.note(`prices of ${of}: ${source}, ${readOn === null ? "as commonly known: look before you rely on it" : `read ${readOn}`}`);
}

async function readPrices(file: string): Promise<Prices> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new FerryError("FILE_UNREADABLE", { path: file, problem: problemOf(error) });
  });
  const parsed = Prices.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FerryError("USAGE_INVALID", { problem: `${file}: ${issue?.path.join(".")} ${issue?.message}` });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reportText({ days, push, pull, lines, month }: CostReport): string {
  const totals = Object.entries(month).map(([currency, cost]) => `${cost.toFixed(2)} ${currency}`);
  return [
    facts([
      ["counted", `over ${durationText(days * 86_400)}`],
      ["a push", push === null ? "there was none" : eachText(push, "pushes")],
      ["a pull", pull === null ? "there was none" : eachText(pull, "pulls")],
    ]),
    "\n",
    table(
      lines.map(({ what, amount, unit, included, price, currency, cost }) => [
        what,
        `${amountText(amount)} ${unit}`,
        price === null ? "not billed" : `${price} ${currency} each`,
        included === 0 ? "" : `${included} free`,
        price === null ? "" : cost.toFixed(2),
      ]),
      [{}, { align: "right" }, { align: "right" }, { align: "right" }, { align: "right" }],
    ),
    `a month like this: ${totals.length === 0 ? "nothing is billed" : totals.join(" and ")}\n`,
  ].join("");
}

function eachText({ times, classA, classB, commands, indexBytes }: Each, many: string): string {
  const round = (value: number) => Number(value.toFixed(value < 10 ? 1 : 0));
  return `${round(classA)} class A, ${round(classB)} class B, ${counted(round(commands), "command")} of the index, ${bytesText(Math.round(indexBytes))} with it (mean of ${times} ${many})`;
}

/** Small amounts have as many places as it takes to see them. */
function amountText(amount: number): string {
  return amount === 0 || amount >= 1 ? amount.toFixed(2) : amount.toPrecision(2);
}
