/**
 * Every route with every kind of caller: who gets in, and what the others are told. A route without a row does not compile, and fails here.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, Scope } from "../../../shared/contract/access.ts";
import { Problem, type RouteName } from "../../../shared/contract/routes.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { digestOf } from "../../support/pusher.ts";
import { ask, MODEL, makeWorld, ROUTE_NAMES, routeOf, targetOf, type World } from "./requests.ts";

/** What a caller's scopes are; all but the last are about one repository. */
const CALLERS = {
  none: null,
  expired: null,
  revoked: null,
  /** May do everything, but not from here. */
  elsewhere: null,
  otherRepository: ["team/model-2", "pull", "push", "tag", "delete", "admin"],
  otherNamespace: ["team-2/model", "pull", "push", "tag", "delete", "admin"],
  /** May push and not pull. */
  blind: [MODEL, "push"],
  reader: [MODEL, "pull"],
  writer: [MODEL, "pull", "push"],
  tagger: [MODEL, "pull", "tag"],
  deleter: [MODEL, "pull", "delete"],
  admin: [MODEL, "admin"],
  deployment: ["*", "admin"],
} as const;
type CallerName = keyof typeof CALLERS;
const CALLER_NAMES = Object.keys(CALLERS) as CallerName[];

/** One letter for each caller, in their order. */
const PUBLIC = "++++ +++++++++";
const ANY = "---@ +++++++++";
const PULL = "---@ ???++++++";
const PUSH = "---@ ??+x+xx++";
const TAG = "---@ ???xx+x++";
const DELETE = "---@ ???xxx+++";
const ADMIN = "---@ ???xxxx++";
const DEPLOYMENT = "---@ xxxxxxxx+";
/** About a repository or a token that only the last may touch. */
const UNKNOWN = "---@ ????????+";
const EXCEEDED = "---@ ssssssss+";

const MATRIX: { [N in RouteName]: string } = {
  health: PUBLIC,
  about: PUBLIC,
  exchangeIdentity: PUBLIC,
  receiveWebhook: PUBLIC,
  listEvents: ANY,
  whoAmI: ANY,
  listRepositories: ANY,
  searchRevisions: ANY,
  usage: ANY,
  listTrash: ANY,
  listKeys: ANY,
  listStores: ANY,
  leaseImport: ANY,

  createRepository: UNKNOWN,
  restoreRepository: UNKNOWN,
  purgeRepository: UNKNOWN,
  createToken: EXCEEDED,
  rotateToken: DEPLOYMENT,
  revokeToken: DEPLOYMENT,

  describeRepository: PULL,
  listRevisions: PULL,
  resolve: PULL,
  manifest: PULL,
  readRecipes: PULL,
  download: PULL,
  diff: PULL,
  repositoryUsage: PULL,
  tagHistory: PULL,
  listSignatures: PULL,

  chunkTickets: PULL,
  warmth: PULL,
  listWarmups: PULL,
  readWarmup: PULL,
  listImports: PULL,

  openUpload: PUSH,
  reserve: PUSH,
  confirm: PUSH,
  sendRecipes: PUSH,
  commit: PUSH,
  restoreBranch: PUSH,
  listSessions: PUSH,
  joinSession: PUSH,
  abortSession: PUSH,
  sealPart: PUSH,
  addSignature: PUSH,
  commitSession: PUSH,
  // Whoever may push but not pull brings nothing here from there.
  clone: "---@ ???x+xx++",

  startImport: PUSH,
  cancelImport: PUSH,
  extendImport: PUSH,
  finishImport: PUSH,

  startWarmup: TAG,
  cancelWarmup: TAG,
  setTag: TAG,
  deleteTag: TAG,
  lockTag: TAG,
  rollbackTag: TAG,
  setLabels: TAG,

  deleteRepository: DELETE,
  // The new name has to be theirs, too.
  renameRepository: "---@ ???xxx??+",
  deleteBranch: DELETE,
  trashRevisions: DELETE,
  restoreRevisions: DELETE,
  runRetention: DELETE,
  // Its sample does not wait for 14 days.
  purgeRevisions: ADMIN,

  unlockTag: ADMIN,
  setSettings: ADMIN,
  blockRepository: ADMIN,
  unblockRepository: ADMIN,

  listTokens: DEPLOYMENT,
  addKey: DEPLOYMENT,
  listUserGrants: DEPLOYMENT,
  grantUser: DEPLOYMENT,
  revokeUserGrant: DEPLOYMENT,
  revokeKey: DEPLOYMENT,
  listAudit: DEPLOYMENT,
  readAuditBatches: DEPLOYMENT,
  readAuditSeals: DEPLOYMENT,
  listAgents: DEPLOYMENT,
  warmMap: DEPLOYMENT,
  readCounters: DEPLOYMENT,
  heartbeat: DEPLOYMENT,
  collectStatus: DEPLOYMENT,
  startCollect: DEPLOYMENT,
  stepCollect: DEPLOYMENT,
  cancelCollect: DEPLOYMENT,
  checkIndex: DEPLOYMENT,
  rebuildStatus: DEPLOYMENT,
  startRebuild: DEPLOYMENT,
  stepRebuild: DEPLOYMENT,
  fsckStatus: DEPLOYMENT,
  startFsck: DEPLOYMENT,
  stepFsck: DEPLOYMENT,
  cancelFsck: DEPLOYMENT,
  listPolicies: DEPLOYMENT,
  previewPolicy: DEPLOYMENT,
  setPolicy: DEPLOYMENT,
  runPolicy: DEPLOYMENT,
  removePolicy: DEPLOYMENT,
  syncStatus: DEPLOYMENT,
  stepSync: DEPLOYMENT,
  verifyReplica: ADMIN,
  cancelJob: DEPLOYMENT,
  leaseTask: DEPLOYMENT,
  extendTask: DEPLOYMENT,
  finishTask: DEPLOYMENT,
  promote: DEPLOYMENT,
  listWebhooks: DEPLOYMENT,
  createWebhook: DEPLOYMENT,
  readWebhook: DEPLOYMENT,
  removeWebhook: DEPLOYMENT,
  rotateWebhook: DEPLOYMENT,
  testWebhook: DEPLOYMENT,
  listDeliveries: DEPLOYMENT,
  replayDelivery: DEPLOYMENT,
  listHookSources: DEPLOYMENT,
  setHookSource: DEPLOYMENT,
  removeHookSource: DEPLOYMENT,
  probeStore: DEPLOYMENT,
  setupStore: DEPLOYMENT,
};

/** `+` is in: whatever it then comes to, it is none of the others. */
const TOLD: Record<string, ErrorCode[]> = {
  "-": ["TOKEN_MISSING", "TOKEN_INVALID"],
  "@": ["ADDRESS_DENIED"],
  "?": ["REPOSITORY_UNKNOWN"],
  x: ["PERMISSION_DENIED"],
  s: ["SCOPE_EXCEEDED"],
};
const REFUSALS = new Set(Object.values(TOLD).flat());

/** After these the world is another one: each caller who gets in needs a new one. */
const ENDING: ReadonlySet<RouteName> = new Set(["deleteRepository", "renameRepository", "restoreRepository", "purgeRepository"]);

/** Reading leaves the world as it is: one serves all such routes. */
const READ_ONLY = ROUTE_NAMES.filter((name) => routeOf(name).method === "GET");
let readGround: Promise<Ground> | undefined;
const groundFor = (name: RouteName): Promise<Ground> => {
  if (!READ_ONLY.includes(name)) return prepare();
  readGround ??= prepare();
  return readGround;
};

type Ground = { world: World; tokens: Record<CallerName, string | undefined>; secrets: string[] };

async function prepare(): Promise<Ground> {
  const world = await makeWorld();
  const { admin } = world.app;
  const make = async (scopes: Scope[], more: object = {}) =>
    (await admin.call("createToken", { body: { name: "some", scopes, ...more } })).token;
  const everything = [Scope.parse({ repositories: "*", actions: ["admin"] })];
  const revoked = await admin.call("createToken", { body: { name: "revoked", scopes: everything } });
  const tokens: Record<string, string | undefined> = {
    none: undefined,
    expired: await make(everything, { expiresInSeconds: 60 }),
    revoked: revoked.token,
    elsewhere: await make(everything, { networks: ["192.0.2.0/24"] }),
  };
  for (const [name, caller] of Object.entries(CALLERS)) {
    if (caller === null) continue;
    const [repositories, ...actions] = caller;
    tokens[name] = await make([Scope.parse({ repositories, actions: actions as Action[] })]);
  }
  const { id, refs } = await admin.call("describeRepository", { repository: MODEL });
  await admin.call("revokeToken", { params: { id: revoked.description.id } });
  world.app.clock.advance(61_000);
  // What only who may pull the repository may hear of.
  const secrets = [id, ...Object.values(refs.branches), digestOf("aaaa"), digestOf("bbbbbb"), "weights/a.bin"];
  return { world, tokens, secrets };
}

async function codeOf({ world, tokens }: Ground, name: RouteName, caller: CallerName): Promise<{ code: string; text: string }> {
  const sample = world.sample(name);
  const body = sample.body === undefined ? undefined : JSON.stringify(sample.body);
  const response = await ask(world.app, { ...targetOf(name, sample), token: tokens[caller], body });
  const text = await response.text();
  return { code: response.ok ? "OK" : Problem.parse(JSON.parse(text)).code, text };
}

test("every route has a row, and every row a letter for each caller", () => {
  assert.deepEqual(Object.keys(MATRIX).sort(), [...ROUTE_NAMES].sort());
  for (const [name, row] of Object.entries(MATRIX)) assert.equal(row.replace(" ", "").length, CALLER_NAMES.length, name);
});

test("what a route says it needs and its row agree", () => {
  const rows: Record<string, string> = { public: PUBLIC, pull: PULL, push: PUSH, tag: TAG, delete: DELETE, admin: ADMIN };
  for (const name of ROUTE_NAMES) {
    const { needs, deployment } = routeOf(name);
    // What needs a token alone is looked at closer by its use case, and these by theirs, too.
    if (needs === "token" || name === "clone" || name === "purgeRevisions" || name === "renameRepository") continue;
    assert.equal(MATRIX[name], deployment ? DEPLOYMENT : rows[needs], name);
  }
});

let cells = 0;
let sessionCells = 0;

/** Of a person who may do everything in one repository: with the header that proves a write, and without. */
async function tryAsPerson({ world, tokens: _, ...ground }: Ground, name: RouteName): Promise<void> {
  const sample = world.sample(name);
  const { secret, csrf } = await world.person();
  const asked = { ...targetOf(name, sample), body: sample.body === undefined ? undefined : JSON.stringify(sample.body) };
  const told = async (headers: Record<string, string>) => {
    const text = await (await ask(world.app, { ...asked, headers: { cookie: `__Host-ferry=${secret}`, ...headers } })).text();
    sessionCells++;
    return { text, code: text.startsWith("{") ? String(JSON.parse(text).code ?? "OK") : "OK" };
  };
  const letter = MATRIX[name].replace(" ", "")[CALLER_NAMES.indexOf("admin")] ?? "";
  const isWrite = routeOf(name).method !== "GET" && routeOf(name).needs !== "public";
  // First without: what is refused changes nothing.
  const bare = await told({});
  if (isWrite) assert.equal(bare.code, "CSRF_INVALID", `${name}: ${bare.text.slice(0, 200)}`);
  const proven = await told({ "x-ferry-csrf": csrf });
  // A session makes no tokens, for others or for itself.
  if (name === "createToken") assert.equal(proven.code, "PERMISSION_DENIED");
  else if (letter === "+") assert.ok(!REFUSALS.has(proven.code as ErrorCode), `${name}: a person is told ${proven.text.slice(0, 200)}`);
  else assert.ok(TOLD[letter]?.includes(proven.code as ErrorCode), `${name}: a person is told ${proven.text.slice(0, 200)}`);
  assert.ok(ground.secrets.length > 0);
}
for (const name of ROUTE_NAMES) {
  test(`${name}: ${MATRIX[name]}`, async () => {
    let ground = await groundFor(name);
    for (const [at, letter] of [...MATRIX[name].replace(" ", "")].entries()) {
      const caller = CALLER_NAMES[at] ?? "none";
      const { code, text } = await codeOf(ground, name, caller);
      if (letter === "+") assert.ok(!REFUSALS.has(code as ErrorCode), `${caller} gets in, and is told ${code}: ${text.slice(0, 200)}`);
      else
        assert.ok(TOLD[letter]?.includes(code as ErrorCode), `${caller} is told ${code} instead of ${TOLD[letter]}: ${text.slice(0, 200)}`);
      const mayPull = ["reader", "writer", "tagger", "deleter", "admin", "deployment"].includes(caller);
      if (!mayPull && caller !== "blind")
        for (const secret of ground.secrets) assert.ok(!text.includes(secret), `${caller} hears of ${secret}: ${text.slice(0, 300)}`);
      if (letter === "+" && ENDING.has(name)) ground = await prepare();
      cells++;
    }
    await tryAsPerson(ground, name);
  });
}

test("all cells were tried", (t) => {
  t.diagnostic(`${ROUTE_NAMES.length} routes × ${CALLER_NAMES.length} callers = ${cells} cells, and ${sessionCells} of sessions`);
  assert.equal(cells, ROUTE_NAMES.length * CALLER_NAMES.length);
  assert.equal(sessionCells, ROUTE_NAMES.length * 2);
});
