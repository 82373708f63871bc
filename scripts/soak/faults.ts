/** What happens to the system, one fault at a time, at moments and of kinds that the seed chooses. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Verdict } from "../../test/support/forwarder.ts";
import type { Journal } from "./journal.ts";
import { type Chance, chanceOf, type Options, pick } from "./options.ts";
import type { System } from "./system.ts";

const WINDOW_MS = 2_000;
const LATE_MS = 20_000;

type Fault = (system: System, journal: Journal, chance: Chance) => Promise<void>;

const FAULTS: Record<string, Fault> = {
  "Redis killed": ({ redis }, _, chance) => redis.kill(chance() * 500),
  "Redis failed over": ({ redis }, _, chance) => redis.failOver(chance() * 1_000),
  "Redis wiped": ({ redis }) => redis.wipe(),
  "Redis lost calls": async ({ redis }, journal, chance) => {
    redis.front.rule = () => {
      const die = chance();
      if (die >= 0.06) return "pass";
      journal.fault(die < 0.03 ? "  calls of Redis lost" : "  answers of Redis lost");
      return die < 0.03 ? "drop" : "lose";
    };
    await sleep(WINDOW_MS);
    redis.front.rule = () => "pass";
  },
  "store failed": async ({ store }, journal, chance) => {
    store.rule = ({ method, path }) => storeVerdict({ isDelete: method === "POST" && path.includes("delete") }, journal, chance);
    await sleep(WINDOW_MS);
    store.rule = () => "pass";
  },
  "server killed": async ({ live }) => {
    await live.stack.app.crash();
    await live.stack.app.restart();
  },
};

function storeVerdict({ isDelete }: { isDelete: boolean }, journal: Journal, chance: Chance): Verdict {
  const die = chance();
  if (isDelete && die < 0.5) {
    journal.fault("  DELETEs that came late");
    return { late: sleep(chance() * LATE_MS) };
  }
  if (die >= 0.08) return "pass";
  const verdict = die < 0.03 ? "html" : die < 0.05 ? "drop" : "lose";
  journal.fault({ html: "  requests answered by 500", drop: "  requests lost", lose: "  answers of the store lost" }[verdict]);
  return verdict;
}

export async function disturb(system: System, journal: Journal, { seed, calmMs }: Options, isRunning: () => boolean): Promise<void> {
  const chance = chanceOf(seed, "faults");
  const names = Object.keys(FAULTS);
  while (isRunning()) {
    // A server that never lives for the seconds of a step would never get a collection done.
    await sleep((calmMs * (1 + 4 * chance())) / 3);
    const name = pick(chance, names) ?? "";
    if (!isRunning()) return;
    await FAULTS[name]?.(system, journal, chance);
    // Whose release was lost is waited for a minute else; and leases are no guard: two collectors at work are as good.
    await system.redis.endLeases().catch(() => journal.count("leases that stayed"));
    journal.fault(name);
  }
}
