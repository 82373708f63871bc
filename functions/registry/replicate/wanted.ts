/** The wanted set of one repository: which revisions should be in which stores, by policies, and by tags and labels that name a store. */
import { DEPLOY_PREFIX, deployStore, type Policy, type StoredPolicy } from "../../../shared/contract/replication.ts";
import type { RepositorySummary } from "../../../shared/contract/repositories.ts";
import { matchesGlob, RevisionId, type StoreId } from "../../../shared/names.ts";
import { epochMs } from "../../../shared/time.ts";
import { withWhole } from "../log.ts";
import { repositoryLog } from "../logs.ts";
import type { Ports, RepositoryState, RevisionEntry } from "../ports.ts";

/** `refs`: why. `urgent`: somebody has tagged it. */
export type Want = { revision: RevisionId; refs: string[]; urgent: boolean; allowances: Allowance[] };
/** How long a policy lets it be missing, counted from `fromMs` at the earliest, and from when the tag was set, in the record `tagSeq`. */
export type Allowance = { lagSeconds: number; fromMs: number; tagSeq: number | null };
export type WantedSet = Map<StoreId, Map<RevisionId, Want>>;

type Named = { name: string; revision: RevisionId; isTag: boolean };

export async function wantedOf(
  ports: Ports,
  repository: RepositorySummary,
  state: RepositoryState,
  policies: readonly StoredPolicy[],
): Promise<WantedSet> {
  const wanted: WantedSet = new Map();
  const known = new Set(ports.stores.all().map(({ profile }) => profile.id));
  known.delete(ports.stores.home.profile.id);
  const add = (store: StoreId, { name, revision, isTag }: Named, allowances: Allowance[] = []) => {
    if (!known.has(store)) return;
    const revisions = wanted.get(store) ?? new Map<RevisionId, Want>();
    wanted.set(store, revisions);
    const want = revisions.get(revision) ?? { revision, refs: [], urgent: false, allowances: [] };
    revisions.set(revision, {
      revision,
      refs: [...want.refs, name],
      urgent: want.urgent || isTag,
      allowances: [...want.allowances, ...allowances],
    });
  };
  const named = namedIn(state);
  for (const ref of named) {
    const store = ref.isTag ? deployStore(ref.name) : null;
    if (store !== null) add(store, ref);
  }
  for (const [revision, stores] of Object.entries(state.deploys)) {
    for (const store of stores) add(store, { name: `label ${DEPLOY_PREFIX}${store}`, revision: RevisionId.parse(revision), isTag: true });
  }
  for (const policy of policies) {
    for (const ref of await matchesOf(ports, repository, named, policy)) {
      for (const store of policy.stores) add(store, ref, allowancesOf(policy, ref, state));
    }
  }
  return wanted;
}

function allowancesOf({ lagSeconds, savedAt, ranAt }: StoredPolicy, { name, isTag }: Named, { tagSeqs }: RepositoryState): Allowance[] {
  if (lagSeconds === undefined) return [];
  const fromMs = Math.max(savedAt === undefined ? 0 : epochMs(savedAt), ranAt === null ? 0 : epochMs(ranAt));
  return [{ lagSeconds, fromMs, tagSeq: isTag ? (tagSeqs[name] ?? null) : null }];
}

function namedIn({ branches, tags }: RepositoryState): Named[] {
  const named = (refs: Readonly<Record<string, RevisionId>>, isTag: boolean) =>
    Object.entries(refs).map(([name, revision]) => ({ name, revision, isTag }));
  return [...named(tags, true), ...named(branches, false)];
}

/** What a policy asks for now: by its refs, or what its last run has pinned. */
async function matchesOf(ports: Ports, repository: RepositorySummary, named: readonly Named[], policy: StoredPolicy): Promise<Named[]> {
  if (policy.trigger === "commit" || policy.trigger === "tag") return matchingRefs(ports, repository, named, policy);
  const pins = policy.pins.filter(({ repositoryId }) => repositoryId === repository.id);
  return pins.map(({ revision }) => ({ name: `policy ${policy.name}`, revision, isTag: false }));
}

/** Refs of the repository that a policy's patterns match, whatever its trigger. */
export async function matchingRefs(ports: Ports, repository: RepositorySummary, named: readonly Named[], policy: Policy): Promise<Named[]> {
  if (!matchesGlob(policy.repositories, repository.repository)) return [];
  const refs = named.filter(({ name, isTag }) => (isTag || policy.trigger !== "tag") && matchesGlob(policy.refs, name));
  if (Object.keys(policy.labels).length === 0) return refs;
  const labelled: Named[] = [];
  for (const ref of refs) {
    const entry = await findEntry(ports, repository, ref.revision);
    if (entry !== null && Object.entries(policy.labels).every(([key, value]) => entry.labels[key] === value)) labelled.push(ref);
  }
  return labelled;
}

/** The same for a policy that is only looked at. */
export function matchesNow(ports: Ports, repository: RepositorySummary, state: RepositoryState, policy: Policy): Promise<Named[]> {
  return matchingRefs(ports, repository, namedIn(state), policy);
}

export function findEntry(ports: Ports, { id }: RepositorySummary, revision: RevisionId): Promise<RevisionEntry | null> {
  return withWhole(repositoryLog(ports, id), () => ports.repositories.findRevision(id, revision));
}
