/** Runs one command line: how it is read, and how its end is told. */
import { Command, CommanderError } from "commander";
import type * as z from "zod";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { Cli, GlobalFlags } from "./cli.ts";
import { type ExitName, exitCode } from "./exit.ts";
import type { Host } from "./host.ts";
import { reportFailure } from "./report.ts";
import { SOON } from "./soon.ts";
import { VERSION } from "./version.ts";

/** Runs one command line. Returns the exit code; everything that goes wrong is told on standard error. */
export async function runFerry(argv: readonly string[], host: Host): Promise<number> {
  let exit: ExitName = "ok";
  const program = await programFor(argv, host, (ended) => {
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

async function programFor(argv: readonly string[], host: Host, onExit: (exit: ExitName) => void): Promise<Command> {
  const [name = ""] = argv;
  const soon = Object.hasOwn(SOON, name) ? SOON[name] : undefined;
  if (soon === undefined) return (await import("./program.ts")).makeProgram(host, onExit);
  const program = bareProgram(host);
  (await soon())(program, actFor(host, onExit));
  return program;
}

/** `ferry` without any command. */
export function bareProgram(host: Host): Command {
  return new Command("ferry")
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
}

/** @param onExit told how the command says that the program ends. */
export function actFor(host: Host, onExit: (exit: ExitName) => void): Act {
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
