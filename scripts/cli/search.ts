/** `ferry search`: revisions across repositories. */
import type { Command } from "commander";
import * as z from "zod";
import { SEARCH_NEWEST_MAX, type SearchPage } from "../../shared/contract/lifecycle.ts";
import { NamePart } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { addCriteria, criteria, criteriaQuery } from "./criteria.ts";
import { firstItems } from "./pages.ts";
import { bytesText, plain, table, timeText } from "./text.ts";
import { countValue } from "./values.ts";

const LIMIT = 20;

const Search = GlobalFlags.extend({
  args: z
    .array(NamePart)
    .max(1)
    .transform(([namespace]) => namespace),
  ...criteria,
  limit: countValue(1, 1_000_000).default(LIMIT),
});

export function addSearch(program: Command, act: Act): void {
  const command = program
    .command("search")
    .summary("Find revisions in all repositories.")
    .description(
      `Find revisions in all repositories that the token may pull, by name of repository, then newest first. Looks at the newest ${SEARCH_NEWEST_MAX} revisions of each; \`ferry log\` looks further back.`,
    )
    .argument("[namespace]", "only in this namespace");
  addCriteria(command)
    .option("-n, --limit <n>", `at most so many revisions (default: ${LIMIT})`)
    .action(
      act(Search, async (cli, { args: namespace, limit, ...chosen }) => {
        const client = await cli.connect();
        const fixed = { ...(namespace === undefined ? {} : { namespace }), ...criteriaQuery(chosen, cli.host.now()) };
        const { items, more } = await firstItems(
          limit,
          async (asked) => {
            const page = await client.call("searchRevisions", { query: { ...fixed, ...asked } });
            return { items: page.revisions, next: page.next };
          },
          SEARCH_NEWEST_MAX,
        );
        cli.answer({ revisions: items, more }, foundText(items));
        if (more) cli.note("There may be more; see --limit.");
      }),
    );
}

function foundText(revisions: SearchPage["revisions"]): string {
  return table(
    revisions.map(({ repository, branch, revision, time, author, sizeBytes, message }) => [
      `${plain(repository)}@${revision}`,
      plain(branch),
      timeText(time),
      plain(author),
      bytesText(sizeBytes),
      plain(message.split("\n")[0] ?? ""),
    ]),
    [{}, {}, {}, {}, { align: "right" }],
  );
}
