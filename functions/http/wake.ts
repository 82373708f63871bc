/** After some acts replication looks at once, instead of with the next minute. Forgetting it changes only the delay. */
import type { RouteName } from "../../shared/contract/routes.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { syncRepository, syncStep } from "../registry/replicate/bell.ts";
import { afterAnswer } from "./after-answer.ts";
import type { EdgeContext } from "./edge.ts";

const REPOSITORY_ACTS: ReadonlySet<RouteName> = new Set([
  ...(["commit", "commitSession", "clone", "restoreBranch"] as const),
  ...(["setTag", "rollbackTag", "setLabels"] as const),
]);
const POLICY_ACTS: ReadonlySet<RouteName> = new Set(["setPolicy", "runPolicy"]);

export function wakeReplication(c: EdgeContext, name: RouteName, repository: RepositoryName | undefined): void {
  if (c.get("services").ports.stores.all().length < 2) return;
  const isAct = REPOSITORY_ACTS.has(name) && repository !== undefined;
  if (!isAct && !POLICY_ACTS.has(name)) return;
  afterAnswer(c, "sync", async ({ ports, log }) => {
    const { problems, ...step } = isAct ? await syncRepository(ports, repository) : await syncStep(ports);
    if (step.opened + step.tasks + problems.length > 0) log({ event: "sync.step", ...step, problems: problems.join("; ") });
  });
}
