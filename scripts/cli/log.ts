/** `ferry log`: the revisions of a repository or a branch, newest first. */
import type { Command } from "commander";
import * as z from "zod";
import type { Refs, RevisionSummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { firstItems } from "./pages.ts";
import { bytesText, plain, table, timeText } from "./text.ts";
import { countValue, TargetValue } from "./values.ts";

const LIMIT = 20;

const Log = GlobalFlags.extend({
  args: z.tuple([
    TargetValue.transform(({ repository, ref }, context) => {
      const branch = RefName.safeParse(ref ?? undefined);
      if (branch.success) return { repository, branch: branch.data };
      if (ref !== null) context.addIssue("a log is that of a branch, not of a revision");
      return { repository, branch: undefined };
    }),
  ]),
  limit: countValue(1, 1_000_000).default(LIMIT),
});

export function addLog(program: Command, act: Act): void {
  program
    .command("log")
    .description("List revisions, newest first.")
    .argument("<target>", "namespace/name, or namespace/name@branch")
    .option("-n, --limit <n>", `at most so many revisions (default: ${LIMIT})`)
    .action(
      act(Log, async (cli, { args: [{ repository, branch }], limit }) => {
        const client = await cli.connect();
        const { items, more } = await firstItems(limit, async (asked) => {
          const page = await client.call("listRevisions", { repository, query: branch === undefined ? asked : { branch, ...asked } });
          return { items: page.revisions, next: page.next };
        });
        const { refs } = await client.call("describeRepository", { repository });
        if (branch !== undefined && items.length === 0 && !Object.hasOwn(refs.branches, branch)) {
          throw new FerryError("BRANCH_UNKNOWN", { repository, branch });
        }
        cli.answer({ repository, revisions: items, more }, logText(items, refs));
        if (more) cli.note("There are older ones; see --limit.");
      }),
    );
}

function logText(revisions: readonly RevisionSummary[], refs: Refs): string {
  return table(
    revisions.map((revision) => [
      revision.revision,
      timeText(revision.time),
      plain(revision.author),
      bytesText(revision.sizeBytes),
      `+${bytesText(revision.newBytes)}`,
      `${decoration(revision, refs)}${plain(revision.message.split("\n")[0] ?? "")}`,
    ]),
    [{}, {}, {}, { align: "right" }, { align: "right" }],
  );
}

/** `(main, tag v1) `: the refs that point at the revision now. */
function decoration({ revision }: RevisionSummary, refs: Refs): string {
  const branches = Object.keys(refs.branches).filter((name) => refs.branches[name] === revision);
  const tags = Object.keys(refs.tags).filter((name) => refs.tags[name] === revision);
  const names = [...branches.map(plain), ...tags.map((name) => `tag ${plain(name)}`)];
  return names.length === 0 ? "" : `(${names.join(", ")}) `;
}
