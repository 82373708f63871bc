/** `ferry tag` and `ferry untag`. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import { RevisionId } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { expectedRevision } from "./expected.ts";
import { newOperationId } from "./operation.ts";
import { lockTag, rollTagBack, showTagHistory, unlockTag } from "./tag-acts.ts";
import { countValue, RefNameValue, RefOrNone, RepositoryValue, TargetValue } from "./values.ts";

const HISTORY_LIMIT = 20;
const flag = z.boolean().default(false);

const Tag = GlobalFlags.extend({
  args: z.tuple([TargetValue, RefNameValue]),
  if: RefOrNone.optional(),
  force: flag,
  message: z.string().max(4000).default(""),
  lock: flag,
  unlock: flag,
  history: flag,
  rollback: flag,
  limit: countValue(1, 1_000_000).optional(),
});
export type TagFlags = z.infer<typeof Tag>;

export function addTag(program: Command, act: Act): void {
  program
    .command("tag")
    .summary("Point a tag at a revision; lock it, look back, roll back.")
    .description(
      "Point a tag at a revision. A tag that exists stays, unless --if or --force says otherwise; a locked one stays in any case. With --lock, --unlock, --history or --rollback: an act on the tag that is there.",
    )
    .argument("<target>", `namespace/name@ref: what to tag (default ref: ${DEFAULT_BRANCH}); with those four namespace/name alone`)
    .argument("<tag>", "the name of the tag")
    .option(
      "--if <ref>",
      "only when the tag points at this revision now, or at what another ref names; 'none': only when there is no such tag",
    )
    .option("--force", "move the tag whatever it points at")
    .option("-m, --message <text>", "why; kept in the log")
    .option("--lock", "the tag can't be moved or removed from now on")
    .option("--unlock", "end that (administrators)")
    .option("--history", "where the tag has pointed, newest first")
    .option("-n, --limit <n>", `with --history: at most so many entries (default: ${HISTORY_LIMIT})`)
    .option("--rollback", "point it at what it pointed at before")
    .action(act(Tag, tag));
}

function tag(cli: Cli, flags: TagFlags): Promise<void> {
  const [{ repository, ref }, name] = flags.args;
  const act = chosenAct(flags);
  if (act === null) return pointTag(cli, flags);
  if (ref !== null) throw new FerryError("USAGE_INVALID", { problem: `leave out '@${ref}': --${act} is about the tag that is there` });
  switch (act) {
    case "lock":
      return lockTag(cli, repository, name);
    case "unlock":
      return unlockTag(cli, repository, name);
    case "history":
      return showTagHistory(cli, repository, name, flags.limit ?? HISTORY_LIMIT);
    case "rollback":
      return rollTagBack(cli, repository, name, flags);
    default:
      return act satisfies never;
  }
}

/** Each takes some of the other flags, and refuses the rest: what is ignored would be believed. */
function chosenAct(flags: TagFlags): "lock" | "unlock" | "history" | "rollback" | null {
  const [act, ...others] = (["lock", "unlock", "history", "rollback"] as const).filter((name) => flags[name]);
  if (others.length > 0) throw new FerryError("USAGE_INVALID", { problem: "choose one of --lock, --unlock, --history and --rollback" });
  const wrong = [
    [flags.if !== undefined, "--if", act === undefined || act === "rollback"],
    [flags.force, "--force", act === undefined],
    [flags.message !== "", "--message", act === undefined || act === "rollback"],
    [flags.limit !== undefined, "--limit", act === "history"],
  ] as const;
  for (const [given, name, fits] of wrong) {
    const where = name === "--limit" ? "goes with --history only" : `does not go with --${act}`;
    if (given && !fits) throw new FerryError("USAGE_INVALID", { problem: `${name} ${where}` });
  }
  return act ?? null;
}

/** The server looks up what --if names, at the moment of the change. */
async function pointTag(cli: Cli, { args: [{ repository, ref }, tag], if: given, force, message }: TagFlags): Promise<void> {
  const revision = RevisionId.nullable().safeParse(given);
  const condition = given === undefined ? {} : revision.success ? { expected: revision.data } : { expectedRef: given ?? "" };
  const answer = await (await cli.connect()).call("setTag", {
    repository,
    params: { tag },
    body: { ref: ref ?? DEFAULT_BRANCH, force, message, operationId: newOperationId(), ...condition },
  });
  cli.answer({ repository, ...answer }, `${repository}@${answer.tag} is ${answer.revision}\n`);
}

const Untag = GlobalFlags.extend({
  args: z.tuple([RepositoryValue, RefNameValue]),
  if: RefOrNone.optional().transform((ref, context) => {
    if (ref === null) context.addIssue("takes the revision that the tag must point at");
    return ref ?? undefined;
  }),
});

export function addUntag(program: Command, act: Act): void {
  program
    .command("untag")
    .summary("Remove a tag.")
    .description("Remove a tag. What it points at stays.")
    .argument("<repository>", "namespace/name")
    .argument("<tag>", "the name of the tag")
    .option("--if <ref>", "only when the tag points at this revision now, or at what another ref names")
    .action(
      act(Untag, async (cli, { args: [repository, tag], if: given }) => {
        const client = await cli.connect();
        const expected = (await expectedRevision(client, repository, given)) ?? undefined;
        const query = { operationId: newOperationId() };
        await client.call("deleteTag", { repository, params: { tag }, query: expected === undefined ? query : { ...query, expected } });
        cli.answer({ repository, tag, removed: true }, `${repository} has no tag ${tag} any more\n`);
      }),
    );
}
