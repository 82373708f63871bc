/** `ferry ls`: repositories, or the files of a revision. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH, type RepositorySummary } from "../../shared/contract/repositories.ts";
import type { FileEntry } from "../../shared/manifest.ts";
import { NamePart } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { firstItems } from "./pages.ts";
import { bytesText, counted, plain, table, timeText } from "./text.ts";
import { countValue, type Target, TargetValue } from "./values.ts";

/** A name without '/' is a namespace. */
const Place = z.union([NamePart.transform((namespace) => ({ namespace })), TargetValue], {
  error: (issue) => `'${issue.input}' is not a namespace, namespace/name or namespace/name@ref`,
});
const Ls = GlobalFlags.extend({
  args: z.tuple([Place.optional()]),
  long: z.boolean().default(false),
  limit: countValue(1, 1_000_000).default(10_000),
});

export function addLs(program: Command, act: Act): void {
  program
    .command("ls")
    .summary("List repositories, or the files of a revision.")
    .description("List repositories; with a repository, the files of a revision.")
    .argument("[place]", `a namespace, or namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .option("-l, --long", "more about each")
    .option("--limit <n>", "at most so many repositories", undefined)
    .addHelpText(
      "after",
      "\nWith -l: repositories with creation and author; files with kind (- x l), size and the first digits of their sha256.\n",
    )
    .action(
      act(Ls, async (cli, { args: [place], long, limit }) => {
        if (place !== undefined && "repository" in place) await listFiles(cli, place, long);
        else await listRepositories(cli, place?.namespace, { long, limit });
      }),
    );
}

async function listRepositories(cli: Cli, namespace: string | undefined, how: { long: boolean; limit: number }): Promise<void> {
  const client = await cli.connect();
  const filter = namespace === undefined ? {} : { namespace };
  const { items, more } = await firstItems(how.limit, async (asked) => {
    const page = await client.call("listRepositories", { query: { ...filter, ...asked } });
    return { items: page.repositories, next: page.next };
  });
  cli.answer({ repositories: items, more }, how.long ? longRepositories(items) : items.map((item) => `${item.repository}\n`).join(""));
  if (more) cli.note(`There are more; see --limit.`);
}

function longRepositories(items: readonly RepositorySummary[]): string {
  return table(items.map((item) => [timeText(item.createdAt), plain(item.createdBy), item.repository]));
}

async function listFiles(cli: Cli, { repository, ref }: Target, long: boolean): Promise<void> {
  const name = ref ?? DEFAULT_BRANCH;
  const { revision, manifest } = await (await cli.connect()).call("manifest", { repository, params: { ref: name } });
  const text = long ? longFiles(manifest.files) : manifest.files.map((file) => `${plain(file.path)}\n`).join("");
  cli.answer({ repository, ref: name, revision: revision.revision, files: manifest.files }, text);
  if (long) cli.note(`${counted(revision.fileCount, "file")}, ${bytesText(revision.sizeBytes)}, revision ${revision.revision}`);
}

function longFiles(files: readonly FileEntry[]): string {
  return table(
    files.map((file) =>
      file.mode === "link"
        ? ["l", "-", "-", `${plain(file.path)} -> ${plain(file.target)}`]
        : [file.mode === "executable" ? "x" : "-", bytesText(file.size), file.sha256.slice(0, 12), plain(file.path)],
    ),
    [{}, { align: "right" }],
  );
}
