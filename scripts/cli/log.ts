/** `ferry log`: the revisions of a repository or a branch, newest first, or what of them fits. */
import type { Command } from "commander";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import type { Refs, RevisionSummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName, type RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { addCriteria, criteria, criteriaQuery, hasCriteria } from "./criteria.ts";
import { firstItems } from "./pages.ts";
import { bytesText, plain, table, timeText } from "./text.ts";
import { countValue, TargetValue } from "./values.ts";

const LIMIT = 20;
/** What one request answers at most: of a sorted list the best of all history are in it. */
const SORTED_MAX = 1000;

type Order = { metric: string; order: "max" | "min" };

const SortValue = z.string().transform((text, context): Order => {
  const order = text.endsWith(":min") ? "min" : "max";
  const metric = text.replace(/:(?:min|max)$/, "");
  if (metric === "") context.addIssue(`'${text}' is not a metric, metric:max or metric:min`);
  return { metric, order };
});

const Log = GlobalFlags.extend({
  args: z.tuple([
    TargetValue.transform(({ repository, ref }, context) => {
      const branch = RefName.safeParse(ref ?? undefined);
      if (branch.success) return { repository, branch: branch.data };
      if (ref !== null) context.addIssue("a log is that of a branch, not of a revision");
      return { repository, branch: undefined };
    }),
  ]),
  ...criteria,
  deleted: z.boolean().default(false),
  sort: SortValue.optional(),
  limit: countValue(1, 1_000_000).default(LIMIT),
});
type LogFlags = z.infer<typeof Log>;

export function addLog(program: Command, act: Act): void {
  const command = program
    .command("log")
    .summary("List revisions, newest first.")
    .description("List revisions, newest first; all that is given must hold.")
    .argument("<target>", "namespace/name, or namespace/name@branch");
  addCriteria(command)
    .option("--deleted", "what is in the trash, instead of what is not")
    .option("--sort <metric[:min]>", "the highest first, or the lowest, of those that have the metric")
    .option("-n, --limit <n>", `at most so many revisions (default: ${LIMIT})`)
    .action(act(Log, log));
}

async function log(cli: Cli, flags: LogFlags): Promise<void> {
  const [{ repository, branch }] = flags.args;
  const { limit, sort } = flags;
  if (sort !== undefined && limit > SORTED_MAX)
    throw new FerryError("USAGE_INVALID", { problem: `with --sort, --limit is at most ${SORTED_MAX}` });
  const client = await cli.connect();
  const query = {
    ...(branch === undefined ? {} : { branch }),
    ...criteriaQuery(flags, cli.host.now()),
    ...(flags.deleted ? { deleted: "true" as const } : {}),
  };
  const { items, more } =
    sort === undefined
      ? await firstItems(limit, async (asked) => {
          const page = await client.call("listRevisions", { repository, query: { ...query, ...asked } });
          return { items: page.revisions, next: page.next };
        })
      : await bestItems(client, repository, query, { ...sort, limit });
  const { refs } = await client.call("describeRepository", { repository });
  const all = !(hasCriteria(flags) || flags.deleted || sort !== undefined);
  if (branch !== undefined && items.length === 0 && all && !Object.hasOwn(refs.branches, branch)) {
    throw new FerryError("BRANCH_UNKNOWN", { repository, branch });
  }
  cli.answer({ repository, revisions: items, more }, logText(items, refs, sort?.metric));
  if (more) cli.note("There are older ones; see --limit.");
}

/** The best of the whole history: each request answers the best of a stretch of it. */
async function bestItems(
  client: FerryClient,
  repository: RepositoryName,
  query: Record<string, string>,
  { metric, order, limit }: Order & { limit: number },
): Promise<{ items: RevisionSummary[]; more: false }> {
  const sign = order === "max" ? -1 : 1;
  let best: RevisionSummary[] = [];
  let cursor: string | null = null;
  do {
    const asked: Record<string, string> = { ...query, sort: metric, order, limit: `${limit}`, ...(cursor === null ? {} : { cursor }) };
    const page: { revisions: RevisionSummary[]; next: string | null } = await client.call("listRevisions", { repository, query: asked });
    // Of equals the newer stays first: sorting is stable.
    best = [...best, ...page.revisions].sort((a, b) => sign * (Number(a.metrics[metric]) - Number(b.metrics[metric]))).slice(0, limit);
    cursor = page.next;
  } while (cursor !== null);
  return { items: best, more: false };
}

function logText(revisions: readonly RevisionSummary[], refs: Refs, metric: string | undefined): string {
  return table(
    revisions.map((revision) => [
      revision.revision,
      timeText(revision.time),
      plain(revision.author),
      bytesText(revision.sizeBytes),
      `+${bytesText(revision.newBytes)}`,
      ...(metric === undefined ? [] : [plain(`${metric}=${revision.metrics[metric] ?? ""}`)]),
      `${decoration(revision, refs)}${plain(revision.message.split("\n")[0] ?? "")}`,
    ]),
    [{}, {}, {}, { align: "right" }, { align: "right" }],
  );
}

/** `(main, tag v1) `: the refs that point at the revision now. */
function decoration({ revision, deletedAt }: RevisionSummary, refs: Refs): string {
  const branches = Object.keys(refs.branches).filter((name) => refs.branches[name] === revision);
  const tags = Object.keys(refs.tags).filter((name) => refs.tags[name] === revision);
  const trash = deletedAt === null ? [] : [`in the trash since ${timeText(deletedAt)}`];
  const names = [...branches.map(plain), ...tags.map((name) => `tag ${plain(name)}`), ...trash];
  return names.length === 0 ? "" : `(${names.join(", ")}) `;
}
