/**
 * What repositories ask for by their settings and nobody does by hand: retention rules, purges of what was long enough in the trash.
 * A few repositories each time, in order of name, once around a day. Where it is stands in a note: losing it means once more around.
 */
import * as z from "zod";
import { toHex } from "../../shared/digest.ts";
import { OperationId } from "../../shared/names.ts";
import { epochMs } from "../../shared/time.ts";
import { withWhole } from "./log.ts";
import { repositoryLog, systemLog } from "./logs.ts";
import type { Caller, Ports } from "./ports.ts";
import { runRetention } from "./retention.ts";
import { purgeRevisions } from "./trash.ts";
import { finishPurges, listTrash, purgeRepository } from "./trashed-repositories.ts";

const NOTE = "upkeep";
const DAY_MS = 86_400_000;
const REPOSITORIES = 10;
const TRASHED_MAX = 100;

/** Acts in the name of the rules that people set; never with `now`, so the trash's days hold. */
const KEEPER: Caller = {
  tokenId: "upkeep",
  name: "upkeep",
  kind: "robot",
  scopes: [{ repositories: "*", actions: ["pull", "delete"] }],
  networks: [],
  expiresAt: null,
};

const Round = z.object({ beganAtMs: z.int(), after: z.string().nullable(), done: z.boolean() });
type Round = z.infer<typeof Round>;

/** Answers how many repositories were looked at. */
export async function upkeepStep(ports: Ports): Promise<number> {
  const text = await ports.notes.read(NOTE);
  const now = ports.clock.now();
  const round = roundOf(text);
  if (round?.done && now - round.beganAtMs < DAY_MS) return 0;
  const current = round === null || round.done ? { beganAtMs: now, after: null, done: false } : round;
  if (current.after === null) await keepTrash(ports);
  const after = current.after ?? undefined;
  const page = await withWhole(systemLog(ports), () => ports.system.listRepositories({ after, limit: REPOSITORIES }));
  for (const repository of page) {
    const { settings } = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.refs(repository.id));
    if (settings.retention !== null)
      await runRetention(ports, KEEPER, repository, { dryRun: false, force: false, operationId: operation(ports) });
    await purgeRevisions(ports, KEEPER, repository, { now: false, operationId: operation(ports) });
  }
  const next: Round = { ...current, after: page.at(-1)?.repository ?? null, done: page.length < REPOSITORIES };
  await ports.notes.swap(NOTE, text, JSON.stringify(next));
  return page.length;
}

/** Purges that were begun, and repositories whose days in the trash are over. */
async function keepTrash(ports: Ports): Promise<void> {
  await finishPurges(ports);
  const { repositories } = await listTrash(ports, KEEPER, { limit: TRASHED_MAX });
  for (const { id, purgeableAt } of repositories) {
    if (epochMs(purgeableAt) <= ports.clock.now()) await purgeRepository(ports, KEEPER, id, { now: false, operationId: operation(ports) });
  }
}

function roundOf(text: string | null): Round | null {
  try {
    const parsed = Round.safeParse(JSON.parse(text ?? "null"));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function operation(ports: Ports): OperationId {
  return OperationId.parse(toHex(ports.random.bytes(16)));
}
