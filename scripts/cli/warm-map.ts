/** `ferry warm map`: which node has which revision, a row for each warm-up. */
import type { Command } from "commander";
import * as z from "zod";
import { GroupName } from "../../shared/contract/agents-names.ts";
import type { WarmMap } from "../../shared/contract/observe.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { counted, plain, table } from "./text.ts";

/** A line of a terminal has room for so many; all of them are in the answer of --json. */
const CELLS_MAX = 60;

const Flags = GlobalFlags.extend({ args: z.tuple([]), group: GroupName.default("default") });

export function addMap(warm: Command, act: Act): void {
  warm
    .command("map")
    .summary("Which node has what.")
    .description(
      "Tell which node of a group has which revision, a character for each: r has all of it, 0 to 9 so many tenths, - nothing told, f failed, . not meant.",
    )
    .option("--group <name>", "the group (default: default)")
    .action(
      act(Flags, async (cli, { group }) => {
        const map = await (await cli.connect()).call("warmMap", { query: { group } });
        cli.answer({ group, ...map }, mapText(map));
        if (map.warmups.length > 0 && map.nodes.length > CELLS_MAX)
          cli.note(`The first ${CELLS_MAX} of ${counted(map.nodes.length, "node")}.`);
        const others = map.groups.filter((one) => one !== group);
        if (others.length > 0) cli.note(`Other groups (--group): ${others.join(", ")}`);
      }),
    );
}

function mapText({ warmups }: WarmMap): string {
  return table(
    warmups.map(({ repository, ref, revision, state, nodesReady, nodesTarget, cells }) => [
      `${repository}@${plain(ref)}`,
      revision.slice(0, 12),
      state,
      `${nodesReady} of ${nodesTarget}`,
      cells.slice(0, CELLS_MAX),
    ]),
  );
}
