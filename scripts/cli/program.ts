/** The command table: which commands there are, their flags and help texts, and how one of them is run. */
import { Command, CommanderError } from "commander";
import type * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { addAgent } from "./agent.ts";
import { addAudit } from "./audit.ts";
import { addBlock, addUnblock } from "./block.ts";
import { Cli, GlobalFlags } from "./cli.ts";
import { addClone, addRestore } from "./clone.ts";
import { addCollect } from "./collect.ts";
import { addCommit } from "./commit.ts";
import { addCompletion } from "./completion.ts";
import { addCost } from "./cost.ts";
import { addDiff } from "./diff.ts";
import { addDoctor } from "./doctor.ts";
import { addEvents } from "./events.ts";
import { type ExitName, exitCode } from "./exit.ts";
import { addFsck } from "./fsck.ts";
import type { Host } from "./host.ts";
import { addImport } from "./import.ts";
import { addImports } from "./imports.ts";
import { addKey } from "./key.ts";
import { addLabel } from "./label.ts";
import { addLog } from "./log.ts";
import { addLogin, addLogout, addWhoAmI } from "./login.ts";
import { addLs } from "./ls.ts";
import { addPolicy } from "./policy.ts";
import { addProtect } from "./protect.ts";
import { addPull } from "./pull.ts";
import { addPush } from "./push.ts";
import { addQuota } from "./quota.ts";
import { addRebuild } from "./rebuild.ts";
import { reportFailure } from "./report.ts";
import { addRetention } from "./retention.ts";
import { addRm } from "./rm.ts";
import { addS3Credentials } from "./s3-credentials.ts";
import { addScan } from "./scan.ts";
import { addSearch } from "./search.ts";
import { addSession } from "./session.ts";
import { addShow } from "./show.ts";
import { addSign } from "./sign.ts";
import { addStore } from "./store.ts";
import { addPromote, addSync } from "./sync.ts";
import { addTag, addUntag } from "./tag.ts";
import { addToken } from "./token.ts";
import { addTrash } from "./trash.ts";
import { addUsage } from "./usage.ts";
import { addUser } from "./user.ts";
import { VERSION } from "./version.ts";
import { addWarm } from "./warm.ts";
import { addWatch } from "./watch.ts";
import { addWebhook } from "./webhook.ts";

/** Runs one command line. Returns the exit code; everything that goes wrong is told on standard error. */
export async function runFerry(argv: readonly string[], host: Host): Promise<number> {
  let exit: ExitName = "ok";
  const program = makeProgram(host, (ended) => {
    exit = ended;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode(exit);
  } catch (error) {
    if (error instanceof CommanderError && isHelp(error)) return error.exitCode === 0 ? exitCode("ok") : exitCode("usage");
    return reportFailure(error, host, { help: helpFor(program, argv), json: argv.includes("--json") });
  }
}

/** Help and version were asked for and printed. */
function isHelp(error: CommanderError): boolean {
  return ["commander.help", "commander.helpDisplayed", "commander.version"].includes(error.code);
}

export function makeProgram(host: Host, onExit: (exit: ExitName) => void = () => {}): Command {
  const program = new Command("ferry")
    .description("Push, pull and manage large models in a modelferry repository.")
    .version(VERSION, "--version", "print the version")
    .option("--endpoint <url>", "the deployment to talk to (default: FERRY_ENDPOINT, then the last login)")
    .option("--plain-http", "allow http:// to another machine; the token can be read on the way (FERRY_PLAIN_HTTP=1)")
    .option("--json", "answer with JSON on standard output")
    .option("-q, --quiet", "no progress and no notes on standard error")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  addCommands(program, actFor(host, onExit));
  return program.helpCommand("help [command]", "Print the help of a command.");
}

function addCommands(program: Command, act: Act): void {
  program.commandsGroup("Move models:");
  addPush(program, act);
  addPull(program, act);
  addWatch(program, act);
  addImport(program, act);
  addImports(program, act);
  addSession(program, act);
  addCommit(program, act);
  program.commandsGroup("Look:");
  addLs(program, act);
  addShow(program, act);
  addLog(program, act);
  addDiff(program, act);
  addSearch(program, act);
  addUsage(program, act);
  addCost(program, act);
  addScan(program, act);
  program.commandsGroup("Change:");
  addTag(program, act);
  addUntag(program, act);
  addLabel(program, act);
  addSign(program, act);
  addClone(program, act);
  addRestore(program, act);
  addRm(program, act);
  addTrash(program, act);
  addQuota(program, act);
  addRetention(program, act);
  program.commandsGroup("Access:");
  addLogin(program, act);
  addLogout(program, act);
  addWhoAmI(program, act);
  addToken(program, act);
  addS3Credentials(program, act);
  addUser(program, act);
  addKey(program, act);
  addProtect(program, act);
  addBlock(program, act);
  addUnblock(program, act);
  addAudit(program, act);
  program.commandsGroup("Operate:");
  addStore(program, act);
  addAgent(program, act);
  addWarm(program, act);
  addPolicy(program, act);
  addSync(program, act);
  addPromote(program, act);
  addEvents(program, act);
  addWebhook(program, act);
  addCollect(program, act);
  addRebuild(program, act);
  addFsck(program, act);
  addDoctor(program, act);
  addCompletion(program, act);
}

function actFor(host: Host, onExit: (exit: ExitName) => void): Act {
  return (input, run) =>
    async function action(this: Command) {
      const raw = this.optsWithGlobals();
      const cli = new Cli(host, GlobalFlags.parse(raw));
      const parsed = input.safeParse({ ...raw, args: this.args });
      if (!parsed.success) throw new FerryError("USAGE_INVALID", { problem: wrongValue(parsed.error, this) });
      onExit((await run(cli, parsed.data)) ?? "ok");
    };
}

/** `--memory: '12' is not a size …`: the first thing wrong, under the name that the help uses. */
function wrongValue(error: z.ZodError, command: Command): string {
  const [issue] = error.issues;
  const [field, at] = issue?.path ?? [];
  if (field === "args" && typeof at === "number") {
    const last = command.registeredArguments.length - 1;
    return `${command.registeredArguments[Math.min(at, last)]?.name() ?? "argument"}: ${issue?.message}`;
  }
  const option = command.options.find((candidate) => candidate.attributeName() === field);
  return option === undefined ? `${issue?.message}` : `${option.long ?? option.flags}: ${issue?.message}`;
}

/** The command whose help explains `argv`. */
function helpFor(program: Command, argv: readonly string[]): string {
  const names = ["ferry"];
  let command = program;
  for (const word of argv) {
    const found = command.commands.find((candidate) => candidate.name() === word);
    if (found === undefined) continue;
    names.push(word);
    command = found;
  }
  return `${names.join(" ")} --help`;
}
