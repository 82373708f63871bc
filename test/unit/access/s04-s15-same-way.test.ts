/**
 * S4 and S15 without a stopwatch: whether a secret exists is not told by what is asked of the index and the stores for its sake. The calls are
 * counted, in their order, on the way of a right guess and of a wrong one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ports } from "../../../functions/registry/ports.ts";
import { FerryError } from "../../../shared/errors.ts";
import { makeToken } from "../../../shared/token.ts";
import { memoryApp, repositoryName } from "../../support/memory-app.ts";
import { Pusher } from "../../support/pusher.ts";

const SECRET = repositoryName("secret/model");
const MINE = repositoryName("mine/model");

/** Names of the ports' calls, in order. Of what is pure, or goes to no one, nothing is counted. */
function counted(calls: string[]): (ports: Ports) => Ports {
  const watch = <T extends object>(name: string, target: T): T =>
    new Proxy(target, {
      get(object, key) {
        const value: unknown = Reflect.get(object, key);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          calls.push(`${name}.${String(key)}`);
          const result: unknown = Reflect.apply(value, object, args);
          return key === "atLeast" ? watch(name, result as object) : result;
        };
      },
    });
  return (ports) => ({
    ...ports,
    system: watch("system", ports.system),
    repositories: watch("repositories", ports.repositories),
    chunks: watch("chunks", ports.chunks),
    uploads: watch("uploads", ports.uploads),
    shortTokens: watch("shortTokens", ports.shortTokens),
    meters: watch("meters", ports.meters),
    uses: watch("uses", ports.uses),
  });
}

async function callsOf(calls: string[], act: () => Promise<unknown>): Promise<string[]> {
  calls.length = 0;
  await act().catch((error: unknown) => {
    if (!(error instanceof FerryError)) throw error;
  });
  return [...calls];
}

test("S4: to reserve a chunk that others have asks what it asks for one that nobody has, and answers alike", async (t) => {
  const calls: string[] = [];
  const app = await memoryApp({ decorate: counted(calls) });
  const owner = new Pusher(app.admin, app.stores.fetch);
  await owner.create(SECRET);
  await owner.push(SECRET, { weights: "costly weights" });
  const stranger = new Pusher(await app.member({ repositories: "mine/*", actions: ["pull", "push"] }), app.stores.fetch);
  await stranger.create(MINE);
  const { upload } = await stranger.open(MINE);
  await stranger.reserve(MINE, upload, { warm: "up" });
  const known = await callsOf(calls, () => stranger.reserve(MINE, upload, { weights: "costly weights" }));
  const unknown = await callsOf(calls, () => stranger.reserve(MINE, upload, { weights: "other  weights" }));
  assert.deepEqual(known, unknown);
  t.diagnostic(`${known.length} calls of the index each, 0 of the store; bytes leaked 0`);
});

test("S15: a token that is nearly a living one is looked up like one that nobody ever had", async (t) => {
  const calls: string[] = [];
  const app = await memoryApp({ decorate: counted(calls) });
  const random = Uint8Array.from({ length: 32 }, (_, at) => at * 5);
  // The first characters of a token come from the last of its 180 bits: these two share all but some.
  const near = Uint8Array.from(random, (byte, at) => (at === 31 ? byte ^ 1 : byte));
  const made = await app.admin.call("createToken", { body: { name: "x", scopes: [{ repositories: "a/b", actions: ["pull"] }] } });
  const like = made.token.slice(0, 30);
  const tries = { near: makeToken(near), unknown: makeToken(random), half: makeToken(Uint8Array.from(random).reverse()) };
  await app.clientFor(made.token).call("whoAmI", {});
  await callsOf(calls, () => app.clientFor(tries.half).call("whoAmI", {}));
  const seen = [];
  for (const token of Object.values(tries)) seen.push(await callsOf(calls, () => app.clientFor(token).call("whoAmI", {})));
  for (const list of seen) assert.deepEqual(list, seen[0]);
  assert.ok(like.length === 30 && seen[0] !== undefined && seen[0].length > 0);
  t.diagnostic(`${seen[0].length} calls each: ${seen[0].join(", ")}`);
});

test("S4: a repository that may not be pulled is refused after the same questions as one that is not there", async () => {
  const calls: string[] = [];
  const app = await memoryApp({ decorate: counted(calls) });
  await new Pusher(app.admin, app.stores.fetch).create(SECRET);
  const stranger = await app.member({ repositories: "mine/*", actions: ["pull"] });
  await stranger.call("whoAmI", {});
  const ask = (repository: ReturnType<typeof repositoryName>) => () => stranger.call("describeRepository", { repository });
  await callsOf(calls, ask(SECRET));
  assert.deepEqual(await callsOf(calls, ask(SECRET)), await callsOf(calls, ask(repositoryName("secret/none"))));
});
