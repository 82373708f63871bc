/**
 * Looks at a deployment from outside, by its API, and says what is wrong. Each check is some reads; what the caller may not read is not
 * checked. Nothing is changed, but that `thorough` looks after the index as the minute's bell does.
 */
import type { FerryClient } from "../client.ts";
import type { FsckRun } from "../contract/fsck.ts";
import type { RebuildStatus } from "../contract/recovery.ts";
import type { PolicySummary, ReplicaJobState } from "../contract/replication.ts";
import { FerryError } from "../errors.ts";
import { epochMs, isoTime } from "../time.ts";
import type { Trouble, TroubleCode } from "./troubles.ts";
import { agentsOfGroups, warmthOfGroups } from "./warmth.ts";

/** `thorough`: for one who waits: also what costs the deployment more than a read or two. */
export type Looking = { client: FerryClient; nowMs: number; thorough: boolean; signal?: AbortSignal };

/** `fine`: what was seen, in English, when there is no trouble. */
type Seen = { troubles: Trouble[]; fine: string };
type Look = (looking: Looking) => Promise<Seen>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const STALLED_HOURS = 1;
const TOKEN_MS_MIN = 7 * DAY_MS;
const SKEW_SECONDS_MAX = 60;
/** The bell begins a collection a day. */
const BELL_DAYS_MAX = 2;
/** Repositories whose quotas are looked at. */
const QUOTAS_MAX = 100;
const QUOTA_PERCENT = 90;
/** What only an index says that was made from other logs, or from more of them, than the bucket has. */
const OF_ANOTHER_BUCKET = new Set(["index.ahead", "index.unlike"]);
const LACKS_WHAT_WAS = /record \d+ was there, and is missing/;

const trouble = (code: TroubleCode, values: Trouble["values"] = {}): Trouble => ({ code, values });
const seen = (troubles: Trouble[], fine: string): Seen => ({ troubles, fine });

/** In the order in which somebody should read them: what is wrong above explains what is wrong below. */
export const CHECKS = {
  index: lookAtIndex,
  stores: async ({ client, signal }) => {
    const { stores } = await client.call("listStores", {}, signal);
    const troubles = stores.flatMap(({ id, probe }) => {
      if (probe === null) return [trouble("storeUnprobed", { store: id })];
      if (probe.modes.length === 0) return [trouble("storeRefusesNothing", { store: id })];
      const skewed = Math.abs(probe.clockSkewSeconds) > SKEW_SECONDS_MAX;
      return skewed ? [trouble("storeClock", { store: id, seconds: Math.round(probe.clockSkewSeconds) })] : [];
    });
    return seen(troubles, `${stores.length} probed`);
  },
  collection: async ({ client, nowMs, signal }) => {
    const { run } = await client.call("collectStatus", {}, signal);
    if (run === null) return seen([], "there was no run yet");
    const days = Math.floor((nowMs - (run.endedAtMs ?? run.startedAtMs)) / DAY_MS);
    const troubles = [
      ...(days < BELL_DAYS_MAX ? [] : [trouble("bellSilent", { days })]),
      ...(run.problem === null ? [] : [trouble("collectProblem", { problem: run.problem })]),
      ...(run.missing > 0 ? [trouble("collectMissing", { count: run.missing })] : []),
    ];
    return seen(troubles, `the newest run began ${isoTime(run.startedAtMs)}: ${run.phase}`);
  },
  damage: async ({ client, signal }) => {
    const { run } = await client.call("fsckStatus", {}, signal);
    if (run === null) return seen([], "nobody has looked for it yet; `ferry fsck` does");
    const unlike = run.findings.filter(({ kind }) => OF_ANOTHER_BUCKET.has(kind));
    const errors = run.findings.filter((finding) => finding.severity === "error" && !unlike.includes(finding));
    const first = errors[0] === undefined ? "" : `${errors[0].kind} ${errors[0].what}`;
    const troubles = [
      ...(errors.length === 0 ? [] : [trouble("damageFound", { count: errors.length, first })]),
      ...(await unlikeTroubles(client, unlike[0], signal)),
    ];
    return seen(troubles, `none in the look of ${isoTime(run.startedAtMs)}, over ${run.revisions} revisions`);
  },
  replicas: async ({ client, nowMs, signal }) => {
    const [{ jobs }, { policies }] = await Promise.all([client.call("syncStatus", {}, signal), client.call("listPolicies", {}, signal)]);
    const stores = [...new Set(jobs.map(({ store }) => store))];
    const troubles = stores.flatMap((store) =>
      replicaTroubles(
        store,
        jobs.filter((job) => job.store === store),
        { nowMs, lagSeconds: lagOf(store, policies) },
      ),
    );
    return seen(troubles, jobs.length === 0 ? "nothing waits to be copied" : `${jobs.length} are being copied`);
  },
  warmth: async ({ client, signal }) => {
    const groups = await warmthOfGroups(client, signal);
    const warmups = groups.flatMap((group) => group.warmups);
    const late = warmups.filter(({ state }) => state === "late");
    const troubles = late.map(({ repository, ref, nodesReady, nodesTarget }) =>
      trouble("warmupLate", { what: `${repository}@${ref}`, ready: nodesReady, target: nodesTarget }),
    );
    const nodes = groups.reduce((sum, group) => sum + group.nodes.length, 0);
    return seen(troubles, `${nodes} nodes in ${groups.length} groups, ${warmups.length} warm-ups, none late`);
  },
  agents: async ({ client, signal }) => {
    const [agents, { version }] = await Promise.all([agentsOfGroups(client, signal), client.call("about", {}, signal)]);
    const others = agents.filter((agent) => agent.version !== version).length;
    return seen(others === 0 ? [] : [trouble("agentVersions", { count: others, version })], `${agents.length} of version ${version}`);
  },
  webhooks: lookAtWebhooks,
  audit: async ({ client, nowMs, signal }) => {
    const { damaged } = await client.call("listAudit", { query: { since: isoTime(nowMs - DAY_MS), limit: 1 } }, signal);
    return seen(damaged.length === 0 ? [] : [trouble("auditDamaged", { count: damaged.length })], "what was read of the last day is whole");
  },
  tokens: async ({ client, nowMs, signal }) => {
    const { tokens } = await client.call("listTokens", {}, signal);
    const living = tokens.filter(({ revokedAt }) => revokedAt === null);
    const ending = living.filter(({ expiresAt }) => {
      const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : epochMs(expiresAt) - nowMs;
      return leftMs > 0 && leftMs < TOKEN_MS_MIN;
    });
    return seen(
      ending.map(({ name }) => trouble("tokenEnding", { name })),
      `${living.length} are good, none ends within 7 days`,
    );
  },
  quotas: lookAtQuotas,
} as const satisfies Record<string, Look>;

export type CheckName = keyof typeof CHECKS;

/** One check; null when the caller may not read what it needs. Throws what else goes wrong. */
export async function check(name: CheckName, looking: Looking): Promise<Seen | null> {
  try {
    return await CHECKS[name](looking);
  } catch (error) {
    if (error instanceof FerryError && error.status === 403) return null;
    // Whatever needs it says the same.
    if (name !== "index" && isOfIndex(error)) return seen([], "not looked at: the index can't be used");
    throw error;
  }
}

function isOfIndex(error: unknown): error is FerryError {
  return error instanceof FerryError && (error.code === "INDEX_UNAVAILABLE" || error.code === "INDEX_REBUILDING");
}

async function lookAtIndex(looking: Looking): Promise<Seen> {
  const { client, signal } = looking;
  try {
    const status = await client.call("rebuildStatus", {}, signal);
    return await indexSeen(looking, status).catch((error: unknown) => seen([indexTrouble(error, status.generation)], ""));
  } catch (error) {
    return seen([indexTrouble(error, "unknown")], "");
  }
}

async function indexSeen({ client, thorough, signal }: Looking, { run, generation }: RebuildStatus): Promise<Seen> {
  const look = thorough ? await client.call("checkIndex", {}, signal) : null;
  const isRebuilding = run !== null && run.phase !== "done";
  const damaged = [...new Set([...(look?.damaged ?? []), ...(isRebuilding ? run.damaged : [])])];
  const troubles = [
    ...(isRebuilding || look?.state === "rebuilding" ? [trouble("indexRebuilding")] : []),
    ...(damaged.length === 0 ? [] : [damageOf(damaged, generation)]),
  ];
  const fine = look === null ? "it answers" : `${look.state}; ${look.checked} logs were compared with the bucket`;
  return seen(troubles, `generation ${generation}: ${fine}`);
}

/** Throws what is no trouble of the index. */
function indexTrouble(error: unknown, generation: string): Trouble {
  if (!(error instanceof FerryError)) throw error;
  if (error.code === "LOG_DAMAGED") return damageOf([error.message], generation);
  if (error.code === "INDEX_REBUILDING") return trouble("indexRebuilding");
  if (error.code === "INDEX_UNAVAILABLE") return trouble("indexUnreachable", { problem: error.message });
  throw error;
}

/** A bucket that went back is told apart: its records are not damaged, and the index is what does not belong to it. */
function damageOf(damaged: readonly string[], generation: string): Trouble {
  const lacking = damaged.find((problem) => LACKS_WHAT_WAS.test(problem));
  if (lacking !== undefined) return trouble("indexUnlike", { generation, first: lacking });
  return trouble("indexDamaged", { count: damaged.length, first: damaged[0] ?? "" });
}

/** What the strictest policy of the store allows; null when none says. */
function lagOf(store: string, policies: readonly PolicySummary[]): number | null {
  const allowed = policies.filter(({ stores }) => stores.some((one) => one === store)).flatMap(({ lagSeconds }) => lagSeconds ?? []);
  return allowed.length === 0 ? null : Math.min(...allowed);
}

type Patience = { nowMs: number; lagSeconds: number | null };

function replicaTroubles(store: string, jobs: readonly ReplicaJobState[], { nowMs, lagSeconds }: Patience): Trouble[] {
  const of = (state: ReplicaJobState["state"]) => jobs.filter((job) => job.state === state);
  const [failed, retrying] = [of("failed"), of("retrying")];
  const stalled = of("copying").filter(
    ({ doneBytes, plannedAt }) => doneBytes === 0 && epochMs(plannedAt) < nowMs - STALLED_HOURS * HOUR_MS,
  );
  const lagging = jobs.filter(({ plannedAt }) => lagSeconds !== null && epochMs(plannedAt) < nowMs - lagSeconds * 1000);
  const told = (code: TroubleCode, some: readonly ReplicaJobState[], more: Trouble["values"] = {}) =>
    some.length === 0 ? [] : [trouble(code, { store, count: some.length, problem: some[0]?.problem ?? "", ...more })];
  return [
    ...told("replicaFailed", failed),
    ...told("replicaRetrying", retrying),
    ...told("replicaStalled", stalled, { hours: STALLED_HOURS }),
    ...told("replicaLagging", lagging, { minutes: Math.round((lagSeconds ?? 0) / 60) }),
  ];
}

async function unlikeTroubles(
  client: FerryClient,
  finding: FsckRun["findings"][number] | undefined,
  signal?: AbortSignal,
): Promise<Trouble[]> {
  if (finding === undefined) return [];
  const { generation } = await client.call("rebuildStatus", {}, signal);
  return [trouble("indexUnlike", { generation, first: `${finding.what}: ${finding.detail}` })];
}

async function lookAtWebhooks({ client, nowMs, signal }: Looking): Promise<Seen> {
  const { webhooks } = await client.call("listWebhooks", {}, signal);
  const troubles = await Promise.all(
    webhooks.map(async ({ name, disabled }) => {
      if (disabled !== null) return [trouble("webhookDisabled", { name, reason: disabled })];
      const asked = { params: { webhook: name }, query: { state: "failed", limit: 1 } } as const;
      const [last] = (await client.call("listDeliveries", asked, signal)).deliveries;
      const isNew = last !== undefined && epochMs(last.triedAt ?? last.createdAt) > nowMs - DAY_MS;
      return isNew ? [trouble("webhookFailing", { name, problem: last.problem ?? `status ${last.status}` })] : [];
    }),
  );
  return seen(troubles.flat(), `${webhooks.length}, none switched off or given up on in the last day`);
}

/** Of the first repositories only: each is a question of its own. */
async function lookAtQuotas({ client, thorough, signal }: Looking): Promise<Seen> {
  if (!thorough) return seen([], "");
  const { repositories, next } = await client.call("listRepositories", { query: { limit: QUOTAS_MAX } }, signal);
  const troubles: Trouble[] = [];
  for (const { repository } of repositories) {
    const { usage, settings } = await client.call("describeRepository", { repository }, signal);
    const shares = [
      [usage.logicalBytes, settings.quota?.logicalBytes],
      [usage.storedBytes, settings.quota?.storedBytes],
      [usage.objects, settings.quota?.objects],
    ] as const;
    const percent = Math.floor(Math.max(...shares.map(([used, limit]) => (limit == null || limit === 0 ? 0 : (100 * used) / limit))));
    if (percent >= QUOTA_PERCENT) troubles.push(trouble("quotaNear", { repository, percent }));
  }
  return seen(troubles, `none of ${repositories.length} repositories is near its own${next === null ? "" : "; there are more"}`);
}
