/** `ferry agent`: the cache of a machine. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import * as z from "zod";
import { AgentId, GroupName } from "../../shared/contract/agents-names.ts";
import { ImportRule } from "../../shared/contract/imports.ts";
import { FerryError } from "../../shared/errors.ts";
import type { StoreId } from "../../shared/names.ts";
import { GiB } from "../../shared/units.ts";
import type { AgentDoor } from "../agent/doors.ts";
import type { Act } from "./act.ts";
import { Cli, GlobalFlags } from "./cli.ts";
import { clientFor } from "./client.ts";
import { BytesValue, collected, countValue, LabelsValue, SecondsValue, StoresValue } from "./values.ts";
import { VERSION } from "./version.ts";

export const AGENT_FOLDER = "/var/lib/modelferry";
const MAX_AGE_SECONDS = 30 * 86_400;
const SCRUB_PERCENT = 10;
const ORIGIN_WIDTH = 8;
const S3_SPOOL_BYTES = 100 * GiB;
const S3_KEEP_SECONDS = 7 * 86_400;
/** Somebody waits at a door, and has patience of his own. */
const CALLER_PATIENCE = { attempts: 2, timeoutMs: 20_000 };

const ListenValue = z.string().transform((text, context) => {
  if (text === "off") return null;
  const [, host = "", port = ""] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (host !== "" && Number(port) < 65_536) return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
  context.addIssue(`'${text}' is not host:port, such as 0.0.0.0:7077, or 'off'`);
  return z.NEVER;
});

/** SOURCE or SOURCE=REPOSITORIES, either with '*'. */
const RuleValue = z.string().transform((text, context): ImportRule => {
  const [, from = text, repositories] = /^(.+)=([^=]+)$/.exec(text) ?? [];
  const rule = ImportRule.safeParse({ from, ...(repositories === undefined ? {} : { repositories }) });
  if (rule.success) return rule.data;
  context.addIssue(
    `'${text}' is not a source such as hf://org/*, s3://bucket/prefix or /models/*, with =namespace/* when it is not for all`,
  );
  return z.NEVER;
});

const Agent = GlobalFlags.extend({
  args: z.tuple([]),
  cache: z.string().min(1).default(AGENT_FOLDER),
  maxBytes: BytesValue,
  maxAge: SecondsValue.default(MAX_AGE_SECONDS),
  keepFree: BytesValue.default(GiB),
  anyFileSystem: z.boolean().default(false),
  listen: ListenValue.default({ host: "0.0.0.0", port: 7077 }),
  advertise: z.string().min(1).optional(),
  socket: z.string().min(1).optional(),
  group: GroupName.default("default"),
  id: AgentId.optional(),
  zone: z.string().max(64).default(""),
  weight: countValue(1, 1000).default(1),
  label: LabelsValue.default({}),
  originConnections: countValue(1, 64).default(ORIGIN_WIDTH),
  scrub: countValue(0, 100).default(SCRUB_PERCENT),
  nodeLabels: z.boolean().default(false),
  execute: z.boolean().default(false),
  stores: StoresValue.optional(),
  importFrom: z.array(RuleValue).default([]),
  parallel: countValue(1, 32).default(6),
  hub: ListenValue.default(null),
  hubXet: z.boolean().default(false),
  hubAnonymous: z.string().min(1).optional(),
  s3: z
    .string()
    .transform((text) => (/^\d{1,5}$/.test(text) ? `127.0.0.1:${text}` : text))
    .pipe(ListenValue)
    .default(null),
  s3Spool: BytesValue.default(S3_SPOOL_BYTES),
  s3Keep: SecondsValue.default(S3_KEEP_SECONDS),
  s3Key: z.string().min(1).optional(),
  s3Anonymous: z.string().min(1).optional(),
});
type Agent = z.infer<typeof Agent>;

export function addAgent(program: Command, act: Act): void {
  program
    .command("agent")
    .summary("Run the cache of this machine.")
    .description(
      "Run the cache of this machine: pulls here take chunks from it, and the agents of a group bring each chunk from the store once for all of them. Its token needs the right to pull everything. Tells what happens as lines of JSON.",
    )
    .requiredOption("--max-bytes <size>", "what the cache may hold, such as 3TB")
    .option("--cache <dir>", `where chunks are kept, on a local disk (default: ${AGENT_FOLDER})`)
    .option("--max-age <time>", "what was not used for so long goes (default: 30d)")
    .option("--keep-free <size>", "of the disk, for others (default: 1GiB)")
    .option("--any-file-system", "also where the cache is on a network's file system")
    .option("--listen <address>", "where agents and pods reach it: host:port, or off (default: 0.0.0.0:7077)")
    .option("--advertise <address>", "host:port that the others are told, when it is another one")
    .option("--socket <path>", "the socket for pulls of this machine (default: agent.sock in the cache)")
    .option("--group <name>", "the ring that it joins (default: default)")
    .option("--id <name>", "its name in the ring (default: NODE_NAME, then the machine's name)")
    .option("--zone <name>", "what lies within is near: a chunk comes into it once")
    .option("--weight <n>", "its share of chunks against the others', 1 to 1000 (default: 1)")
    .option("--label <key=value>", "by which warm-ups may choose it; may be repeated", collected)
    .option("--origin-connections <n>", "requests to the store at the same time, 1 to 64 (default: 8)")
    .option("--scrub <percent>", "how much of the cache is read and hashed again each day (default: 10)")
    .option("--node-labels", "label its Node in Kubernetes with what is warm on it (needs the right to get and patch nodes)")
    .option("--execute", "also copy chunks into --stores, as replication asks; its token needs push on * at these stores")
    .option(
      "--import-from <source[=repositories]>",
      "with --execute: also import what `ferry import --job` asks for from here: hf://org/*, s3://bucket/*, https://host/*, /folder/*; =team/* says into what; may be repeated",
      collected,
    )
    .option("--stores <ids>", "the stores to copy into, parted by commas")
    .option("--parallel <n>", "chunks that are copied at once, 1 to 32 (default: 6)")
    .option("--hub <address>", "where clients of the Hub read by way of this cache: host:port (default: off)")
    .option("--hub-xet", "let them load parts of large files at the same time, by the Xet protocol")
    .option("--hub-anonymous <file>", "of a token that stands for those who send none, such as Ollama")
    .option("--s3 <address>", "where S3 clients read and upload: host:port, or a port of this machine alone (default: off)")
    .option("--s3-spool <size>", "what they uploaded and did not commit may take (default: 100GiB)")
    .option("--s3-keep <time>", "untouched for so long, it is thrown away (default: 7d)")
    .option("--s3-key <file>", "the key of their credentials, shared by agents that take the same ones (default: one of its own)")
    .option("--s3-anonymous <file>", "of a token as which those read who sign nothing")
    .action(act(Agent, (cli, flags) => agent(cli, flags)));
}

async function agent(cli: Cli, flags: Agent): Promise<void> {
  const { runAgent } = await import("../agent.ts");
  const { jsonLog } = await import("../agent/log.ts");
  const { host } = cli;
  const cache = resolve(flags.cache);
  // It still has to say that it leaves when the process is told to end.
  const lasting = { ...host, signal: new AbortController().signal };
  const own = new Cli(lasting, cli.flags);
  const { endpoint } = await own.settings();
  const settings = {
    client: await own.connect(),
    version: VERSION,
    group: flags.group,
    id: flags.id ?? (host.env["NODE_NAME"] || hostname()),
    zone: flags.zone,
    weight: flags.weight,
    labels: flags.label,
    cache,
    maxBytes: flags.maxBytes,
    maxAgeSeconds: flags.maxAge,
    keepFreeBytes: flags.keepFree,
    anySystem: flags.anyFileSystem,
    listen: flags.listen,
    advertise: flags.advertise ?? null,
    socket: flags.socket ?? join(cache, "agent.sock"),
    originWidth: flags.originConnections,
    scrubPercentPerDay: flags.scrub,
    cluster: flags.nodeLabels ? (await import("../agent/node-labels.ts")).clusterOf(host.env) : null,
    execute: { stores: executeIn(flags), parallel: flags.parallel },
    imports: { rules: flags.importFrom, env: host.env },
    doors: await doorsOf(flags),
    clientOf: (token: string) => clientFor(lasting, { endpoint, token }, CALLER_PATIENCE),
  };
  await runAgent(settings, { log: jsonLog((text) => host.stdout.write(text), host.now), signal: host.signal });
}

/** Doors beside the agent's own, each when its flag was given. */
function executeIn({ execute, stores, importFrom }: Agent): readonly StoreId[] {
  if (execute !== (stores !== undefined || importFrom.length > 0))
    throw new FerryError("USAGE_INVALID", {
      problem: "--execute goes with --stores, which says where to copy to, or --import-from, which says what to import",
    });
  return stores ?? [];
}

async function doorsOf({ hub, hubXet, hubAnonymous, ...flags }: Agent): Promise<AgentDoor[]> {
  const doors: AgentDoor[] = [];
  if (hub !== null) {
    const { hubDoor } = await import("../agent/hub.ts");
    const anonymous = hubAnonymous === undefined ? null : (await readFile(hubAnonymous, "utf8")).trim();
    doors.push(hubDoor(hub, { anonymous, xet: hubXet }));
  }
  if (flags.s3 !== null) {
    const { s3Door } = await import("../agent/s3-door.ts");
    const anonymousToken = flags.s3Anonymous === undefined ? null : (await readFile(flags.s3Anonymous, "utf8")).trim();
    const { s3: listen, s3Spool: spoolBytes, s3Keep: keepSeconds } = flags;
    doors.push(s3Door({ listen, spoolBytes, keepSeconds, keyFile: flags.s3Key ?? null, anonymousToken }));
  }
  return doors;
}
