/** `ferry warm`: brings a revision to nodes before somebody needs it; looks at that, and ends it. */
import type { Command } from "commander";
import * as z from "zod";
import { AgentId, GroupName } from "../../shared/contract/agents-names.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { NodeChoice, Warmup, WarmupSummary } from "../../shared/contract/warm.ts";
import { WarmMode, WarmupId } from "../../shared/contract/warm.ts";
import { CronText, TimeZone } from "../../shared/cron.ts";
import { FerryError } from "../../shared/errors.ts";
import { type RepositoryName, StoreId } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { newOperationId } from "./operation.ts";
import { bytesText, counted, durationText, facts, plain, table, timeText } from "./text.ts";
import { BytesValue, collected, countValue, RepositoryValue, SecondsValue, TargetValue } from "./values.ts";
import { addMap } from "./warm-map.ts";

const LOOK_MS = 1000;

/** `all`, `8`, `50%`, `node-1,node-2` or `gpu=h100,zone=a`. */
const NodesValue = z.string().transform((text, context): NodeChoice => {
  if (text === "all") return { kind: "all" };
  if (/^[1-9]\d{0,4}$/.test(text)) return { kind: "count", count: Number(text) };
  const percent = Number(/^(\d{1,3}(?:\.\d+)?)%$/.exec(text)?.[1]);
  if (percent > 0 && percent <= 100) return { kind: "percent", percent };
  const items = text.split(",");
  if (items.every((item) => /^[^=]+=[^=]*$/.test(item))) {
    return { kind: "labels", labels: Object.fromEntries(items.map((item) => item.split("=") as [string, string])) };
  }
  if (items.every((item) => AgentId.safeParse(item).success)) return { kind: "list", ids: items };
  context.addIssue(`'${text}' is not all, a number, a percentage, names of agents, or labels such as gpu=h100`);
  return z.NEVER;
});

const Start = GlobalFlags.extend({
  args: z.tuple([TargetValue]),
  nodes: NodesValue.default({ kind: "all" }),
  group: GroupName.default("default"),
  mode: WarmMode.default("each"),
  replicas: countValue(1, 16).default(1),
  deadline: SecondsValue.optional(),
  hold: SecondsValue.optional(),
  rate: BytesValue.optional(),
  at: CronText.optional(),
  zone: TimeZone.default("UTC"),
  lead: SecondsValue.default(900),
  follow: z.boolean().default(false),
  after: StoreId.optional(),
  include: z.array(z.string()).default([]),
  exclude: z.array(z.string()).default([]),
  check: z.boolean().default(false),
  evict: z.boolean().default(false),
  wait: z.boolean().default(false),
});
type Start = z.infer<typeof Start>;

export function addWarm(program: Command, act: Act): void {
  const warm = program
    .command("warm")
    .summary("Bring a revision to nodes before somebody needs it.")
    .description("Bring a revision to the caches of nodes (`ferry agent`) before somebody needs it, now or by a schedule.");
  addStart(warm, act);
  addLs(warm, act);
  addStatus(warm, act);
  addCancel(warm, act);
  addNodes(warm, act);
  addMap(warm, act);
}

function addStart(warm: Command, act: Act): void {
  warm
    .command("start", { isDefault: true })
    .summary("Begin a warm-up, or make a schedule; `ferry warm <target>` is the same.")
    .description(
      "Begin a warm-up: the chosen nodes bring all chunks of the revision, hash them, and keep them. With --at or --follow it is a schedule instead, which begins warm-ups by itself.",
    )
    .argument("<target>", `namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .option("--nodes <which>", "all, a number, 50%, names parted by commas, or labels such as gpu=h100 (default: all)")
    .option("--group <name>", "the agents' group (default: default)")
    .option("--mode <how>", "each: every node gets all of it; ring: every chunk is on --replicas nodes (default: each)")
    .option("--replicas <n>", "with --mode ring: on how many nodes, 1 to 16 (default: 1)")
    .option("--deadline <time>", "when it is over and nodes are not ready, that is told: 10m")
    .option("--hold <time>", "how long chunks are kept, and nodes that come later are warmed, too (default: 1d)")
    .option("--rate <rate>", "at most so many bytes a second on each node")
    .option("--at <cron>", "a schedule: ready at these times, such as '0 9 * * 1-5'")
    .option("--zone <name>", "the time zone of --at (default: UTC)")
    .option("--lead <time>", "with --at: how long before it begins (default: 15m)")
    .option("--follow", "a schedule: whenever the ref names another revision")
    .option("--after <store>", "with --follow: not before this store has all of the revision")
    .option("--include <glob>", "only files that match; may be repeated", collected)
    .option("--exclude <glob>", "no files that match; may be repeated", collected)
    .option("--check", "bring nothing: read and hash what is there")
    .option("--evict", "let it go from the nodes")
    .option("--wait", "until all nodes are ready; fails when it gets late")
    .action(act(Start, start));
}

async function start(cli: Cli, flags: Start): Promise<ExitName> {
  const [{ repository, ref }] = flags.args;
  const trigger = triggerOf(flags);
  if (flags.check && flags.evict) throw new FerryError("USAGE_INVALID", { problem: "choose one of --check and --evict" });
  if (flags.wait && trigger !== null) throw new FerryError("USAGE_INVALID", { problem: "--wait goes with no schedule" });
  const body = {
    ...whatIsMeant(flags),
    ref: ref ?? DEFAULT_BRANCH,
    ...(trigger === null ? {} : { trigger }),
    operationId: newOperationId(),
  };
  const { warmup, schedule } = await (await cli.connect()).call("startWarmup", { repository, body });
  if (warmup !== null && flags.wait) return waitFor(cli, repository, warmup.id);
  const id = warmup?.id ?? schedule?.id ?? "";
  const words = warmup === null ? "is scheduled" : `goes to ${counted(warmup.nodesTarget, "node")}`;
  cli.answer({ repository, warmup, schedule }, `${id}\n`);
  cli.note(`${repository}@${body.ref} ${words}; see \`ferry warm status ${repository} ${id}\``);
  return "ok";
}

function whatIsMeant({ nodes, group, mode, replicas, include, exclude, check, evict, deadline, rate, hold }: Start) {
  const action = evict ? ("evict" as const) : ("warm" as const);
  return {
    ...{ nodes, group, mode, replicas, include, exclude },
    action: check ? ("check" as const) : action,
    deadlineSeconds: deadline ?? null,
    bytesPerSecond: rate ?? null,
    ...(hold === undefined ? {} : { holdSeconds: hold }),
  };
}

function triggerOf({ at, zone, lead, follow, after }: Start) {
  if (after !== undefined && !follow) throw new FerryError("USAGE_INVALID", { problem: "--after goes with --follow" });
  if (at !== undefined && follow) throw new FerryError("USAGE_INVALID", { problem: "choose one of --at and --follow" });
  if (at !== undefined) return { kind: "cron" as const, cron: at, zone, leadSeconds: lead };
  return follow ? { kind: "follow" as const, ...(after === undefined ? {} : { store: after }) } : null;
}

async function waitFor(cli: Cli, repository: RepositoryName, id: string): Promise<ExitName> {
  const client = await cli.connect();
  for (;;) {
    const warmup = await client.call("readWarmup", { repository, params: { warmup: id } });
    if (warmup.state !== "running") {
      cli.answer({ repository, warmup }, warmupText(warmup));
      return warmup.state === "ready" ? "ok" : "failed";
    }
    await cli.host.sleep(LOOK_MS, cli.host.signal);
  }
}

const Ls = GlobalFlags.extend({ args: z.tuple([RepositoryValue]) });

function addLs(warm: Command, act: Act): void {
  warm
    .command("ls")
    .description("List warm-ups that are under way or held, the newest first, and schedules.")
    .argument("<repository>", "namespace/name")
    .action(
      act(Ls, async (cli, { args: [repository] }) => {
        const { warmups, schedules } = await (await cli.connect()).call("listWarmups", { repository });
        const rows = warmups.map(({ id, state, nodesReady, nodesTarget, ref, startedAt }) => [
          id,
          state,
          `${nodesReady}/${nodesTarget} nodes`,
          plain(ref),
          timeText(startedAt),
        ]);
        const planned = schedules.map(({ id, trigger, ref }) => [
          id,
          "schedule",
          trigger.kind === "cron" ? plain(`${trigger.cron} ${trigger.zone}`) : "follows",
          plain(ref),
          "",
        ]);
        cli.answer({ repository, warmups, schedules }, table([...rows, ...planned]));
      }),
    );
}

const One = GlobalFlags.extend({ args: z.tuple([RepositoryValue, WarmupId]) });

function addStatus(warm: Command, act: Act): void {
  warm
    .command("status")
    .description("A warm-up, node by node: state, bytes, rate, how long it may take.")
    .argument("<repository>", "namespace/name")
    .argument("<id>", "as `ferry warm` and `ferry warm ls` tell it")
    .action(
      act(One, async (cli, { args: [repository, id] }) => {
        const warmup = await (await cli.connect()).call("readWarmup", { repository, params: { warmup: id } });
        cli.answer({ repository, warmup }, warmupText(warmup));
      }),
    );
}

function addCancel(warm: Command, act: Act): void {
  warm
    .command("cancel")
    .summary("End a warm-up or a schedule.")
    .description("End a warm-up or a schedule: nothing more is brought, and nodes may let go of what they have.")
    .argument("<repository>", "namespace/name")
    .argument("<id>", "as `ferry warm` and `ferry warm ls` tell it")
    .action(
      act(One, async (cli, { args: [repository, id] }) => {
        await (await cli.connect()).call("cancelWarmup", { repository, params: { warmup: id } });
        cli.answer({ repository, id, cancelled: true }, `warm-up ${id} of ${repository} is ended\n`);
      }),
    );
}

const Nodes = GlobalFlags.extend({ args: z.tuple([]), group: GroupName.default("default") });

function addNodes(warm: Command, act: Act): void {
  warm
    .command("nodes")
    .description("List the agents of a group that are there: address, zone, what they hold.")
    .option("--group <name>", "the group (default: default)")
    .action(
      act(Nodes, async (cli, { group }) => {
        const { agents } = await (await cli.connect()).call("listAgents", { query: { group } });
        const rows = agents.map(({ id, address, zone, bytes, maxBytes, chunks }) => [
          plain(id),
          plain(address),
          plain(zone),
          `${bytesText(bytes)} of ${bytesText(maxBytes)}`,
          counted(chunks, "chunk"),
        ]);
        cli.answer({ group, agents }, table(rows));
      }),
    );
}

function warmupText(warmup: Warmup): string {
  const nodes = warmup.nodeList.map(({ node, state, bytesReady, bytes, bytesPerSecond, etaSeconds, problem }) => [
    plain(node),
    state,
    `${bytesText(bytesReady)} of ${bytesText(bytes)}`,
    bytesPerSecond === 0 ? "" : `${bytesText(bytesPerSecond)}/s`,
    etaSeconds === null || state !== "running" ? "" : `${durationText(etaSeconds)} left`,
    plain(problem),
  ]);
  return `${summaryText(warmup)}${table(nodes)}`;
}

function summaryText({ id, state, nodesReady, nodesTarget, repository, revision, deadlineAt }: WarmupSummary): string {
  return facts([
    ["warm-up", id],
    ["revision", `${repository}@${revision}`],
    ["state", `${state}, ${nodesReady} of ${counted(nodesTarget, "node")} ready`],
    ["deadline", deadlineAt === null ? null : timeText(deadlineAt)],
  ]);
}
