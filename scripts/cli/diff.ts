/** `ferry diff`: what changed between two revisions, by file and by chunk. */
import type { Command } from "commander";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import { RECIPE_READ_PAGE_MAX } from "../../shared/contract/downloads.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { diffManifests, type FileChange, type ManifestDiff, type Recipes, recipesIn } from "../../shared/diff.ts";
import type { Digest } from "../../shared/digest.ts";
import { FerryError } from "../../shared/errors.ts";
import { type FileEntry, type Manifest, parseManifest } from "../../shared/manifest.ts";
import { Ref } from "../../shared/names.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../../shared/recipe.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { tensorDiffs, tensorsText } from "./diff-tensors.ts";
import type { TensorDiff } from "./tensor-diff.ts";
import { bytesText, painted, plain, table } from "./text.ts";
import { type Target, TargetValue } from "./values.ts";

const DIFF_FORM = "say what to compare: ferry diff namespace/name A B, or ferry diff namespace/name@A namespace/name@B";

/** `ns/name A B`, or `ns/name@A ns/name@B`. */
const Sides = z.array(z.string()).transform((words, context): [Target, Target] => {
  const [first = "", second = "", third] = words;
  if (words.length < 2 || words.length > 3) {
    context.addIssue(DIFF_FORM);
    return z.NEVER;
  }
  const before = TargetValue.safeParse(first);
  const after = third === undefined ? TargetValue.safeParse(second) : Ref.safeParse(third);
  if (!before.success || !after.success) {
    context.addIssue(firstProblem(before.error ?? after.error, third));
    return z.NEVER;
  }
  if (typeof after.data !== "string") return [before.data, after.data];
  if (before.data.ref === null && Ref.safeParse(second).success) {
    return [
      { repository: before.data.repository, ref: second },
      { repository: before.data.repository, ref: after.data },
    ];
  }
  context.addIssue(DIFF_FORM);
  return z.NEVER;
});

function firstProblem(error: z.ZodError | undefined, third: string | undefined): string {
  return third === undefined ? `${error?.issues[0]?.message}` : `'${third}': ${error?.issues[0]?.message}`;
}

const Diff = GlobalFlags.extend({ args: Sides, contents: z.boolean().default(false) });

export function addDiff(program: Command, act: Act): void {
  program
    .command("diff")
    .summary("Compare two revisions.")
    .description(
      "Compare two revisions: files added, removed and changed, how many bytes they share, and the tensors of changed safetensors and GGUF files.",
    )
    .usage("[options] <namespace/name> <A> <B>\n       ferry diff [options] <namespace/name@A> <namespace/name@B>")
    .argument("<revision...>", "a repository and two refs; or two targets, also of different repositories")
    .option("--contents", "also read chunks that small tensors share, to compare these too; at most 512 MiB")
    .action(
      act(Diff, async (cli, { args: [before, after], contents }) => {
        const client = await cli.connect();
        const sides = [await sideOf(client, before), await sideOf(client, after)] as const;
        const recipes: Recipes = new Map([...(await recipesOf(client, sides[0])), ...(await recipesOf(client, sides[1]))]);
        const diff = diffManifests(sides[0].manifest, sides[1].manifest, recipes);
        const tensors = await tensorDiffs(cli, client, diff.changes, { holders: sides, recipes, contents });
        const [a, b] = sides.map(({ repository, ref, revision }) => ({ repository, ref, revision }));
        cli.answer({ before: a, after: b, ...diff, tensors }, diffText(cli, diff, tensors));
      }),
    );
}

type Side = Target & { ref: string; revision: string; manifest: Manifest };

async function sideOf(client: FerryClient, { repository, ref }: Target): Promise<Side> {
  const name = ref ?? DEFAULT_BRANCH;
  const { revision, manifest } = await client.call("manifest", { repository, params: { ref: name } });
  return { repository, ref: name, revision: revision.revision, manifest: await parseManifest(manifest, revision.manifest) };
}

/** Reads by revision, so that a branch that moves meanwhile changes nothing. Throws DIGEST_INVALID. */
async function recipesOf(client: FerryClient, { repository, revision, manifest }: Side): Promise<Map<Digest, Recipe>> {
  const found = new Map<Digest, Recipe>();
  const wanted = recipesIn(manifest);
  for (let at = 0; at < wanted.length; at += RECIPE_READ_PAGE_MAX) {
    const page = wanted.slice(at, at + RECIPE_READ_PAGE_MAX);
    const { recipes } = await client.call("readRecipes", { repository, params: { ref: revision }, body: { recipes: page } });
    for (const [index, expected] of page.entries()) {
      const recipe = recipes[index];
      if (recipe === undefined || (await recipeDigest(encodeRecipe(recipe))) !== expected) {
        throw new FerryError("DIGEST_INVALID", { what: "a recipe", expected });
      }
      found.set(expected, recipe);
    }
  }
  return found;
}

function diffText(cli: Cli, { changes, unchangedFiles, bytes }: ManifestDiff, tensors: Readonly<Record<string, TensorDiff>>): string {
  const of = (kind: FileChange["change"]) => changes.filter(({ change }) => change === kind).length;
  const rows = table(
    changes.map((change) => changeRow(cli, change)),
    [{}, { align: "right" }],
  ).split("\n");
  const lines = changes.map(({ path }, at) => {
    const below = Object.hasOwn(tensors, path) ? tensors[path] : undefined;
    return `${rows[at]}\n${below === undefined ? "" : tensorsText(below)}`;
  });
  const files = `${of("added")} added, ${of("removed")} removed, ${of("changed")} changed, ${unchangedFiles} unchanged`;
  return `${lines.join("")}${files}; ${bytesText(bytes.shared)} shared, ${bytesText(bytes.new)} new, ${bytesText(bytes.gone)} gone\n`;
}

function changeRow({ host }: Cli, change: FileChange): string[] {
  const path = plain(change.path);
  switch (change.change) {
    case "added":
      return [painted(host, host.stdout, "green", "+"), sizeText(change.after), `${path}${newText(change.newBytes, change.after)}`];
    case "removed":
      return [painted(host, host.stdout, "red", "-"), sizeText(change.before), path];
    case "changed":
      return [painted(host, host.stdout, "yellow", "~"), sizeText(change.after), `${path}${changeText(change)}`];
    default:
      return change satisfies never;
  }
}

function sizeText(file: FileEntry): string {
  return file.mode === "link" ? "link" : bytesText(file.size);
}

function newText(newBytes: number, file: FileEntry): string {
  if (file.mode === "link" || file.size === 0) return "";
  return newBytes === 0 ? "  (no new bytes)" : newBytes < file.size ? `  (${bytesText(newBytes)} new)` : "";
}

function changeText({ before, after, newBytes }: Extract<FileChange, { change: "changed" }>): string {
  if (before.mode !== after.mode) return `  (${before.mode} → ${after.mode})`;
  if (before.mode === "link" || after.mode === "link") return "  (other target)";
  const size = before.size === after.size ? "same size" : `was ${bytesText(before.size)}`;
  return `  (${size}, ${bytesText(newBytes)} new)`;
}
