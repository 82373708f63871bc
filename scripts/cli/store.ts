/** `ferry store ls|probe|setup|add`: the stores of the deployment, and what is proven about them. */
import type { Command } from "commander";
import * as z from "zod";
import type { ProbeResult, SetupResult, StoreSummary } from "../../shared/contract/stores.ts";
import { StoreId } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { addStoreAdd } from "./store-add.ts";
import { facts, painted, plain, table, timeText } from "./text.ts";

export function addStore(program: Command, act: Act): void {
  const store = program.command("store").helpCommand(false).description("List the stores, and try what they enforce.");
  addList(store, act);
  addProbe(store, act);
  addSetup(store, act);
  addStoreAdd(store, act);
}

const StoreArgument = z.string().transform((text, context) => {
  const parsed = StoreId.safeParse(text);
  if (parsed.success) return parsed.data;
  context.addIssue(`'${text}' is not a store's id; see \`ferry store ls\``);
  return z.NEVER;
});
const Stores = GlobalFlags.extend({ args: z.array(StoreArgument) });

function addList(store: Command, act: Act): void {
  store
    .command("ls")
    .description("List the stores of the deployment.")
    .action(
      act(GlobalFlags, async (cli) => {
        const answer = await (await cli.connect()).call("listStores", {});
        cli.answer(answer, table(answer.stores.map(storeRow)));
      }),
    );
}

function storeRow(store: StoreSummary): string[] {
  const bucket = store.prefix === "" ? store.bucket : `${store.bucket}/${store.prefix}`;
  return [store.id, store.home ? "home" : "", plain(store.provider), plain(store.endpoint), plain(bucket), proofText(store.probe)];
}

function proofText(probe: ProbeResult | null): string {
  if (probe === null) return "not probed";
  return probe.modes.length === 0 ? "refuses no wrong bytes: no uploads" : `proven: ${probe.modes.join(", ")}`;
}

function addProbe(store: Command, act: Act): void {
  store
    .command("probe")
    .description("Try what stores really enforce; the result chooses how uploads are checked. Fails when a store refuses no wrong bytes.")
    .argument("[store...]", "their ids (default: all)")
    .action(
      act(Stores, async (cli, { args: ids }) => {
        const probes: ProbeResult[] = [];
        for (const id of await chosen(cli, ids)) {
          const probe = await (await cli.connect()).call("probeStore", { params: { store: id } });
          probes.push(probe);
          if (!cli.flags.json) cli.answer(null, probeText(cli, probe));
        }
        if (cli.flags.json) cli.answer({ probes }, "");
        const unsafe: ExitName | undefined = probes.some((probe) => probe.modes.length === 0) ? "unavailable" : undefined;
        return unsafe;
      }),
    );
}

function probeText(cli: Cli, probe: ProbeResult): string {
  const head = facts([
    ["store", probe.store],
    ["probed", timeText(probe.probedAt)],
    ["uploads are checked by", probe.modes.length === 0 ? "nothing: no uploads to this store" : probe.modes.join(", then ")],
    ["create-only", probe.createOnly ? "honoured" : "not honoured: can't be home"],
    ["clock skew", `${probe.clockSkewSeconds} s`],
  ]);
  const rows = probe.checks.map((check) => [`  ${markOf(cli, check.ok)}`, plain(check.check), plain(check.detail)]);
  return `${head}${table(rows)}\n`;
}

function markOf({ host }: Cli, ok: boolean | null): string {
  if (ok === null) return painted(host, host.stdout, "dim", "-");
  return ok ? painted(host, host.stdout, "green", "yes") : painted(host, host.stdout, "yellow", "no");
}

function addSetup(store: Command, act: Act): void {
  store
    .command("setup")
    .description("Apply CORS and lifecycle rules, where a store allows it.")
    .argument("[store...]", "their ids (default: all)")
    .action(
      act(Stores, async (cli, { args: ids }) => {
        const setups: SetupResult[] = [];
        for (const id of await chosen(cli, ids)) {
          setups.push(await (await cli.connect()).call("setupStore", { params: { store: id } }));
        }
        cli.answer({ setups }, setups.map((setup) => setupText(cli, setup)).join("\n"));
      }),
    );
}

function setupText(cli: Cli, setup: SetupResult): string {
  return (
    facts([["store", setup.store]]) +
    table(setup.steps.map((step) => [`  ${markOf(cli, step.done)}`, plain(step.step), plain(step.detail)]))
  );
}

async function chosen(cli: Cli, ids: readonly StoreId[]): Promise<readonly StoreId[]> {
  if (ids.length > 0) return ids;
  const { stores } = await (await cli.connect()).call("listStores", {});
  return stores.map((store) => store.id);
}
