/** `ferry tag` and `ferry untag`. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { RefNameValue, RepositoryValue, RevisionOrNone, TargetValue } from "./values.ts";

const Tag = GlobalFlags.extend({
  args: z.tuple([TargetValue, RefNameValue]),
  if: RevisionOrNone.optional(),
  force: z.boolean().default(false),
  message: z.string().max(4000).default(""),
});

export function addTag(program: Command, act: Act): void {
  program
    .command("tag")
    .summary("Point a tag at a revision.")
    .description("Point a tag at a revision. A tag that exists stays, unless --if or --force says otherwise.")
    .argument("<target>", `namespace/name@ref: what to tag (default ref: ${DEFAULT_BRANCH})`)
    .argument("<tag>", "the name of the tag")
    .option("--if <revision>", "only when the tag points at this revision now; 'none': only when there is no such tag")
    .option("--force", "move the tag whatever it points at")
    .option("-m, --message <text>", "why; kept in the log")
    .action(
      act(Tag, async (cli, { args: [{ repository, ref }, tag], if: expected, force, message }) => {
        const body = { ref: ref ?? DEFAULT_BRANCH, force, message, operationId: newOperationId() };
        const answer = await (await cli.connect()).call("setTag", {
          repository,
          params: { tag },
          body: expected === undefined ? body : { ...body, expected },
        });
        cli.answer({ repository, ...answer }, `${repository}@${answer.tag} is ${answer.revision}\n`);
      }),
    );
}

const Untag = GlobalFlags.extend({
  args: z.tuple([RepositoryValue, RefNameValue]),
  if: RevisionOrNone.optional().transform((revision, context) => {
    if (revision === null) context.addIssue("takes the revision that the tag must point at");
    return revision ?? undefined;
  }),
});

export function addUntag(program: Command, act: Act): void {
  program
    .command("untag")
    .summary("Remove a tag.")
    .description("Remove a tag. What it points at stays.")
    .argument("<repository>", "namespace/name")
    .argument("<tag>", "the name of the tag")
    .option("--if <revision>", "only when the tag points at this revision now")
    .action(
      act(Untag, async (cli, { args: [repository, tag], if: expected }) => {
        const query = { operationId: newOperationId() };
        await (await cli.connect()).call("deleteTag", {
          repository,
          params: { tag },
          query: expected === undefined ? query : { ...query, expected },
        });
        cli.answer({ repository, tag, removed: true }, `${repository} has no tag ${tag} any more\n`);
      }),
    );
}
