/** Policies: rules that say which revisions should be in which stores. They are in the system log, all in one record. */
import {
  PINS_MAX,
  POLICIES_MAX,
  POLICY_BYTES_MAX,
  type Policy,
  type PolicyPreview,
  type PolicySummary,
  PREVIEW_MAX,
  type StoredPolicy,
} from "../../../shared/contract/replication.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { matchesGlob, type OperationId, type RevisionId } from "../../../shared/names.ts";
import { epochMs, isoTime } from "../../../shared/time.ts";
import { actOnce } from "../acts.ts";
import { withWhole } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import type { Caller, Ports } from "../ports.ts";
import { listReady } from "./ready.ts";
import { wakeSweep } from "./reconcile.ts";
import { standingOf } from "./standing.ts";
import { findEntry, matchesNow } from "./wanted.ts";

/** Repositories that a preview or a run looks at in one request. */
const REPOSITORIES_MAX = 2_000;
const PAGE = 200;

export function summaryOfPolicy({ pins, ranAt, savedAt: _, ...policy }: StoredPolicy): PolicySummary {
  return { ...policy, pinned: pins.length, ranAt };
}

export async function listPolicies(ports: Ports): Promise<PolicySummary[]> {
  return (await standingOf(ports)).policies.map(summaryOfPolicy);
}

type Save = { policy: Policy; operationId: OperationId; yes: boolean };

/** Creates it, or replaces the one of its name; what that one's last run asked for stays. Throws STORE_UNKNOWN, POLICY_TOO_LARGE. */
export async function setPolicy(ports: Ports, caller: Caller, { policy, operationId, yes }: Save): Promise<PolicySummary> {
  for (const store of policy.stores) {
    if (ports.stores.get(store).profile.id === ports.stores.home.profile.id)
      throw new FerryError("REQUEST_INVALID", { problem: `stores: ${store} is home, which has everything` });
  }
  if ((policy.trigger === "cron") !== (policy.everyHours !== undefined))
    throw new FerryError("REQUEST_INVALID", { problem: "everyHours: goes with the trigger cron" });
  if (!yes) await refuseLarge(ports, policy);
  const savedAt = isoTime(ports.clock.now());
  const policies = await change(ports, caller, operationId, (all) => {
    const known = all.find(({ name }) => name === policy.name);
    const others = all.filter((other) => other !== known);
    if (others.length >= POLICIES_MAX) throw new FerryError("REQUEST_INVALID", { problem: `there are ${POLICIES_MAX} policies already` });
    return [...others, { ...policy, pins: known?.pins ?? [], ranAt: known?.ranAt ?? null, savedAt }];
  });
  return summaryOfPolicy(named(policies, policy.name));
}

async function refuseLarge(ports: Ports, policy: Policy): Promise<void> {
  const { bytes } = await previewPolicy(ports, policy);
  if (bytes > POLICY_BYTES_MAX) throw new FerryError("POLICY_TOO_LARGE", { policy: policy.name, bytes, limitBytes: POLICY_BYTES_MAX });
}

/** Throws POLICY_UNKNOWN. */
export async function removePolicy(ports: Ports, caller: Caller, name: string, operationId: OperationId): Promise<void> {
  await change(ports, caller, operationId, (all) => {
    const policy = named(all, name);
    return all.filter((other) => other !== policy);
  });
}

/** Asks for what a policy matches now. For one whose trigger is a commit or a tag that is nothing new; it is looked at sooner. */
export async function runPolicy(
  ports: Ports,
  caller: Pick<Caller, "name">,
  name: string,
  operationId: OperationId,
): Promise<PolicySummary> {
  const policy = named((await standingOf(ports)).policies, name);
  const pins = await pinsOf(ports, policy);
  const ranAt = isoTime(ports.clock.now());
  const policies = await change(ports, caller, operationId, (all) => {
    const current = named(all, name);
    return all.map((other) => (other === current ? { ...current, pins, ranAt } : other));
  });
  return summaryOfPolicy(named(policies, name));
}

async function pinsOf(ports: Ports, policy: StoredPolicy): Promise<StoredPolicy["pins"]> {
  if (policy.trigger === "commit" || policy.trigger === "tag") return [];
  const pins: StoredPolicy["pins"] = [];
  await eachMatch(ports, policy, async (repository, revisions) => {
    for (const revision of revisions.keys()) pins.push({ repositoryId: repository.id, revision });
    if (pins.length <= PINS_MAX) return true;
    throw new FerryError("REQUEST_INVALID", { problem: `policy ${policy.name} matches more than ${PINS_MAX} revisions; narrow it` });
  });
  return pins;
}

/** What a policy would match, and which replicas are missing of that. */
export async function previewPolicy(ports: Ports, policy: Policy): Promise<PolicyPreview> {
  const preview: PolicyPreview = { matches: 0, missing: 0, bytes: 0, more: false, replicas: [] };
  const whole = await eachMatch(ports, policy, async (repository, revisions) => {
    preview.matches += revisions.size;
    for (const store of policy.stores) {
      const present = await listReady(ports.stores.get(store).bucket, repository.id);
      for (const [revision, refs] of revisions) {
        if (present.has(revision)) continue;
        const sizeBytes = (await findEntry(ports, repository, revision))?.sizeBytes ?? 0;
        preview.missing++;
        preview.bytes += sizeBytes;
        if (preview.replicas.length < PREVIEW_MAX)
          preview.replicas.push({ repository: repository.repository, refs: refs.slice(0, 10), revision, store, sizeBytes });
      }
    }
    return preview.missing < REPOSITORIES_MAX;
  });
  return { ...preview, more: !whole };
}

type Visit = (repository: RepositorySummary, revisions: Map<RevisionId, string[]>) => Promise<boolean>;

/** Revisions that a policy's patterns match now, by repository. False when `visit` ended it, or there were too many repositories. */
async function eachMatch(ports: Ports, policy: Policy, visit: Visit): Promise<boolean> {
  let after: string | undefined;
  for (let seen = 0; seen < REPOSITORIES_MAX; seen += PAGE) {
    const page = await withWhole(systemLog(ports), () => ports.system.listRepositories({ after, limit: PAGE }));
    for (const repository of page.filter((one) => matchesGlob(policy.repositories, one.repository))) {
      const revisions = await revisionsIn(ports, repository, policy);
      if (revisions.size > 0 && !(await visit(repository, revisions))) return false;
    }
    if (page.length < PAGE) return true;
    after = page.at(-1)?.repository;
  }
  return false;
}

/** With the refs that name each. */
async function revisionsIn(ports: Ports, repository: RepositorySummary, policy: Policy): Promise<Map<RevisionId, string[]>> {
  const state = await withWhole(repositoryLog(ports, repository.id), () => ports.repositories.refs(repository.id));
  const revisions = new Map<RevisionId, string[]>();
  for (const { name, revision } of await matchesNow(ports, repository, state, policy))
    revisions.set(revision, [...(revisions.get(revision) ?? []), name]);
  return revisions;
}

/** Policies that run by the clock, and whose time has come. */
export async function runDue(ports: Ports): Promise<number> {
  const nowMs = ports.clock.now();
  const due = (await standingOf(ports)).policies.filter(
    ({ trigger, everyHours = 0, ranAt }) => trigger === "cron" && (ranAt === null || nowMs - epochMs(ranAt) >= everyHours * 3_600_000),
  );
  for (const { name, everyHours = 1 } of due) {
    const turn = Math.floor(nowMs / (everyHours * 3_600_000));
    await runPolicy(ports, { name: "cron" }, name, `policy-cron-${turn}-${name}`.slice(0, 64) as OperationId);
  }
  return due.length;
}

async function change(
  ports: Ports,
  caller: Pick<Caller, "name">,
  operationId: OperationId,
  edit: (policies: StoredPolicy[]) => StoredPolicy[],
): Promise<StoredPolicy[]> {
  const record = await actOnce(systemLog(ports), { operationId, actor: caller.name }, { op: "policies" }, async (_, ports) => {
    const { policies } = await ports.system.standing();
    return { op: "policies" as const, policies: edit(policies) };
  });
  await wakeSweep(ports);
  return record.policies;
}

function named(policies: readonly StoredPolicy[], name: string): StoredPolicy {
  const policy = policies.find((other) => other.name === name);
  if (policy === undefined) throw new FerryError("POLICY_UNKNOWN", { policy: name });
  return policy;
}
