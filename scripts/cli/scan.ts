/** `ferry scan`: what runs code when it is loaded, and secrets, in a folder or in a revision. */
import type { Command } from "commander";
import * as z from "zod";
import { type ContentFinding, inspectContent, reportOf } from "../../shared/content/report.ts";
import type { ContentReport } from "../../shared/contract/content.ts";
import { RECIPE_READ_PAGE_MAX } from "../../shared/contract/downloads.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { Digest } from "../../shared/digest.ts";
import { type ContentEntry, contentEntries, parseManifest } from "../../shared/manifest.ts";
import type { Recipe } from "../../shared/recipe.ts";
import { GiB } from "../../shared/units.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { findingLines } from "./content-text.ts";
import type { ExitName } from "./exit.ts";
import { BudgetSpent, ChunkReader, storedFile } from "./stored-file.ts";
import { Pieces } from "./tensor-diff.ts";
import { counted } from "./text.ts";
import { type Target, TargetValue } from "./values.ts";

/** Of one file; only chunks that must be looked at are fetched. */
const FILE_BYTES_MAX = GiB / 4;

const Scan = GlobalFlags.extend({ args: z.tuple([z.string().min(1)]) });

export function addScan(program: Command, act: Act): void {
  program
    .command("scan")
    .summary("Look for pickles that run code, and for secrets.")
    .description(
      "Look for files that run code when they are loaded, by their content, and for secrets in texts. Of a revision the chunks that matter are fetched and verified. Nothing is loaded or run. Ends with 1 when something dangerous or secret is found.",
    )
    .argument("<what>", `a directory or file (./name, /name), or namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .action(act(Scan, scan));
}

async function scan(cli: Cli, { args: [what] }: z.infer<typeof Scan>): Promise<ExitName> {
  const target = /^[./~]/.test(what) ? null : TargetValue.safeParse(what);
  const { report, findings } = target?.success ? await scanRevision(cli, target.data) : await scanFolder(cli, what);
  const lines = findingLines(findings);
  cli.answer({ what, ...report, findings }, lines.map((line) => `${line}\n`).join(""));
  cli.note(
    `${counted(report.files, "file")}: ${report.unsafe} run code when loaded, ${report.dangerous} of them dangerous; secrets in ${report.secrets}`,
  );
  return report.dangerous + report.secrets > 0 ? "failed" : "ok";
}

type Found = { report: ContentReport; findings: ContentFinding[] };

async function scanFolder(cli: Cli, path: string): Promise<Found> {
  const [{ inspectFiles }, { walk }] = await Promise.all([import("../node/inspect-files.ts"), import("../node/walk.ts")]);
  return inspectFiles(await walk({ sources: [path], mayBeEmpty: true }), cli.host.signal);
}

async function scanRevision(cli: Cli, { repository, ref }: Target): Promise<Found> {
  const client = await cli.connect();
  const answer = await client.call("manifest", { repository, params: { ref: ref ?? DEFAULT_BRANCH } });
  const { revision } = answer.revision;
  const files = contentEntries(await parseManifest(answer.manifest, answer.revision.manifest)).filter(({ size }) => size > 0);
  const all: ContentFinding[] = [];
  const recipes = new Map<Digest, Recipe>();
  const named = [...new Set(files.flatMap(({ recipe }) => (recipe === undefined ? [] : [recipe])))];
  for (let at = 0; at < named.length; at += RECIPE_READ_PAGE_MAX) {
    const page = named.slice(at, at + RECIPE_READ_PAGE_MAX);
    const read = await client.call("readRecipes", { repository, params: { ref: revision }, body: { recipes: page } });
    for (const [i, digest] of page.entries()) {
      const recipe = read.recipes[i];
      if (recipe !== undefined) recipes.set(digest, recipe);
    }
  }
  for (const file of files) {
    cli.host.signal.throwIfAborted();
    const reader = new ChunkReader(cli.host, client, FILE_BYTES_MAX);
    const source = storedFile(reader, { repository, revision }, piecesOf(file, recipes));
    all.push(await inspectContent(file.path, source).catch((error: unknown) => tooMuch(file.path, error)));
  }
  return { report: reportOf(all), findings: all.filter(({ unsafe, secrets }) => unsafe !== null || secrets.length > 0) };
}

function piecesOf(file: ContentEntry, recipes: ReadonlyMap<Digest, Recipe>): Pieces {
  const recipe = file.recipe === undefined ? undefined : recipes.get(file.recipe);
  if (recipe !== undefined) return new Pieces(recipe);
  return new Pieces({ size: file.size, chunks: file.chunk === undefined ? [] : [[file.chunk, file.size]], extents: [[0, 0, file.size]] });
}

/** What would have to be read whole to be followed counts as what can't be followed. */
function tooMuch(path: string, error: unknown): ContentFinding {
  if (!(error instanceof BudgetSpent)) throw error;
  const problem = "too much of it would have to be fetched; pull it, and scan the folder";
  return { path, unsafe: { kind: "packed", imports: [], dangerous: [], problem }, secrets: [] };
}
