/** Every route at a follower, by somebody who may do everything: what it reads it answers, and no record is written. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { REPOSITORIES_PREFIX, SYSTEM_LOG_PREFIX } from "../../../functions/registry/layout.ts";
import type { RouteName } from "../../../shared/contract/routes.ts";
import { Problem } from "../../../shared/contract/routes.ts";
import { ask, ROUTE_NAMES, targetOf, untouchedWorld, type World } from "./requests.ts";

/** Of logs alone: everything that was ever acknowledged is told by them. */
async function records({ app }: World): Promise<string[]> {
  const lists = [REPOSITORIES_PREFIX, SYSTEM_LOG_PREFIX].map((prefix) => app.stores.home.bucket.list(prefix, { limit: 1000 }));
  return (await Promise.all(lists)).flatMap(({ objects }) => objects.map(({ key }) => key));
}

const told = new Map<string, number>();
after(() => assert.ok((told.get("FOLLOWER_READ_ONLY") ?? 0) > 20, "acts are refused because this is a follower"));

for (const name of ROUTE_NAMES) {
  // It is how a follower ends being one.
  if (name === "promote") continue;
  test(`${name}: writes no record at a follower`, async (t) => {
    const world = await untouchedWorld();
    Object.assign(world.app.services.ports, { follower: true });
    const before = await records(world);
    const code = await codeOf(world, name);
    told.set(code, (told.get(code) ?? 0) + 1);
    t.diagnostic(code);
    assert.notEqual(code, "INTERNAL");
    assert.deepEqual(await records(world), before);
  });
}

async function codeOf(world: World, name: RouteName): Promise<string> {
  const sample = world.sample(name);
  const body = sample.body === undefined ? undefined : JSON.stringify(sample.body);
  const response = await ask(world.app, { ...targetOf(name, sample), token: world.token, body });
  return response.ok ? "OK" : Problem.parse(await response.json()).code;
}
