/** What `ferry trash restore` and `ferry trash purge` are about: revisions of a repository, or a whole one by its id. */
import * as z from "zod";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { type Target, TargetValue } from "./values.ts";

export type TrashTargets = { id: RepositoryId } | { targets: [Target, ...Target[]] };

/** A name has a '/', an id none. */
export const TrashTargetsValue = z.array(z.string()).transform((words, context): TrashTargets => {
  const [first = "", ...others] = words;
  if (!first.includes("/") && others.length === 0) {
    const id = RepositoryId.safeParse(first);
    if (id.success) return { id: id.data };
    context.addIssue(`'${first}' is neither namespace/name@revision nor the id of a repository in the trash; see \`ferry trash ls\``);
    return z.NEVER;
  }
  const targets = z.tuple([TargetValue]).rest(TargetValue).safeParse(words);
  if (targets.success) return { targets: targets.data };
  context.addIssue(`${targets.error.issues[0]?.message}`);
  return z.NEVER;
});
