/** After an act that tells something, webhooks are sent at once, instead of with the next minute. Forgetting it changes only the delay. */
import type { RouteName } from "../../shared/contract/routes.ts";
import { hooksRound } from "../registry/hooks/bell.ts";
import { afterAnswer } from "./after-answer.ts";
import type { EdgeContext } from "./edge.ts";
import { measureRound } from "./measure.ts";

const ACTS: ReadonlySet<RouteName> = new Set([
  ...(["commit", "commitSession", "clone", "restoreBranch", "setTag", "deleteTag", "rollbackTag"] as const),
  ...(["trashRevisions", "restoreRevisions", "purgeRevisions", "runRetention"] as const),
  ...(["createRepository", "deleteRepository", "restoreRepository", "purgeRepository", "blockRepository", "unblockRepository"] as const),
  ...(["renameRepository", "createToken", "revokeToken", "receiveWebhook", "finishTask"] as const),
]);
/** A deployment without webhooks is asked for them this often. */
const IDLE_MS = 60_000;

/** One for each isolate. */
export class HookWaker {
  #idleUntilMs = 0;

  wake(c: EdgeContext, name: RouteName): void {
    const { clock } = c.get("services").ports;
    if (!ACTS.has(name) || clock.now() < this.#idleUntilMs) return;
    afterAnswer(c, "webhooks", async (services) => {
      const { ports, log } = services;
      const { webhooks, missed, ...round } = await hooksRound(ports);
      measureRound(services, round);
      if (webhooks === 0) this.#idleUntilMs = ports.clock.now() + IDLE_MS;
      if (round.sent > 0 || missed) log({ event: "webhooks.round", missed, ...round });
    });
  }
}
