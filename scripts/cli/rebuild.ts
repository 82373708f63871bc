/** `ferry rebuild`: makes the index what the bucket says, or looks whether it is. The work is the server's; this keeps it going. */
import type { Command } from "commander";
import * as z from "zod";
import type { IndexCheck, RebuildRun, RebuildStatus } from "../../shared/contract/recovery.ts";
import { FerryError } from "../../shared/errors.ts";
import { isoTime } from "../../shared/time.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { counted, facts, plain, timeText } from "./text.ts";

/** How often a step is asked for while another caller is at work. */
const PAUSE_MS = 2_000;

const Flags = GlobalFlags.extend({ status: z.boolean().default(false), check: z.boolean().default(false) });
type Flags = z.infer<typeof Flags>;

export function addRebuild(program: Command, act: Act): void {
  program
    .command("rebuild")
    .summary("Make the index what the bucket says.")
    .description("Make the index what the bucket says. Where it is whole already, nothing changes; nothing is ever lost by it.")
    .option("--check", "only look for what was written lately and is not in the index, as the deployment does each minute")
    .option("--status", "only tell how the newest rebuild stands")
    .action(act(Flags, rebuild));
}

async function rebuild(cli: Cli, flags: Flags): Promise<ExitName | undefined> {
  if (flags.check && flags.status) throw new FerryError("USAGE_INVALID", { problem: "choose one of --check and --status" });
  const client = await cli.connect();
  if (flags.check) return reportCheck(cli, await client.call("checkIndex", {}));
  if (flags.status) return reportStatus(cli, await client.call("rebuildStatus", {}));
  return report(cli, await follow(cli, (await client.call("startRebuild", {})).run));
}

/** Asks for one step after another. Whoever stops here stops nothing: the same command goes on. */
async function follow(cli: Cli, begun: RebuildRun | null): Promise<RebuildRun | null> {
  const client = await cli.connect();
  let run = begun;
  while (run !== null && run.phase !== "done") {
    const answer = await client.call("stepRebuild", {}, cli.host.signal);
    run = answer.run;
    if (run !== null) cli.note(progressText(run));
    if (answer.busy) await cli.host.sleep(PAUSE_MS, cli.host.signal);
  }
  return run;
}

function progressText({ phase, passes, logs, healedRecords, revisions, entries }: RebuildRun): string {
  if (phase === "logs")
    return `reading logs: pass ${passes}, ${counted(logs, "repository", "repositories")}, ${healedRecords} records applied`;
  return `reading what ${counted(revisions, "revision")} name: ${entries} chunks added`;
}

function reportStatus(cli: Cli, { run, generation }: RebuildStatus): ExitName | undefined {
  cli.note(`generation ${generation} of the index`);
  return report(cli, run);
}

function report(cli: Cli, run: RebuildRun | null): ExitName | undefined {
  if (run === null) {
    cli.answer({ run: null }, "The index remembers no rebuild.\n");
    return undefined;
  }
  const rows: [string, string][] = [
    ["rebuild", run.run],
    ["began", timeText(isoTime(run.startedAtMs))],
    ["stands at", run.phase],
    ["repositories", `${run.logs}, of which ${run.healedLogs} were behind`],
    ["records", `${run.healedRecords} applied in ${counted(run.passes, "pass", "passes")}`],
    ["revisions", `${run.revisions}`],
    ["chunks", `${run.entries} added to the index`],
    ...run.damaged.map((problem): [string, string] => ["damaged", plain(problem)]),
  ];
  cli.answer({ run }, facts(rows));
  return run.damaged.length > 0 ? "integrity" : undefined;
}

const STATES = {
  sound: "the index has all that was written lately",
  healed: "the index was behind, and is no more",
  rebuilding: "the index must be compared with all logs; the deployment is at it, `ferry rebuild` hastens it",
  busy: "somebody else is looking",
} as const satisfies Record<IndexCheck["state"], string>;

function reportCheck(cli: Cli, check: IndexCheck): ExitName | undefined {
  const rows: [string, string | null][] = [
    ["state", STATES[check.state]],
    ["known whole up to", check.soundMs === null ? "no time" : timeText(isoTime(check.soundMs))],
    ["logs", `${check.checked} compared, ${check.healedLogs} were behind by ${counted(check.healedRecords, "record")}`],
    ...check.damaged.map((problem): [string, string] => ["damaged", plain(problem)]),
  ];
  cli.answer(check, facts(rows));
  return check.damaged.length > 0 ? "integrity" : undefined;
}
