/** `ferry collect`: how collection stands, what it would give back, and doing it. The work is the server's; this keeps it going. */
import type { Command } from "commander";
import * as z from "zod";
import type { CollectRun } from "../../shared/contract/collect.ts";
import { FerryError } from "../../shared/errors.ts";
import { isoTime } from "../../shared/time.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { bytesText, counted, facts, plain, timeText } from "./text.ts";

/** How often a step is asked for while another caller is at work, or a run waits. */
const PAUSE_MS = 2_000;
const PERCENT = /^(100|[1-9]?\d)%?$/;

const Flags = GlobalFlags.extend({
  dryRun: z.boolean().default(false),
  run: z.boolean().default(false),
  cancel: z.boolean().default(false),
  maxShare: z
    .string()
    .regex(PERCENT, "a share looks like 50%")
    .transform((text) => Number.parseInt(text, 10) / 100)
    .optional(),
});
type Flags = z.infer<typeof Flags>;

export function addCollect(program: Command, act: Act): void {
  program
    .command("collect")
    .description("Give back the storage of chunks that no revision names. Without a flag: how the newest run stands.")
    .option("--dry-run", "find out what would go, delete nothing")
    .option("--run", "begin a run, or go on with the one under way, until it ends")
    .option("--cancel", "end the run under way where it is")
    .option("--max-share <percent>", "let more than the usual share of all chunks go")
    .action(act(Flags, collect));
}

async function collect(cli: Cli, flags: Flags): Promise<void> {
  if ([flags.dryRun, flags.run, flags.cancel].filter(Boolean).length > 1) {
    throw new FerryError("USAGE_INVALID", { problem: "choose one of --dry-run, --run and --cancel" });
  }
  const client = await cli.connect();
  const current = (await client.call("collectStatus", {})).run;
  if (flags.cancel && current !== null) return report(cli, (await client.call("cancelCollect", { params: { run: current.run } })).run);
  if (!flags.dryRun && !flags.run) return report(cli, current);
  const shareMax = flags.maxShare;
  const begun = await client.call("startCollect", { body: { dryRun: flags.dryRun, ...(shareMax === undefined ? {} : { shareMax }) } });
  const ended = await follow(cli, begun.run);
  report(cli, ended);
  if (ended?.phase === "aborted") throw new FerryError("COLLECT_REFUSED", { problem: ended.problem ?? "no reason was kept" });
}

/** Asks for one step after another. Whoever stops here stops nothing: the deployment's own bell goes on. */
async function follow(cli: Cli, begun: CollectRun | null): Promise<CollectRun | null> {
  const client = await cli.connect();
  let run = begun;
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
    const answer = await client.call("stepCollect", {}, cli.host.signal);
    if (!cli.flags.quiet && answer.run?.phase !== run.phase) cli.host.stderr.write(`${phaseText(answer.run)}\n`);
    run = answer.run;
    if (answer.busy || run?.phase === "wait") await cli.host.sleep(PAUSE_MS, cli.host.signal);
  }
  return run;
}

function phaseText(run: CollectRun | null): string {
  switch (run?.phase) {
    case "scan":
      return "reading what revisions name";
    case "sift":
      return `looking through the chunks (${counted(run.rootChunks, "is", "are")} named)`;
    case "publish":
    case "wait":
      return `${counted(run.garbage, "chunk")} may go; waiting for pushes that might still want them`;
    case "rescan":
    case "final":
      return "looking again";
    case "delete":
      return `deleting (${run.deleted} of ${run.garbage})`;
    default:
      return run?.phase ?? "";
  }
}

function report(cli: Cli, run: CollectRun | null): void {
  if (run === null) {
    cli.answer({ run: null }, "There was no collection yet.\n");
    return;
  }
  const kind = run.dryRun ? "dry run" : "run";
  const gone = run.dryRun ? "would go" : "garbage";
  cli.answer(
    { run },
    facts([
      [kind, run.run],
      ["began", timeText(isoTime(run.startedAtMs))],
      ["stands at", run.problem === null ? run.phase : `${run.phase}: ${plain(run.problem)}`],
      ["revisions", `${run.roots} named, ${run.deadEnvelopes.length} no longer`],
      ["chunks", `${run.chunks} in the store, ${bytesText(run.chunkBytes)}`],
      [gone, `${run.garbage}, ${bytesText(run.garbageBytes)}${run.more ? ", and more for the next run" : ""}`],
      ["deleted", `${run.deleted}`],
      ["missing", `${run.missing}`],
    ]),
  );
}
