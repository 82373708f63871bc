/** `ferry sync status|run|cancel|verify|execute` and `ferry promote`: what is where, and getting it there. */
import { hostname } from "node:os";
import type { Command } from "commander";
import * as z from "zod";
import type { ReplicaJobState, SyncStatus, SyncStep, VerifyAnswer, VerifyRequest } from "../../shared/contract/replication.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { executeTasks } from "../agent/execute.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { addSyncCancel } from "./sync-cancel.ts";
import { bytesText, counted, durationText, plain, table } from "./text.ts";
import { countValue, RepositoryValue, StoresValue, StoreValue } from "./values.ts";

const PAUSE_MS = 1_000;

const Status = GlobalFlags.extend({ args: z.array(RepositoryValue).max(1) });
const Verify = GlobalFlags.extend({ args: z.tuple([RepositoryValue]), store: StoreValue });
const Execute = GlobalFlags.extend({ stores: StoresValue, parallel: countValue(1, 32).default(6), once: z.boolean().default(false) });
const Promote = GlobalFlags.extend({ dryRun: z.boolean().default(false) });

export function addSync(program: Command, act: Act): void {
  const sync = program.command("sync").helpCommand(false).description("See and drive replication between stores.");
  sync
    .command("status")
    .description("Jobs under way, and where a repository's revisions are.")
    .argument("[repository]", "namespace/name")
    .action(act(Status, status));
  sync.command("run").description("Compare and copy now, until nothing is left to do or nothing gets on.").action(act(GlobalFlags, run));
  addSyncCancel(sync, act);
  sync
    .command("verify")
    .description("Look whether a store has every chunk of a repository's replicas. What is missing is copied again.")
    .argument("<repository>", "namespace/name")
    .requiredOption("--store <id>", "the replica store")
    .action(act(Verify, verify));
  sync
    .command("execute")
    .description("Copy chunks into these stores from this machine, over HTTPS only, until it is stopped.")
    .requiredOption("--stores <ids>", "the stores to copy into, parted by commas")
    .option("--parallel <n>", "chunks at once (default: 6)")
    .option("--once", "leave when there is nothing to do")
    .action(act(Execute, execute));
}

export function addPromote(program: Command, act: Act): void {
  program
    .command("promote")
    .description("Make the store of a follower home, when the old home is lost. Tells what had not been replicated.")
    .option("--dry-run", "only tell what would be lost")
    .action(act(Promote, promote));
}

async function status(cli: Cli, { args: [repository] }: z.infer<typeof Status>): Promise<void> {
  const query = repository === undefined ? {} : { repository };
  const answer = await (await cli.connect()).call("syncStatus", { query });
  cli.answer(answer, statusText(answer, repository));
}

function statusText({ jobs, replicas }: SyncStatus, repository: RepositoryName | undefined): string {
  const rows = replicas.map(({ revision, refs, stores }) => [
    revision,
    plain(refs.slice(0, 3).join(", ")),
    ...stores.map(({ store, state, wanted }) => `${store}: ${state}${state === "absent" && wanted ? ", wanted" : ""}`),
  ]);
  const matrix = repository === undefined || rows.length === 0 ? "" : `${table(rows)}\n`;
  return `${matrix}${jobs.length === 0 ? "No job is under way.\n" : table(jobs.map(jobRow))}`;
}

function jobRow(job: ReplicaJobState): string[] {
  const { repository, revision, store, bytes, doneBytes, etaSeconds, problem, tasksLeft, failures } = job;
  const percent = bytes === 0 ? 100 : Math.floor((100 * doneBytes) / bytes);
  const eta = etaSeconds === null ? "" : `${durationText(etaSeconds)} left`;
  const why = problem === null ? "" : `${plain(problem)} (${counted(failures, "failure")})`;
  return [`${repository ?? "?"}@${revision}`, `to ${store}`, `${percent} % of ${bytesText(bytes)}`, `${tasksLeft} tasks`, eta, why];
}

async function run(cli: Cli): Promise<void> {
  const client = await cli.connect();
  const sum = { opened: 0, tasks: 0, chunks: 0, bytes: 0, ready: 0, evicted: 0 };
  let step: SyncStep;
  let idle = 0;
  do {
    step = await client.call("stepSync", {}, cli.host.signal);
    for (const key of ["opened", "tasks", "chunks", "bytes", "ready", "evicted"] as const) sum[key] += step[key];
    idle = step.opened + step.tasks + step.ready > 0 ? 0 : idle + 1;
    if (idle === 1) await cli.host.sleep(PAUSE_MS, cli.host.signal);
  } while (idle < 2);
  const copied = `${counted(sum.chunks, "chunk")} copied, ${bytesText(sum.bytes)}; ${counted(sum.ready, "replica")} ready, ${sum.evicted} given up\n`;
  const problems = step.problems.map((problem) => `${plain(problem)}\n`).join("");
  cli.answer({ ...sum, problems: step.problems }, problems + copied);
}

async function verify(cli: Cli, { args: [repository], store }: z.infer<typeof Verify>): Promise<ExitName | undefined> {
  const client = await cli.connect();
  const sum = { replicas: new Set<string>(), chunks: 0, missing: 0 };
  let after: string | null = null;
  do {
    const body: VerifyRequest = after === null ? { store } : { store, after };
    const answer: VerifyAnswer = await client.call("verifyReplica", { repository, body }, cli.host.signal);
    if (answer.revision !== null) sum.replicas.add(answer.revision);
    sum.chunks += answer.chunks;
    sum.missing += answer.missing;
    after = answer.next;
  } while (after !== null);
  const seen = `${counted(sum.replicas.size, "replica")}, ${counted(sum.chunks, "chunk")} looked at in ${store}`;
  cli.answer(
    { repository, store, replicas: sum.replicas.size, chunks: sum.chunks, missing: sum.missing },
    sum.missing === 0 ? `${seen}: all there.\n` : `${seen}: ${sum.missing} missing, to be copied again.\n`,
  );
  return sum.missing === 0 ? undefined : "failed";
}

async function execute(cli: Cli, { stores, parallel, once }: z.infer<typeof Execute>): Promise<void> {
  const client = await cli.connect();
  const { host } = cli;
  const note = cli.flags.quiet ? () => {} : (text: string) => host.stderr.write(`${text}\n`);
  const executor = `${hostname().slice(0, 40)}-${newOperationId().slice(0, 8)}`;
  const done = await executeTasks({ client, stores, executor, parallel, once, signal: host.signal, sleep: host.sleep, note });
  cli.answer(done, `${counted(done.tasks, "task")}, ${counted(done.chunks, "chunk")}, ${bytesText(done.bytes)} copied\n`);
}

async function promote(cli: Cli, { dryRun }: z.infer<typeof Promote>): Promise<void> {
  const client = await cli.connect();
  const operationId = newOperationId();
  let answer = await client.call("promote", { body: { operationId, dryRun } });
  while (answer.more && !dryRun) answer = await client.call("promote", { body: { operationId, dryRun } });
  const lost = table(answer.lost.map(({ repository, revision, refs }) => [`${repository}@${revision}`, plain(refs.join(", "))]));
  const head = dryRun ? `${answer.store} would be home` : `${answer.store} is home (epoch ${answer.epoch})`;
  cli.answer(answer, `${lost}${head}: ${counted(answer.ready, "revision")} there, ${answer.lost.length} not replicated\n`);
}
