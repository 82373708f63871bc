/** `ferry show`: a repository with its refs, or one revision. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH, type Repository, type RevisionSummary } from "../../shared/contract/repositories.ts";
import type { RevisionSignature } from "../../shared/contract/signatures.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { bytesText, counted, facts, pairsText, plain, table, timeText } from "./text.ts";
import { TargetValue } from "./values.ts";

const Show = GlobalFlags.extend({ args: z.tuple([TargetValue]) });

export function addShow(program: Command, act: Act): void {
  program
    .command("show")
    .summary("Show a repository, or one revision.")
    .description("Show a repository with its branches and tags, or one revision.")
    .argument("<target>", "namespace/name, or namespace/name@ref for one revision")
    .action(
      act(Show, async (cli, { args: [target] }) => {
        if (target.ref === null) await showRepository(cli, target.repository);
        else await showRevision(cli, target.repository, target.ref);
      }),
    );
}

async function showRepository(cli: Cli, repository: RepositoryName): Promise<void> {
  const shown = await (await cli.connect()).call("describeRepository", { repository });
  cli.answer(shown, repositoryText(shown));
}

function repositoryText(shown: Repository): string {
  const head = facts([
    ["repository", shown.repository],
    ["created", `${timeText(shown.createdAt)} by ${plain(shown.createdBy)}`],
    ["revisions", `${shown.revisionCount}`],
    [
      "blocked",
      shown.blocked === null ? null : `since ${timeText(shown.blocked.at)} by ${plain(shown.blocked.by)}: ${plain(shown.blocked.reason)}`,
    ],
  ]);
  return head + refsText("branches", shown.refs.branches) + refsText("tags", shown.refs.tags, shown.lockedTags);
}

function refsText(title: string, refs: Record<string, string>, locked: readonly string[] = []): string {
  const names = Object.keys(refs).sort((a, b) => Number(b === DEFAULT_BRANCH) - Number(a === DEFAULT_BRANCH) || (a < b ? -1 : 1));
  if (names.length === 0) return "";
  return `\n${title}\n${table(names.map((name) => [`  ${plain(name)}`, refs[name] ?? "", locked.includes(name) ? "locked" : ""]))}`;
}

async function showRevision(cli: Cli, repository: RepositoryName, ref: string): Promise<void> {
  const client = await cli.connect();
  const revision = await client.call("resolve", { repository, params: { ref } });
  const { refs } = await client.call("describeRepository", { repository });
  const pointing = (all: Record<string, string>) => Object.keys(all).filter((name) => all[name] === revision.revision);
  const { signatures } = await client.call("listSignatures", { repository, params: { ref: revision.revision } });
  const shown = { repository, ref, ...revision, signatures, branches: pointing(refs.branches), tags: pointing(refs.tags) };
  cli.answer(shown, revisionText(shown));
}

/** It is the uploader who says so. */
function contentText(content: RevisionSummary["content"]): string | null {
  if (content === undefined) return null;
  const { unsafe, dangerous, secrets } = content;
  if (unsafe + secrets === 0) return "nothing unsafe found at push";
  return `found at push: ${unsafe} run code when loaded (${dangerous} dangerous), secrets in ${secrets}`;
}

function signersText(signatures: readonly RevisionSignature[]): string | null {
  if (signatures.length === 0) return null;
  return signatures.map(({ key }) => `${key.id} (${plain(key.name)}${key.revokedAt === null ? "" : ", revoked"})`).join(", ");
}

type Shown = RevisionSummary & { repository: string; signatures: RevisionSignature[]; branches: string[]; tags: string[] };

function revisionText(shown: Shown): string {
  const head = facts([
    ["repository", shown.repository],
    ["revision", shown.revision],
    ["parent", shown.parent],
    ["branch", plain(shown.branch) + (shown.branches.includes(shown.branch) ? " (its head)" : "")],
    ["tags", shown.tags.length === 0 ? null : shown.tags.map(plain).join(", ")],
    ["author", plain(shown.author)],
    ["time", timeText(shown.time)],
    [
      "files",
      `${shown.fileCount}, ${bytesText(shown.sizeBytes)} in ${counted(shown.chunkCount, "chunk")} (${bytesText(shown.newBytes)} new)`,
    ],
    ["content", contentText(shown.content)],
    ["labels", pairsText(shown.labels)],
    ["metrics", pairsText(shown.metrics)],
    ["copy of", shown.origin === null ? null : `${shown.origin.revision} of repository ${shown.origin.repositoryId}`],
    ["manifest", shown.manifest],
    ["signed by", signersText(shown.signatures)],
  ]);
  return shown.message === ""
    ? head
    : `${head}\n${shown.message
        .split("\n")
        .map((line) => `    ${plain(line)}`.trimEnd())
        .join("\n")}\n`;
}
