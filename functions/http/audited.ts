/**
 * What of the API goes into the audit trail. `before`: written before the answer, for acts that take away, move or grant. `later`: within
 * seconds. `never`: reads that give no content. An act whose `about` is null did nothing, and is no event. Whatever the route, a caller who is
 * refused for want of a right is written before the answer, and one whose token is refused within seconds.
 */
import type { RouteAnswer, RouteBody, RouteName, RouteParams, RouteQuery, Routes } from "../../shared/contract/routes.ts";
import { type ErrorCode, FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { Refused } from "../registry/authenticate.ts";
import type { Caller } from "../registry/ports.ts";
import { afterAnswer } from "./after-answer.ts";
import type { EdgeContext } from "./edge.ts";

type About = Record<string, string | number | boolean | null | undefined>;
type Given<N extends RouteName> = { params: RouteParams<Routes[N]>; query: RouteQuery<Routes[N]>; body: RouteBody<Routes[N]> };
/** `repository` of what is said goes where the event names one, when the path does not. */
type Rule<N extends RouteName> =
  | "never"
  | { when: "before" | "later"; about?: (given: Given<N>, answer: RouteAnswer<Routes[N]> | undefined) => About | null };

/** A route without a row does not compile. Never a body's free texts, an upload's name or a secret. */
const RULES: { [N in RouteName]: Rule<N> } = {
  health: "never",
  about: "never",
  whoAmI: "never",
  listRepositories: "never",
  describeRepository: "never",
  listRevisions: "never",
  resolve: "never",
  manifest: "never",
  readRecipes: "never",
  diff: "never",
  repositoryUsage: "never",
  usage: "never",
  searchRevisions: "never",
  tagHistory: "never",
  listTrash: "never",
  listSessions: "never",
  listStores: "never",
  collectStatus: "never",
  stepCollect: "never",
  rebuildStatus: "never",
  stepRebuild: "never",
  fsckStatus: "never",
  stepFsck: "never",
  listKeys: "never",
  listSignatures: "never",
  listEvents: "never",
  listWebhooks: "never",
  readWebhook: "never",
  listDeliveries: "never",
  listHookSources: "never",
  heartbeat: "never",
  listAgents: "never",
  warmMap: "never",
  readCounters: "never",
  warmth: "never",
  listWarmups: "never",
  readWarmup: "never",
  listImports: "never",
  extendImport: "never",
  listPolicies: "never",
  previewPolicy: "never",
  syncStatus: "never",
  stepSync: "never",
  extendTask: "never",
  openUpload: "never",
  joinSession: "never",
  sealPart: "never",
  confirm: "never",
  sendRecipes: "never",

  createRepository: { when: "later", about: ({ body }) => ({ repository: body.repository }) },
  clone: { when: "later", about: ({ body }, made) => ({ from: body.from, ref: body.ref, branch: body.branch, revision: made?.revision }) },
  restoreBranch: { when: "later", about: ({ params, body }, made) => ({ branch: params.branch, ref: body.ref, revision: made?.revision }) },
  setLabels: { when: "later", about: ({ params }, made) => ({ ref: params.ref, revision: made?.revision }) },
  commit: { when: "later", about: (_, made) => ({ branch: made?.branch, revision: made?.revision }) },
  commitSession: { when: "later", about: (_, made) => ({ branch: made?.branch, revision: made?.revision }) },
  abortSession: { when: "later" },
  reserve: { when: "later", about: ({ body }, given) => ({ chunks: body.chunks.length, tickets: given?.tickets?.items.length ?? 0 }) },
  download: { when: "later", about: ({ params, body }) => ({ ref: params.ref, chunks: body.chunks.length, store: body.store }) },
  chunkTickets: { when: "later", about: ({ params, body }) => ({ ref: params.ref, chunks: body.chunks.length, group: body.group }) },
  startWarmup: {
    when: "later",
    about: ({ body }, made) => ({ id: body.operationId, ref: body.ref, group: body.group, revision: made?.warmup?.revision }),
  },
  cancelWarmup: { when: "later", about: ({ params }) => ({ id: params.warmup }) },
  startImport: { when: "later", about: ({ body }) => ({ id: body.operationId, branch: body.branch }) },
  cancelImport: { when: "later", about: ({ params }) => ({ id: params.import }) },
  leaseImport: {
    when: "later",
    about: ({ body }, answer) =>
      answer?.task === null ? null : { executor: body.executor, id: answer?.task?.id, repository: answer?.task?.repository },
  },
  finishImport: { when: "later", about: ({ params }, ended) => ({ id: params.import, state: ended?.state, revision: ended?.revision }) },
  probeStore: { when: "later", about: ({ params }) => ({ store: params.store }) },
  exchangeIdentity: { when: "later", about: (_, given) => ({ id: given?.id, name: given?.name, expiresAt: given?.expiresAt }) },
  listTokens: { when: "later" },
  listAudit: { when: "later" },
  readAuditBatches: { when: "later" },
  readAuditSeals: { when: "later" },

  deleteRepository: { when: "before" },
  renameRepository: { when: "before", about: ({ body }) => ({ to: body.repository }) },
  restoreRepository: { when: "before", about: ({ params }, made) => ({ id: params.id, repository: made?.repository }) },
  purgeRepository: { when: "before", about: ({ params, body }) => ({ id: params.id, now: body.now }) },
  trashRevisions: { when: "before", about: ({ body }) => revisionsOf(body.revisions) },
  restoreRevisions: { when: "before", about: ({ body }) => revisionsOf(body.revisions) },
  purgeRevisions: { when: "before", about: ({ body }, purged) => ({ now: body.now, ...revisionsOf(purged?.revisions ?? []) }) },
  runRetention: { when: "before", about: ({ body }, plan) => ({ dryRun: body.dryRun, revisions: plan?.deletes.length }) },
  deleteBranch: { when: "before", about: ({ params }) => ({ branch: params.branch }) },
  setTag: { when: "before", about: ({ params, body }, set) => ({ tag: params.tag, ref: body.ref, revision: set?.revision }) },
  deleteTag: { when: "before", about: ({ params }) => ({ tag: params.tag }) },
  rollbackTag: { when: "before", about: ({ params }, set) => ({ tag: params.tag, revision: set?.revision }) },
  lockTag: { when: "before", about: ({ params }) => ({ tag: params.tag }) },
  unlockTag: { when: "before", about: ({ params }) => ({ tag: params.tag }) },
  setSettings: { when: "before", about: ({ body }) => ({ settings: JSON.stringify(body.settings) }) },
  blockRepository: { when: "before", about: ({ body }) => ({ reason: body.reason }) },
  unblockRepository: { when: "before" },
  createToken: {
    when: "before",
    about: ({ body }, made) => ({ token: made?.description.id, name: body.name, kind: body.kind, scopes: JSON.stringify(body.scopes) }),
  },
  rotateToken: { when: "before", about: ({ params, body }) => ({ token: params.id, overlapSeconds: body.overlapSeconds }) },
  revokeToken: { when: "before", about: ({ params }) => ({ token: params.id }) },
  listUserGrants: "never",
  grantUser: {
    when: "before",
    about: ({ body }, grant) => ({
      grant: grant?.id,
      claim: body.claim,
      value: body.value,
      role: body.role,
      repositories: body.repositories,
    }),
  },
  revokeUserGrant: { when: "before", about: ({ params }) => ({ grant: params.id }) },
  addKey: { when: "before", about: ({ body }, key) => ({ key: key?.id, name: body.name }) },
  revokeKey: { when: "before", about: ({ params }) => ({ key: params.id }) },
  addSignature: { when: "before", about: ({ params, body }, signed) => ({ ref: params.ref, key: body.key, manifest: signed?.manifest }) },
  startCollect: { when: "before", about: ({ body }, answer) => ({ dryRun: body.dryRun, run: answer?.run?.run }) },
  cancelCollect: { when: "before", about: ({ params }) => ({ run: params.run }) },
  checkIndex: { when: "later" },
  startRebuild: { when: "before" },
  startFsck: { when: "before", about: ({ body }) => ({ readData: body.readData, verifyClaimed: body.verifyClaimed, repair: body.repair }) },
  cancelFsck: { when: "later" },
  setPolicy: {
    when: "before",
    about: ({ body: { policy } }) => ({ policy: policy.name, stores: policy.stores.join(" "), evict: policy.evict }),
  },
  runPolicy: { when: "before", about: ({ params }) => ({ policy: params.policy }) },
  removePolicy: { when: "before", about: ({ params }) => ({ policy: params.policy }) },
  promote: { when: "before", about: ({ body }, answer) => ({ dryRun: body.dryRun, store: answer?.store, lost: answer?.lost.length }) },
  verifyReplica: {
    when: "later",
    about: ({ body }, answer) => ({ store: body.store, revision: answer?.revision, missing: answer?.missing }),
  },
  cancelJob: { when: "later", about: ({ params }) => ({ store: params.store, job: params.job }) },
  leaseTask: {
    when: "later",
    // Executors with nothing to do ask four times a minute.
    about: ({ params, body }, answer) =>
      answer?.task === null ? null : { store: params.store, executor: body.executor, task: answer?.task?.task },
  },
  finishTask: { when: "later", about: ({ params, body }) => ({ store: params.store, task: body.task }) },
  createWebhook: { when: "before", about: ({ body }) => ({ webhook: body.name, events: body.events.join(" ") }) },
  removeWebhook: { when: "before", about: ({ params }) => ({ webhook: params.webhook }) },
  rotateWebhook: { when: "before", about: ({ params }) => ({ webhook: params.webhook }) },
  testWebhook: { when: "later", about: ({ params }) => ({ webhook: params.webhook }) },
  replayDelivery: { when: "later", about: ({ params }) => ({ webhook: params.webhook, delivery: params.delivery }) },
  setHookSource: { when: "before", about: ({ body }) => ({ source: body.name, kind: body.kind, rules: JSON.stringify(body.rules) }) },
  removeHookSource: { when: "before", about: ({ params }) => ({ source: params.source }) },
  receiveWebhook: { when: "later", about: ({ params }, receipt) => ({ source: params.webhook, id: receipt?.id, state: receipt?.state }) },
  setupStore: { when: "before", about: ({ params }) => ({ store: params.store }) },
};

function revisionsOf(revisions: readonly string[]): About {
  return { count: revisions.length, revisions: revisions.join(" ") };
}

/** What is known of a request by the time it ends. */
export type Seen<N extends RouteName> = {
  caller?: Caller;
  named?: RepositoryName | undefined;
  /** The caller was found to lack a right, whatever the answer says. */
  denied?: boolean;
  given?: Given<N>;
  answer?: RouteAnswer<Routes[N]>;
};

const REFUSED_RIGHTS: ReadonlySet<ErrorCode> = new Set(["PERMISSION_DENIED", "SCOPE_EXCEEDED", "ADDRESS_DENIED", "REPOSITORY_BLOCKED"]);
const REFUSED_CALLERS: ReadonlySet<ErrorCode> = new Set(["TOKEN_INVALID", "IDENTITY_INVALID", "RATE_LIMITED"]);

/** Records a request that ended, with `error` or without; waits until it is written when it must be. Throws STORAGE_UNAVAILABLE. */
export async function audit<N extends RouteName>(c: EdgeContext, name: N, seen: Seen<N>, error: unknown): Promise<void> {
  const result = error === null ? "OK" : error instanceof FerryError ? error.code : "INTERNAL";
  const when = whenOf(name, seen, result, error);
  if (when === "never") return;
  const caller = seen.caller ?? refusedIn(error)?.caller ?? undefined;
  const { audit: trail } = c.get("services");
  if (result === "RATE_LIMITED" && !trail.isNews(`${caller?.tokenId || c.get("address")} ${result}`)) return;
  const { repository = null, ...about } = aboutOf(name, seen) ?? {};
  trail.record({
    requestId: c.get("requestId"),
    address: c.get("address"),
    caller: caller === undefined || caller.tokenId === "" ? null : { id: caller.tokenId, name: caller.name },
    act: name,
    repository: seen.named ?? repository,
    about,
    result,
  });
  if (when === "before") await trail.flush();
  else if (trail.needsFlush()) afterAnswer(c, "audit", (services) => services.sleep(FLUSH_MS).then(() => services.audit.flush()));
}

/** How long events wait for others. */
const FLUSH_MS = 5_000;

function refusedIn(error: unknown): Refused | null {
  return error instanceof FerryError && error.cause instanceof Refused ? error.cause : null;
}

function whenOf<N extends RouteName>(name: N, seen: Seen<N>, result: ErrorCode | "OK", error: unknown): "before" | "later" | "never" {
  // What can't be a token is the network's noise: it was not looked up, costs nothing, and has no limit.
  if (result === "TOKEN_INVALID" && refusedIn(error) === null) return "never";
  if (seen.denied || (result !== "OK" && REFUSED_RIGHTS.has(result))) return "before";
  if (result !== "OK" && REFUSED_CALLERS.has(result)) return "later";
  const rule: Rule<N> = RULES[name];
  // Nobody asked for it whom anything is known of.
  if (rule === "never" || (seen.caller === undefined && result !== "OK")) return "never";
  return aboutOf(name, seen) === null ? "never" : rule.when;
}

function aboutOf<N extends RouteName>(name: N, { given, answer }: Seen<N>): Record<string, string> | null {
  const rule: Rule<N> = RULES[name];
  if (rule === "never" || rule.about === undefined || given === undefined) return {};
  const about = rule.about(given, answer);
  if (about === null) return null;
  const entries = Object.entries(about);
  return Object.fromEntries(entries.flatMap(([key, value]) => (value === undefined || value === null ? [] : [[key, String(value)]])));
}
