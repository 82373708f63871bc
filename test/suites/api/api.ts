/** What API v1 must do, wherever it runs and whatever its home store is: every route is answered, by the same rules. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { ACCESS } from "./access.ts";
import { EVENTS } from "./events.ts";
import { LIFECYCLE } from "./lifecycle.ts";
import { OPERATIONS } from "./operations.ts";
import { PROTOCOL } from "./protocol.ts";
import { REPLICATION } from "./replication.ts";
import { WIRE } from "./wire.ts";
import { type ApiGround, ApiWorld } from "./world.ts";

export type Guarantees = Record<string, (world: ApiWorld) => Promise<void>>;
export type OpenGround = ApiGround & { close(): Promise<void> };

/** `open` starts a system of two probed stores, `home` and `west`, that nobody else uses; or says why there is none here. */
export function apiSuite(name: string, open: () => Promise<OpenGround | { reason: string }>): void {
  describe(`the API on ${name}`, () => {
    let ground: OpenGround | { reason: string };
    let world: ApiWorld | undefined;
    before(async () => {
      ground = await open();
      if (!("reason" in ground)) world = new ApiWorld(ground);
    });
    after(async () => {
      if ("close" in ground) await ground.close();
    });
    const guarantees: Guarantees = { ...WIRE, ...PROTOCOL, ...LIFECYCLE, ...ACCESS, ...REPLICATION, ...EVENTS, ...OPERATIONS };
    for (const [title, guarantee] of Object.entries(guarantees)) {
      test(title, async (t) => {
        if ("reason" in ground) return t.skip(ground.reason);
        if (world === undefined) throw new Error("the system did not start");
        await guarantee(world);
      });
    }
    test("every route of the contract was answered as the contract says", (t) => {
      if ("reason" in ground) return t.skip(ground.reason);
      const missed = Object.keys(ROUTES).filter((route) => !(world?.answered as Set<string> | undefined)?.has(route));
      t.diagnostic(`${world?.answered.size} of ${Object.keys(ROUTES).length} routes`);
      assert.deepEqual(missed, []);
    });
  });
}
