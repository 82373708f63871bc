/** `ferry fsck`: looks for damage in the bucket, tells whose files it is, and what to do. The work is the server's; this keeps it going. */
import type { Command } from "commander";
import * as z from "zod";
import type { BadChunk, Finding, FindingKind, FsckRun } from "../../shared/contract/fsck.ts";
import { FerryError } from "../../shared/errors.ts";
import { isoTime } from "../../shared/time.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { bytesText, counted, facts, painted, plain, timeText } from "./text.ts";

/** How often a step is asked for while another caller is at work. */
const PAUSE_MS = 2_000;
const AFFECTED_SHOWN = 5;

const Share = z.string().transform((text, context): number => {
  const [, percent] = /^(100|\d{1,2}(?:\.\d)?)%$/.exec(text) ?? [];
  if (percent !== undefined && Number(percent) > 0) return Number(percent) / 100;
  context.addIssue(`'${text}' is not a share; it looks like 5% or 0.5%`);
  return z.NEVER;
});

const Flags = GlobalFlags.extend({
  readData: z.boolean().default(false),
  readDataSubset: Share.optional(),
  verifyClaimed: z.boolean().default(false),
  plan: z.boolean().default(false),
  repair: z.boolean().default(false),
  status: z.boolean().default(false),
  cancel: z.boolean().default(false),
});
type Flags = z.infer<typeof Flags>;

export function addFsck(program: Command, act: Act): void {
  program
    .command("fsck")
    .summary("Look for damage: what is missing, wrong or out of place.")
    .description("Look for damage: what is missing, wrong or out of place in the bucket, and whose files need it. Changes nothing.")
    .option("--read-data", "also read every chunk that a revision names, and check its digest")
    .option("--read-data-subset <share>", "read only so many of them, such as 5%; each run reads others")
    .option("--verify-claimed", "read the chunks of which a store has checked no more than an MD5, and let those that are right be shared")
    .option("--plan", "of each missing and damaged chunk, tell which store still has it")
    .option("--repair", "bring these back from where they still are; what nobody has, the next push of its files sends anew")
    .option("--status", "only tell how the newest run stands")
    .option("--cancel", "end the run under way where it is")
    .action(act(Flags, fsck));
}

async function fsck(cli: Cli, flags: Flags): Promise<ExitName | undefined> {
  if (flags.readData && flags.readDataSubset !== undefined)
    throw new FerryError("USAGE_INVALID", { problem: "choose one of --read-data and --read-data-subset" });
  if (flags.plan && flags.repair) throw new FerryError("USAGE_INVALID", { problem: "choose one of --plan and --repair" });
  if (flags.status && flags.cancel) throw new FerryError("USAGE_INVALID", { problem: "choose one of --status and --cancel" });
  const client = await cli.connect();
  if (flags.status) return report(cli, (await client.call("fsckStatus", {})).run, flags);
  if (flags.cancel) return report(cli, (await client.call("cancelFsck", {})).run, flags);
  const readData = flags.readDataSubset ?? (flags.readData ? 1 : 0);
  const { verifyClaimed, repair } = flags;
  const begun = (await client.call("startFsck", { body: { readData, verifyClaimed, repair } })).run;
  const isOurs = begun?.readPermille === Math.ceil(readData * 1000) && begun.verifyClaimed === verifyClaimed && begun.repair === repair;
  if (begun !== null && !isOurs) cli.note("a run with other wishes is under way; this follows it");
  return report(cli, await follow(cli, begun), flags);
}

/** Asks for one step after another. Whoever stops here stops nothing: the same command goes on. */
async function follow(cli: Cli, begun: FsckRun | null): Promise<FsckRun | null> {
  const client = await cli.connect();
  let run = begun;
  while (run !== null && run.phase !== "done" && run.phase !== "aborted") {
    const answer = await client.call("stepFsck", {}, cli.host.signal);
    run = answer.run;
    if (run !== null) cli.note(progressText(run));
    if (answer.busy) await cli.host.sleep(PAUSE_MS, cli.host.signal);
  }
  return run;
}

function progressText(run: FsckRun): string {
  switch (run.phase) {
    case "logs":
      return `reading logs: ${counted(run.records, "record")} of ${counted(run.logs, "log")}`;
    case "revisions":
      return `reading what ${counted(run.revisions, "revision")} name`;
    case "chunks":
      return `comparing with the store: ${counted(run.chunks, "chunk")}`;
    case "data":
      return `reading chunks: ${run.read}, ${bytesText(run.readBytes)}`;
    case "blame":
      return `looking whose files need ${counted(run.bad.length, "bad chunk")}`;
    case "plan":
      return `looking where else ${counted(run.bad.length, "bad chunk")} may be`;
    case "copy":
      return `copying: ${run.bad.filter(({ fresh }) => fresh !== null).length} of ${counted(run.bad.length, "chunk")}`;
    case "mend":
      return `mending: ${counted(run.mended, "revision")}`;
    case "done":
    case "aborted":
      return run.phase;
    default:
      return run.phase satisfies never;
  }
}

function report(cli: Cli, run: FsckRun | null, { plan }: Pick<Flags, "plan">): ExitName | undefined {
  if (run === null) {
    cli.answer({ run: null }, "Nobody has looked yet.\n");
    return undefined;
  }
  const told = run.findings.map((finding) => findingText(cli, finding, run)).join("");
  const planned = plan ? run.bad.map(planText).join("") : "";
  cli.answer({ run }, `${facts(rowsOf(run))}${told === "" ? "" : `\n${told}`}${planned}${verdictText(run)}\n`);
  return run.findings.some(({ severity }) => severity === "error") ? "integrity" : undefined;
}

function rowsOf(run: FsckRun): [string, string][] {
  const rows: [string, string][] = [
    ["run", run.run],
    ["began", timeText(isoTime(run.startedAtMs))],
    ["stands at", run.problem === null ? run.phase : `${run.phase}: ${plain(run.problem)}`],
    ["logs", `${run.logs}, with ${counted(run.records, "record")}`],
    ["revisions", `${run.revisions}, with ${counted(run.recipes, "recipe")}`],
    ["chunks", `${run.chunks} in the store, ${bytesText(run.chunkBytes)}`],
    ["of no revision", `${run.orphans}, ${bytesText(run.orphanBytes)}; and ${run.young} that a push may be about to name`],
  ];
  if (run.readPermille > 0 || run.verifyClaimed) rows.push(["read", `${run.read}, ${bytesText(run.readBytes)}`]);
  if (run.claimed > 0) rows.push(["claimed", `${run.claimed}, of which ${run.verified} were found right now`]);
  const elsewhere = run.bad.filter(({ source }) => source !== null).length;
  if (run.bad.length > 0 && !run.repair) rows.push(["still elsewhere", `${elsewhere} of ${counted(run.bad.length, "bad chunk")}`]);
  const brought = run.bad.filter(({ fresh }) => fresh !== null).length;
  if (run.repair) rows.push(["brought back", `${counted(brought, "chunk")}, for ${counted(run.mended, "revision")}`]);
  if (run.repair) rows.push(["sent anew from now on", `${counted(run.condemned - brought, "chunk")}`]);
  return rows;
}

function planText({ sha256, size, source }: BadChunk): string {
  const from = source === null ? "nowhere else: push its files once more" : `from store ${source.store}, under ${source.tag}`;
  return `plan     ${sha256}  ${bytesText(size)}  ${from}\n`;
}

function findingText({ host }: Cli, finding: Finding, run: FsckRun): string {
  const paint = { error: "red", warning: "yellow", note: "dim" } as const;
  const head = `${painted(host, host.stdout, paint[finding.severity], finding.severity.padEnd(7))}  ${finding.kind}  ${plain(finding.what)}`;
  const files = finding.affected.slice(0, AFFECTED_SHOWN).map((file) => {
    return `         needed by ${plain(file.repository)}@${file.revision}  ${file.path === "*" ? "(all files)" : plain(file.path)}\n`;
  });
  const more = finding.affectedCount - files.length;
  const rest = more > 0 ? `         and ${more} more\n` : "";
  return `${head}\n         ${plain(finding.detail)}\n${files.join("")}${rest}         next: ${nextOf(finding, run)}\n`;
}

function nextOf({ severity, kind, what }: Finding, { repair, bad }: FsckRun): string {
  if (severity === "note") return "nothing; it was brought back";
  const isNowhere = repair && bad.some(({ sha256, source }) => sha256 === what && source === null);
  return isNowhere ? "no store has it: push these files once more from where they are whole, then repair again" : NEXT[kind];
}

const MEND = "run `ferry fsck --repair` with the same flags; what no store has, bring back by pushing these files once more";
const NEXT: Record<FindingKind, string> = {
  "log.damaged": "keep the bucket as it is, and bring the object back from a copy or an older version of it",
  "index.behind": "nothing; `ferry rebuild` looks at all others, too",
  "index.ahead": "the bucket lost what the index knows: bring the record back from a copy or an older version of it",
  "index.unlike": "the bucket was restored: begin a new generation of the index (docs/operations.md)",
  "envelope.missing": "bring the object back from a copy, or push the revision's files once more",
  "envelope.damaged": "bring the object back from a copy, or push the revision's files once more",
  "recipe.missing": "run `ferry fsck --repair`; if no store has it, push these files once more: it is made again from them",
  "recipe.damaged": "run `ferry fsck --repair`; if no store has it, delete the object and push these files once more",
  "chunk.missing": MEND,
  "chunk.length": MEND,
  "chunk.corrupt": MEND,
  "chunk.unplaced": "bring the envelope back from a copy, or push the revision's files once more",
  "chunk.reappeared": "nothing; nobody is offered it, and collection deletes it again",
  stray: "see who put it there; it is not modelferry's",
  more: "repair what is told, then look again",
};

function verdictText({ findings, phase }: FsckRun): string {
  const count = (severity: Finding["severity"]) => findings.filter((finding) => finding.severity === severity).length;
  if (phase !== "done") return "The look is not at its end.";
  if (findings.length === 0) return "No damage was found.";
  return `${counted(count("error"), "error")}, ${counted(count("warning"), "warning")}.`;
}
