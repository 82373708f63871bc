/** `ferry clone` and `ferry restore`: new revisions on chunks that are stored already. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH, type RevisionSummary } from "../../shared/contract/repositories.ts";
import { RefName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { expectedRevision } from "./expected.ts";
import { newOperationId } from "./operation.ts";
import { carrySignatures } from "./signed.ts";
import { bytesText, counted } from "./text.ts";
import { RefNameValue, RefOrNone, TargetValue } from "./values.ts";

const BranchTarget = TargetValue.transform(({ repository, ref }, context) => {
  const branch = RefName.safeParse(ref ?? DEFAULT_BRANCH);
  if (branch.success) return { repository, branch: branch.data };
  context.addIssue("a clone goes into a branch, not into a revision");
  return z.NEVER;
});

const message = z.string().max(4000).default("");
const Clone = GlobalFlags.extend({ args: z.tuple([TargetValue, BranchTarget]), if: RefOrNone.optional(), message });

export function addClone(program: Command, act: Act): void {
  program
    .command("clone")
    .summary("Copy a revision to another repository or branch.")
    .description("Copy a revision to another repository or branch, as a new revision there. No bytes are sent or stored again.")
    .argument("<source>", `namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .argument("<target>", `namespace/name[@branch], made when missing (default branch: ${DEFAULT_BRANCH})`)
    .option("--if <ref>", "only when the branch is at this revision now; 'none': only when there is no such branch")
    .option("-m, --message <text>", "why; kept in the history")
    .action(
      act(Clone, async (cli, { args: [source, { repository, branch }], if: given, message }) => {
        const client = await cli.connect();
        const ref = source.ref ?? DEFAULT_BRANCH;
        const expected = await expectedRevision(client, repository, given);
        const made = await client.call("clone", {
          repository,
          body: {
            from: source.repository,
            ref,
            branch,
            message,
            operationId: newOperationId(),
            ...(expected === undefined ? {} : { expected }),
          },
        });
        await carrySignatures(client, { repository: source.repository, ref }, { repository, made });
        cli.answer(
          { repository, ...made },
          `${repository}@${branch} is ${made.revision}, from ${source.repository}@${ref}${sizeText(made)}\n`,
        );
      }),
    );
}

const Restore = GlobalFlags.extend({
  args: z.tuple([
    TargetValue.transform(({ repository, ref }, context) => {
      if (ref !== null) return { repository, ref };
      context.addIssue("say which revision: namespace/name@ref");
      return z.NEVER;
    }),
  ]),
  branch: RefNameValue.default(RefName.parse(DEFAULT_BRANCH)),
  if: RefOrNone.optional(),
  message,
});

export function addRestore(program: Command, act: Act): void {
  program
    .command("restore")
    .summary("Put a branch back to an older revision.")
    .description(
      "Put a branch back to an older revision: a new revision with its files, on top of the history. No bytes are sent. (What was deleted comes back by `ferry trash restore`.)",
    )
    .argument("<target>", "namespace/name@ref: the revision, or a tag or branch that names it")
    .option("--branch <branch>", `the branch that gets it (default: ${DEFAULT_BRANCH})`)
    .option("--if <ref>", "only when the branch is at this revision now; 'none': only when there is no such branch")
    .option("-m, --message <text>", "why; kept in the history")
    .action(
      act(Restore, async (cli, { args: [{ repository, ref }], branch, if: given, message }) => {
        const client = await cli.connect();
        const expected = await expectedRevision(client, repository, given);
        const made = await client.call("restoreBranch", {
          repository,
          params: { branch },
          body: { ref, message, operationId: newOperationId(), ...(expected === undefined ? {} : { expected }) },
        });
        cli.answer({ repository, ...made }, `${repository}@${branch} is ${made.revision}, with the files of ${ref}${sizeText(made)}\n`);
      }),
    );
}

function sizeText({ fileCount, sizeBytes }: RevisionSummary): string {
  return ` (${counted(fileCount, "file")}, ${bytesText(sizeBytes)})`;
}
