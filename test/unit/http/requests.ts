/** One request of each route that succeeds, so that what a test spoils of it is the only thing wrong; and what every refusal must be like. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { AUDIT_PREFIX } from "../../../functions/registry/layout.ts";
import { listAll } from "../../../functions/registry/listing.ts";
import { LoginProvider, type Redeemer } from "../../../functions/registry/login-provider.ts";
import type { Identities } from "../../../functions/registry/ports.ts";
import { planReplica } from "../../../functions/registry/replicate/plan.ts";
import { getRepository } from "../../../functions/registry/repositories.ts";
import { resolveRevision } from "../../../functions/registry/revisions.ts";
import { Trust } from "../../../functions/registry/trusts.ts";
import type { FerryClient } from "../../../shared/client.ts";
import type { ImportHeld } from "../../../shared/contract/imports.ts";
import { Problem, ROUTES, type RouteName, type RouteSpec } from "../../../shared/contract/routes.ts";
import { type Digest, sha256 } from "../../../shared/digest.ts";
import { ERRORS, type ErrorCode, isErrorCode } from "../../../shared/errors.ts";
import { type OperationId, RefName, type RepositoryName, type RevisionId, StoreId } from "../../../shared/names.ts";
import { encodeRecipe, type Recipe, recipeDigest } from "../../../shared/recipe.ts";
import { makeShortToken } from "../../../shared/token.ts";
import { ENDPOINT, type MemoryApp, memoryApp, operationId, repositoryName } from "../../support/memory-app.ts";
import { digestOf, entriesOf, type Files, Pusher } from "../../support/pusher.ts";
import { makeSigner } from "../../support/signer.ts";

export const MODEL = repositoryName("team/model");
const FILES: Files = { "config.json": "{}", "weights/a.bin": "aaaa", "weights/b.bin": "bbbbbb", empty: "" };
/** Two chunks of FILES, joined. */
const JOINED = "aaaabbbbbb";

export type JsonObject = { [key: string]: unknown };
export type Sample = { params?: Record<string, string>; query?: Record<string, string>; body?: JsonObject };

/**
 * An app with a repository that has two branches, two tags, a recipe, a revision in the trash, an open upload, and sessions to be sealed and
 * committed; another repository in the trash; a token that may do everything.
 */
export type World = {
  app: MemoryApp;
  token: string;
  upload: string;
  sample(name: RouteName): Sample;
  /** A session of a person who is administrator of MODEL. */
  person(): Promise<{ secret: string; csrf: string }>;
};

let untouched: Promise<World> | undefined;

/** The world of tests after which it must be as it was: one for all of a file. */
export function untouchedWorld(): Promise<World> {
  untouched ??= makeWorld();
  return untouched;
}

export async function makeWorld(): Promise<World> {
  const app = await memoryApp({
    ids: ["home", "west"],
    modes: ["payload", "md5"],
    decorate: (ports) => ({ ...ports, identities: believing() }),
    login: nobody,
  });
  const all = [{ repositories: "*", actions: ["pull", "push", "tag", "delete", "admin"] as const }];
  const made = await app.admin.call("createToken", {
    body: { name: "all", scopes: all.map((scope) => ({ ...scope, actions: [...scope.actions] })) },
  });
  const spare = await app.admin.call("createToken", { body: { name: "spare", scopes: [{ repositories: "a/b", actions: ["pull"] }] } });
  const client = app.clientFor(made.token);
  const pusher = new Pusher(client, app.stores.fetch);
  await pusher.create(MODEL);
  const recipe = joinedRecipe();
  const { upload, revision, manifest } = await pushAll(pusher, recipe);
  await pusher.push(MODEL, { "config.json": "{}" }, { branch: RefName.parse("other") });
  await client.call("setTag", { repository: MODEL, params: { tag: "v1" }, body: { ref: "main", operationId: operationId() } });
  const trash = await fillTrash(client, pusher);
  const shared = await joinAll(pusher);
  const signer = await makeSigner();
  await app.admin.call("addKey", { body: { name: "release", publicKey: signer.publicKey, operationId: operationId() } });
  const grant = await app.admin.call("grantUser", {
    body: { claim: "email", value: "ada@example.com", role: "reader", repositories: "team/*", operationId: operationId() },
  });
  const signing = { key: signer.id, signature: signer.sign(manifest), spareKey: (await makeSigner()).publicKey };
  const warmup = operationId();
  await client.call("startWarmup", { repository: MODEL, body: { operationId: warmup } });
  const lease = await lendSome(app);
  const delivery = await hookSome(app);
  const importing = await importSome(app);
  const named = {
    lease,
    delivery,
    importing,
    warmup,
    shared,
    signing,
    grant: grant.id,
    upload,
    revision,
    spare: spare.description.id,
    recipe,
    recipeDigest: await recipeDigest(encodeRecipe(recipe)),
    ...trash,
  };
  const samples = samplesOf(named);
  return { app, token: made.token, upload, sample: (name) => structuredClone(samples[name] ?? {}), person: () => openSession(app) };
}

async function openSession(app: MemoryApp): Promise<{ secret: string; csrf: string }> {
  const person = { sub: "grace", email: null, groups: [] };
  const body = { claim: "sub" as const, value: person.sub, role: "admin" as const, repositories: MODEL, operationId: operationId() };
  await app.admin.call("grantUser", { body });
  const secret = makeShortToken(new Uint8Array(randomBytes(32)));
  const caller = {
    tokenId: "0123456789abcdef",
    name: "grace",
    kind: "session" as const,
    scopes: [],
    networks: [],
    expiresAt: null,
    person,
  };
  await app.ports.shortTokens.keep(await sha256(secret), caller, 3_600);
  return { secret, csrf: (await app.services.login?.csrfOf(secret)) ?? "" };
}

/** A webhook, one delivery of it, and a sender whose webhooks are taken. */
async function hookSome({ admin }: MemoryApp): Promise<string> {
  const ours = { name: "ci", url: "https://ci.team.dev/hook", operationId: operationId() };
  await admin.call("createWebhook", { body: ours });
  await admin.call("setHookSource", { body: { name: "hub", kind: "github", operationId: operationId() } });
  return (await admin.call("testWebhook", { params: { webhook: "ci" } })).id;
}

/** A task that somebody holds, and a policy. */
async function lendSome(app: MemoryApp): Promise<{ task: string; fence: number }> {
  const policy = { name: "kept", repositories: MODEL, stores: ["west"].map((id) => StoreId.parse(id)), trigger: "manual" as const };
  await app.admin.call("setPolicy", { body: { policy, operationId: operationId() } });
  const job = await planFor(app);
  const lease = await app.ports.jobs.lease(job, app.clock.now(), app.clock.now() + 1e9);
  if (lease === null) throw new Error("no task was given out");
  return { task: lease.task, fence: lease.fence };
}

async function importSome({ admin }: MemoryApp): Promise<ImportHeld & { id: OperationId }> {
  const from = "hf://org/model@main";
  await admin.call("startImport", { repository: MODEL, body: { from, operationId: operationId() } });
  const { task } = await admin.call("leaseImport", { body: { executor: "a test", rules: [{ from }] } });
  if (task === null) throw new Error("no import was given out");
  return { id: task.id, lease: task.lease, fence: task.fence };
}

async function planFor({ ports }: MemoryApp): Promise<StoreId> {
  const store = StoreId.parse("west");
  const repository = await getRepository(ports, MODEL);
  const entry = await resolveRevision(ports, repository, "main");
  await planReplica(ports, { store, repository, entry, urgent: false, base: null });
  return store;
}

const IDENTITY = { iss: "https://issuer.test", aud: "https://ferry.test", sub: "robot" };
const IDENTITY_TOKEN = `e30.${Buffer.from(JSON.stringify(IDENTITY)).toString("base64url")}.AA`;

/** A provider that people could log in with: how they do has tests of its own. */
const nobody: Redeemer = {
  provider: LoginProvider.parse({
    issuer: IDENTITY.iss,
    authorizationUrl: `${IDENTITY.iss}/authorize`,
    tokenUrl: `${IDENTITY.iss}/token`,
    jwksUrl: `${IDENTITY.iss}/jwks`,
    clientId: "modelferry",
    redirectUrl: "https://ferry.test/auth/callback",
  }),
  redeem: async () => null,
};

/** Takes every token for its issuer's: verification has tests of its own. */
function believing(): Identities {
  const trust = Trust.parse({
    name: "all",
    issuer: IDENTITY.iss,
    jwksUrl: `${IDENTITY.iss}/jwks`,
    audience: IDENTITY.aud,
    claims: { sub: IDENTITY.sub },
    grants: { scopes: [{ repositories: "team/*", actions: ["pull"] }] },
  });
  return { trusts: [trust], verify: async () => ({ claims: IDENTITY }) };
}

function joinedRecipe(): Recipe {
  const chunks = [
    [digestOf("aaaa"), 4] as [Recipe["chunks"][number][0], number],
    [digestOf("bbbbbb"), 6] as [Recipe["chunks"][number][0], number],
  ];
  return {
    v: 1,
    chunker: "ta1",
    size: JOINED.length,
    sha256: digestOf(JOINED),
    chunks,
    extents: [
      [0, 0, 4],
      [1, 0, 6],
    ],
  };
}

/** Deletes the older revision of a branch, and a repository; the tag `stable` moves once. */
async function fillTrash(client: FerryClient, pusher: Pusher): Promise<{ old: RevisionId; trashed: RevisionId; gone: string }> {
  const branch = RefName.parse("other");
  const pushed = async (text: string) => (await pusher.push(MODEL, { text }, { branch })).revision.revision;
  const [trashed, old] = [await pushed("first"), await pushed("second")];
  await pushed("third");
  await client.call("trashRevisions", { repository: MODEL, body: { revisions: [trashed], operationId: operationId() } });
  for (const ref of ["main", "other"])
    await client.call("setTag", { repository: MODEL, params: { tag: "stable" }, body: { ref, force: true, operationId: operationId() } });
  const repository = repositoryName("team/gone");
  const { id } = await client.call("createRepository", { body: { repository, operationId: operationId() } });
  await client.call("deleteRepository", { repository, query: { operationId: operationId() } });
  return { old, trashed, gone: id };
}

/** Commits FILES and one file by recipe to main; then opens another upload of it, with every chunk and the recipe sent. */
async function pushAll(pusher: Pusher, recipe: Recipe): Promise<{ upload: string; revision: string; manifest: Digest }> {
  const { client } = pusher;
  const prove = async (): Promise<{ upload: string; parent: string | null; recipes: string[] }> => {
    const { upload, parent } = await pusher.open(MODEL);
    const reservation = await pusher.reserve(MODEL, upload, FILES);
    await pusher.send(reservation, FILES);
    await pusher.confirm(MODEL, upload, reservation);
    const { recipes } = await client.call("sendRecipes", { repository: MODEL, params: { upload }, body: { recipes: [recipe] } });
    return { upload, parent, recipes };
  };
  const { upload, recipes } = await prove();
  const files = [
    ...entriesOf(FILES),
    { path: "joined.bin", mode: "file" as const, size: JOINED.length, sha256: digestOf(JOINED), recipe: recipes[0] },
  ];
  const request = { operationId: operationId(), parent: null, message: "first", files } as never;
  const { revision, manifest } = await client.call("commit", { repository: MODEL, params: { upload }, body: request });
  return { upload: (await prove()).upload, revision, manifest };
}

/** A session of two parts, of which the second can be sealed, and one that can be committed. */
async function joinAll(pusher: Pusher): Promise<{ open: string; whole: string }> {
  const { client } = pusher;
  const join = async (session: string, parts: number) => {
    const body = { session, branch: "main", parts, operationId: operationId() } as never;
    const { upload } = await client.call("joinSession", { repository: MODEL, body });
    const reservation = await pusher.reserve(MODEL, upload, FILES);
    await pusher.send(reservation, FILES);
    await pusher.confirm(MODEL, upload, reservation);
    const files = entriesOf({ "config.json": "{}" });
    await client.call("sealPart", { repository: MODEL, params: { upload, part: "0" }, body: { files, operationId: operationId() } });
    return upload;
  };
  return { open: await join("open", 2), whole: await join("whole", 1) };
}

type Named = {
  delivery: string;
  importing: ImportHeld & { id: OperationId };
  lease: { task: string; fence: number };
  warmup: string;
  shared: { open: string; whole: string };
  grant: string;
  signing: { key: string; signature: string; spareKey: string };
  upload: string;
  revision: string;
  spare: string;
  recipe: Recipe;
  recipeDigest: string;
  old: string;
  trashed: string;
  gone: string;
};

function samplesOf(named: Named): { [N in RouteName]?: Sample } {
  const { upload, revision } = named;
  const [a, b] = [digestOf("aaaa"), digestOf("bbbbbb")];
  const joined = { path: "joined.bin", mode: "file", size: JOINED.length, sha256: digestOf(JOINED), recipe: named.recipeDigest };
  const link = { path: "weights/link", mode: "link", target: "a.bin" };
  return {
    listRepositories: { query: { namespace: "team", limit: "10" } },
    createRepository: { body: { repository: "team/new", operationId: operationId() } },
    deleteRepository: { query: { operationId: operationId() } },
    renameRepository: { body: { repository: "team/renamed", operationId: operationId() } },
    listRevisions: { query: { branch: "main", limit: "10", cursor: "100" } },
    resolve: { params: { ref: "main" } },
    manifest: { params: { ref: revision } },
    readRecipes: { params: { ref: "main" }, body: { recipes: [named.recipeDigest] } },
    download: { params: { ref: "main" }, body: { chunks: [a, b], store: "home" } },
    setTag: { params: { tag: "v2" }, body: { ref: "main", expected: null, force: false, message: "good", operationId: operationId() } },
    deleteTag: { params: { tag: "v1" }, query: { operationId: operationId(), expected: revision } },
    deleteBranch: { params: { branch: "other" }, query: { operationId: operationId() } },
    openUpload: { body: { branch: "new", operationId: operationId() } },
    reserve: {
      params: { upload },
      body: { attempt: 2, mode: "md5", chunks: [{ sha256: a, size: 4, md5: "dLhzN0VCANTTP4DEZj3F5Q==" }] },
    },
    confirm: { params: { upload }, body: { attempt: 1, chunks: [{ sha256: a, size: 4 }] } },
    sendRecipes: { params: { upload }, body: { recipes: [structuredClone(named.recipe) as unknown as JsonObject] } },
    commit: {
      params: { upload },
      body: {
        operationId: operationId(),
        attempt: 1,
        parent: revision,
        message: "second",
        files: [...entriesOf(FILES), joined, link],
        labels: { step: "1000" },
      },
    },
    ...sessionSamples(named),
    ...lifecycleSamples(named),
    ...agentSamples(named),
    ...importSamples(named),
    ...replicationSamples(named),
    ...hookSamples(named),
    startCollect: { body: { dryRun: true, shareMax: 0.5 } },
    startFsck: { body: { readData: 0.5, verifyClaimed: true, repair: true } },
    createToken: {
      body: {
        name: "ci",
        kind: "robot",
        scopes: [{ repositories: "team/*", actions: ["pull", "push"], stores: ["home"] }],
        networks: ["10.0.0.0/8"],
        expiresInSeconds: 3600,
      },
    },
    listAudit: { query: { since: "2026-01-01T00:00:00Z", result: "OK", limit: "10" } },
    readAuditBatches: { query: { limit: "10" } },
    readAuditSeals: { query: { limit: "10" } },
    exchangeIdentity: { body: { token: IDENTITY_TOKEN, audience: "https://ferry.test" } },
    rotateToken: { params: { id: named.spare }, body: { overlapSeconds: 60 } },
    blockRepository: { body: { reason: "leaked", operationId: operationId() } },
    unblockRepository: { query: { operationId: operationId() } },
    revokeToken: { params: { id: named.spare } },
    grantUser: { body: { claim: "groups", value: "ml", role: "writer", repositories: "team/*", operationId: operationId() } },
    revokeUserGrant: { params: { id: named.grant }, query: { operationId: operationId() } },
    addKey: { body: { name: "spare", publicKey: named.signing.spareKey, operationId: operationId() } },
    revokeKey: { params: { id: named.signing.key }, query: { operationId: operationId() } },
    listSignatures: { params: { ref: "main" } },
    addSignature: {
      params: { ref: revision },
      body: { key: named.signing.key, signature: named.signing.signature, operationId: operationId() },
    },
    probeStore: { params: { store: "home" } },
    setupStore: { params: { store: "home" } },
  };
}

function sessionSamples({ shared, revision }: Named): { [N in RouteName]?: Sample } {
  const link = { path: "weights/link", mode: "link", target: "a.bin" };
  return {
    joinSession: { body: { session: "job-7.step_100", branch: "new", parts: 2, operationId: operationId() } },
    sealPart: {
      params: { upload: shared.open, part: "1" },
      body: { files: [...entriesOf(FILES), link], attempt: 1, operationId: operationId() },
    },
    commitSession: {
      params: { upload: shared.whole },
      body: { parent: revision, message: "together", labels: { step: "1000" }, metrics: { loss: "0.031" }, source: { job: "7" } },
    },
    abortSession: { params: { upload: shared.open } },
  };
}

function hookSamples({ delivery }: Named): { [N in RouteName]?: Sample } {
  const [webhook, source] = [{ webhook: "ci" }, { source: "hub" }];
  const action = { kind: "replicate", policy: "kept" };
  const rules = [{ event: "push", from: "org/*", ref: "main", action }];
  return {
    listEvents: { query: { after: "0-0", limit: "10" } },
    createWebhook: {
      body: {
        name: "more",
        url: "https://more.team.dev/hook",
        events: ["tag.*", "revision.committed"],
        repositories: "team/*",
        format: "cloudevents",
        operationId: operationId(),
      },
    },
    readWebhook: { params: webhook },
    removeWebhook: { params: webhook, query: { operationId: operationId() } },
    rotateWebhook: { params: webhook, body: { operationId: operationId(), overlapSeconds: 60 } },
    testWebhook: { params: webhook },
    listDeliveries: { params: webhook, query: { limit: "10", state: "delivered" } },
    replayDelivery: { params: { ...webhook, delivery } },
    setHookSource: { body: { name: "hub", kind: "github", secret: "a-secret-of-16-or-more", rules, operationId: operationId() } },
    removeHookSource: { params: source, query: { operationId: operationId() } },
    receiveWebhook: { params: { webhook: "hub" } },
  };
}

function agentSamples({ warmup }: Named): { [N in RouteName]?: Sample } {
  const agent = { id: "node-1", address: "10.0.0.1:7077", zone: "a", weight: 1, labels: { gpu: "h100" }, version: "1" };
  const counts = { chunks: 4, chunksReady: 2, bytes: 400, bytesReady: 200, bytesPerSecond: 100 };
  return {
    listAgents: { query: { group: "default" } },
    warmMap: { query: { group: "default" } },
    readCounters: {},
    heartbeat: {
      body: {
        group: "default",
        agent: { ...agent, chunks: 1, bytes: 100, maxBytes: 1000 },
        leaving: false,
        reports: [{ warmup, state: "running", ...counts, problem: "" }],
      },
    },
    chunkTickets: { params: { ref: "main" }, body: { chunks: [digestOf("aaaa")], group: "default" } },
    warmth: { query: { ref: "main", group: "default" } },
    startWarmup: {
      body: {
        ref: "main",
        nodes: { kind: "count", count: 3 },
        mode: "each",
        deadlineSeconds: 600,
        trigger: { kind: "cron", cron: "0 9 * * 1-5", zone: "Asia/Shanghai", leadSeconds: 900 },
        operationId: operationId(),
      },
    },
    readWarmup: { params: { warmup } },
    cancelWarmup: { params: { warmup } },
  };
}

function importSamples({ importing: { id, ...held }, revision }: Named): { [N in RouteName]?: Sample } {
  const params = { import: id };
  const from = "s3://models/llama-3/";
  return {
    listImports: {},
    startImport: { body: { from, branch: "main", message: "from there", operationId: operationId() } },
    cancelImport: { params },
    leaseImport: { body: { executor: "a test", rules: [{ from: "s3://models/*", repositories: "team/*" }] } },
    extendImport: { params, body: held },
    finishImport: { params, body: { ...held, revision, unchanged: true, files: 1, bytes: 2, problem: "a test", again: true } },
  };
}

function replicationSamples({ lease }: Named): { [N in RouteName]?: Sample } {
  const policy = { name: "west", repositories: "team/*", refs: "release/*", labels: { step: "1" }, stores: ["west"], trigger: "tag" };
  const task = { store: "west" };
  return {
    setPolicy: { body: { policy: { ...policy, evict: true }, operationId: operationId(), yes: true } },
    previewPolicy: { body: { policy } },
    runPolicy: { params: { policy: "kept" }, body: { operationId: operationId() } },
    removePolicy: { params: { policy: "kept" }, query: { operationId: operationId() } },
    syncStatus: { query: { repository: MODEL } },
    verifyReplica: { body: { store: "west" } },
    cancelJob: { params: { ...task, job: "0123456789abcdef" } },
    leaseTask: { params: task, body: { executor: "a test" } },
    extendTask: { params: task, body: lease },
    finishTask: { params: task, body: { ...lease, problem: "a test", bad: [digestOf("aaaa")] } },
    promote: { body: { operationId: operationId(), dryRun: true } },
  };
}

function lifecycleSamples({ revision, old, trashed, gone }: Named): { [N in RouteName]?: Sample } {
  const operation = { operationId: operationId() };
  const rules = { keepLast: 2, keepEvery: 10, keepDays: 30, keepBest: { metric: "loss", count: 1, order: "min" } };
  const search = {
    author: "all",
    label: "step:1",
    metric: "loss",
    since: "2026-01-01T00:00:00Z",
    until: "2026-01-02T00:00:00Z",
    text: "x",
  };
  return {
    clone: { body: { from: "team/model", ref: "main", branch: "copy", expected: null, message: "copied", ...operation } },
    restoreBranch: { params: { branch: "main" }, body: { ref: old, expected: revision, message: "back", ...operation } },
    setLabels: {
      params: { ref: "main" },
      body: { labels: { step: "1000", old: null }, metrics: { loss: "0.031" }, merge: true, ...operation },
    },
    diff: { params: { ref: "other" }, query: { base: "main" } },
    usage: { query: { limit: "10" } },
    searchRevisions: { query: { namespace: "team", limit: "10", ...search } },
    lockTag: { params: { tag: "v1" }, body: operation },
    unlockTag: { params: { tag: "v1" }, query: operation },
    tagHistory: { params: { tag: "stable" }, query: { limit: "10" } },
    rollbackTag: { params: { tag: "stable" }, body: { message: "back", ...operation } },
    trashRevisions: { body: { revisions: [old], reason: "old", ...operation } },
    restoreRevisions: { body: { revisions: [trashed], ...operation } },
    purgeRevisions: { body: { revisions: [trashed], now: true, ...operation } },
    listTrash: { query: { limit: "10" } },
    restoreRepository: { params: { id: gone }, body: { repository: "team/again", ...operation } },
    purgeRepository: { params: { id: gone }, body: { now: true, ...operation } },
    setSettings: { body: { settings: { retention: rules, quota: { logicalBytes: 100, storedBytes: 100, objects: 10 } }, ...operation } },
    runRetention: { body: { dryRun: true, retention: { keepLast: 1 }, force: false, ...operation } },
  };
}

export const ROUTE_NAMES = Object.keys(ROUTES) as RouteName[];

export function routeOf(name: RouteName): RouteSpec {
  return ROUTES[name];
}

/** Method, path and query of a sample; parameters that it does not give are filled so that the path has its form. */
export function targetOf(name: RouteName, sample: Sample = {}, repository: RepositoryName = MODEL): { method: string; path: string } {
  const [namespace = "", model = ""] = repository.split("/");
  const values: Record<string, string> = { namespace, name: model, ...sample.params };
  const path = routeOf(name).path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(values[key] ?? "missing"));
  const query = new URLSearchParams(sample.query).toString();
  return { method: routeOf(name).method, path: query === "" ? path : `${path}?${query}` };
}

export type Body = NonNullable<RequestInit["body"]>;
export type Asked = {
  method: string;
  path: string;
  token?: string | undefined;
  headers?: Record<string, string>;
  body?: Body | undefined;
};

/** Sends it; a text body is sent as JSON unless the headers say otherwise. */
export function ask(app: MemoryApp, { method, path, token, headers = {}, body }: Asked): Promise<Response> {
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const init: RequestInit = { method, headers: { ...type, ...authorization, ...headers } };
  // `duplex` is what a body that is a stream needs.
  return app.fetch(ENDPOINT + path, body === undefined ? init : ({ ...init, body, duplex: "half" } as RequestInit));
}

export function askSample(world: World, name: RouteName, sample: Sample = world.sample(name)): Promise<Response> {
  const body = sample.body === undefined ? undefined : JSON.stringify(sample.body);
  return ask(world.app, { ...targetOf(name, sample), token: world.token, body });
}

/** A stack, a path of this machine, or a place in the sources. */
const INSIDES = /\n\s+at |node_modules|file:\/\/|\.(ts|js|mjs):\d|(?<![\w/])\/(work|home|root|tmp|usr|var)\//;

/** Checks all that every refusal has in common, and returns it. */
export async function refusal(response: Response, expected: ErrorCode | readonly ErrorCode[], said: string): Promise<Problem> {
  const text = await response.text();
  const codes = typeof expected === "string" ? [expected] : expected;
  const told = `${said}: ${response.status} ${text.slice(0, 300)}`;
  assert.equal(response.headers.get("content-type"), "application/problem+json", told);
  const problem = Problem.parse(JSON.parse(text));
  assert.ok(isErrorCode(problem.code) && codes.includes(problem.code), told);
  assert.deepEqual([response.status, problem.status], [ERRORS[problem.code].status, ERRORS[problem.code].status], told);
  assert.equal(problem.type, `urn:modelferry:error:${problem.code}`);
  assert.equal(problem.detail.length > 0 && problem.next.length > 0, true, told);
  assert.doesNotMatch(text, INSIDES, told);
  assert.ok(text.length < 4_000, `${told.slice(0, 400)}… has ${text.length} characters`);
  assertHeaders(response, problem.requestId, told);
  assert.equal(response.headers.get("x-error-code"), problem.code);
  assert.match(response.headers.get("x-error-message") ?? "", /^[\x20-\x7e]{1,500}$/);
  assert.equal(response.headers.has("www-authenticate"), problem.status === 401, told);
  assert.equal(response.headers.has("retry-after"), ERRORS[problem.code].retryable, told);
  assert.equal(response.headers.has("allow"), problem.status === 405, told);
  return problem;
}

export function assertHeaders(response: Response, requestId: string, told: string): void {
  assert.match(requestId, /^[A-Za-z0-9_-]{8,64}$/, told);
  assert.equal(response.headers.get("x-request-id"), requestId, told);
  assert.equal(response.headers.get("x-content-type-options"), "nosniff", told);
  assert.equal(response.headers.get("cache-control"), "no-store", told);
}

/** Every object of every store but the audit trail, and the ends of the logs: what "nothing was stored" compares. */
export async function stored({ app }: World): Promise<string[]> {
  const keys: string[] = [];
  for (const store of app.stores.all()) {
    for (const { key, sizeBytes, modifiedAtMs } of await listAll(store.bucket, "")) {
      if (!key.startsWith(AUDIT_PREFIX)) keys.push(`${store.profile.id} ${key} ${sizeBytes} ${modifiedAtMs}`);
    }
  }
  const repository = await app.admin.call("describeRepository", { repository: MODEL });
  return [...keys, JSON.stringify({ ...repository }), JSON.stringify(await app.ports.system.head())];
}
