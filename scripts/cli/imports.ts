/** `ferry import --job` and `ferry imports ls|show|cancel`: imports that the deployment keeps until an agent has done them. */
import type { Command } from "commander";
import * as z from "zod";
import { type Import, ImportFrom } from "../../shared/contract/imports.ts";
import { FerryError } from "../../shared/errors.ts";
import { OperationId, type RefName, type RepositoryName } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { bytesText, counted, plain, table, timeText } from "./text.ts";
import { RepositoryValue } from "./values.ts";

const LOOK_MS = 1_000;

const Ls = GlobalFlags.extend({ args: z.tuple([RepositoryValue]) });
const One = GlobalFlags.extend({ args: z.tuple([RepositoryValue, z.string().pipe(OperationId)]) });

export function addImports(program: Command, act: Act): void {
  const imports = program.command("imports").helpCommand(false).description("Imports that agents do (`ferry import --job`).");
  imports
    .command("ls")
    .description("Imports into a repository: to be done, and of the last month.")
    .argument("<repository>", "namespace/name")
    .action(act(Ls, list));
  imports
    .command("show")
    .description("One import, and how far it is.")
    .argument("<repository>", "namespace/name")
    .argument("<import>", "its id")
    .action(act(One, show));
  imports
    .command("cancel")
    .description("End an import that is not done. What it has committed by then stays.")
    .argument("<repository>", "namespace/name")
    .argument("<import>", "its id")
    .action(act(One, cancel));
}

export type Asking = {
  from: string;
  repository: RepositoryName;
  branch: RefName;
  message: string | undefined;
  create: boolean;
  wait: boolean;
};

/** Asks for an import, and with `wait` looks on until it is over. */
export async function askImport(cli: Cli, { from: text, repository, branch, message, create, wait }: Asking): Promise<ExitName> {
  const client = await cli.connect();
  const from = ImportFrom.safeParse(text);
  if (!from.success) throw new FerryError("USAGE_INVALID", { problem: `'${text}' is not ${from.error.issues[0]?.message}` });
  const body = { from: from.data, branch, ...(message === undefined ? {} : { message }), operationId: newOperationId() };
  const ask = () => client.call("startImport", { repository, body });
  const asked = await ask().catch(async (error: unknown) => {
    if (!create || !(error instanceof FerryError) || error.code !== "REPOSITORY_UNKNOWN") throw error;
    await client.call("createRepository", { body: { repository, operationId: newOperationId() } });
    return ask();
  });
  if (!wait) cli.note(`an agent that may read ${text} does it; see \`ferry imports show ${repository} ${asked.id}\``);
  const end = wait ? await ended(cli, repository, asked) : asked;
  cli.answer({ repository, ...end }, `${end.id}\n`);
  if (wait && end.state !== "done" && end.state !== "unchanged") {
    cli.note(`${end.state}: ${plain(end.problem ?? "")}`);
    return "failed";
  }
  return "ok";
}

async function ended(cli: Cli, repository: RepositoryName, asked: Import): Promise<Import> {
  const client = await cli.connect();
  for (let one = asked; ; ) {
    if (!["waiting", "running", "retrying"].includes(one.state)) return one;
    await cli.host.sleep(LOOK_MS, cli.host.signal);
    const { imports } = await client.call("listImports", { repository }, cli.host.signal);
    const next = imports.find(({ id }) => id === asked.id);
    if (next === undefined) throw new FerryError("IMPORT_UNKNOWN", { id: asked.id });
    one = next;
  }
}

async function list(cli: Cli, { args: [repository] }: z.infer<typeof Ls>): Promise<void> {
  const { imports } = await (await cli.connect()).call("listImports", { repository });
  cli.answer({ repository, imports }, imports.length === 0 ? "No imports.\n" : table(imports.map(rowOf)));
}

async function show(cli: Cli, { args: [repository, id] }: z.infer<typeof One>): Promise<void> {
  const { imports } = await (await cli.connect()).call("listImports", { repository });
  const one = imports.find((each) => each.id === id);
  if (one === undefined) throw new FerryError("IMPORT_UNKNOWN", { id });
  cli.answer({ repository, ...one }, table([rowOf(one)]));
}

async function cancel(cli: Cli, { args: [repository, id] }: z.infer<typeof One>): Promise<void> {
  await (await cli.connect()).call("cancelImport", { repository, params: { import: id } });
  cli.answer({ repository, id, cancelled: true }, `${id} is cancelled\n`);
}

function rowOf({ id, from, branch, state, requestedAt, by, executor, revision, files, bytes, problem, failures }: Import): string[] {
  const done = revision === null ? "" : `${revision.slice(0, 12)}, ${counted(files, "file")}, ${bytesText(bytes)}`;
  const why = problem === null ? "" : `${plain(problem)} (${counted(failures, "failure")})`;
  return [id, state, `${plain(from)} to ${branch}`, timeText(requestedAt), plain(by), plain(executor ?? ""), done, why];
}
