/** What a push and a pull cost on real parts: the counts that the report is made of, beside what Redis says itself. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as z from "zod";
import { COMMANDS_FOR_ONE } from "../../shared/costs/estimate.ts";
import { type Live, startLive } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const FILES = 40;
const PUSHES = 3;
const Each = z.object({ times: z.number(), classA: z.number(), classB: z.number(), commands: z.number(), indexBytes: z.number() });
const Report = z.object({
  push: Each,
  pull: Each,
  lines: z.array(z.object({ what: z.string(), amount: z.number() })),
  month: z.record(z.string(), z.number()),
});

describe("what it costs", { skip: whyNoRedis() }, () => {
  let live: Live;
  before(async () => {
    live = await startLive({ runtime: "node" });
  });
  after(() => live?.stop());

  /** Commands that Redis has run, those that scripts called among them. */
  async function commandsRun(): Promise<number> {
    const headers = { authorization: `Bearer ${live.stack.bridge.token}` };
    const answer = await fetch(live.stack.bridge.url, { method: "POST", headers, body: JSON.stringify(["INFO", "commandstats"]) });
    const { result } = z.object({ result: z.string() }).parse(await answer.json());
    const told = /^cmdstat_(?:info|config|ping|hello|client|command|auth|select)/;
    return result
      .split(/\r?\n/)
      .filter((line) => !told.test(line))
      .reduce((sum, line) => sum + Number(/calls=(\d+)/.exec(line)?.[1] ?? 0), 0);
  }

  async function commandsCounted(): Promise<number> {
    const { counts } = await live.admin.call("readCounters", {});
    return Object.entries(counts).reduce((sum, [name, value]) => (name.startsWith("ferry_index_commands_total") ? sum + value : sum), 0);
  }

  test("ferry cost tells what pushes and pulls asked for; Redis ran about as many commands as it says", async (t) => {
    const before = { run: await commandsRun(), counted: await commandsCounted() };
    const folder = tempFolder();
    for (let push = 0; push < PUSHES; push++) {
      for (let at = 0; at < FILES; at++) writeFileSync(join(folder.path, `part-${at}.bin`), `${push} ${at}`);
      await live.ferry(["push", folder.path, "team/cost"]);
    }
    await live.ferry(["pull", "team/cost", join(folder.path, "back")]);
    folder.remove();
    const after = { run: await commandsRun(), counted: await commandsCounted() };
    const factor = (after.run - before.run) / (after.counted - before.counted);
    const { push, pull, lines } = Report.parse(await live.ferry(["cost"]));
    t.diagnostic(
      `a push of ${FILES} chunks: ${JSON.stringify(push)}; a pull: ${JSON.stringify(pull)}; commands run for one sent: ${factor.toFixed(2)}`,
    );
    assert.deepEqual([push.times, pull.times], [PUSHES, 1]);
    // Each chunk is written once by the client, looked at once by the deployment, and read once by the client.
    assert.ok(push.classA >= FILES && push.classA <= FILES + 12, `${push.classA} class A`);
    assert.ok(push.classB >= FILES && push.classB <= FILES + 20, `${push.classB} class B`);
    assert.ok(pull.classA === 0 && pull.classB >= FILES && pull.classB <= FILES + 12, `${pull.classB} class B`);
    assert.ok(factor > COMMANDS_FOR_ONE / 1.5 && factor < COMMANDS_FOR_ONE * 1.5, `${factor} commands for one`);
    assert.ok(lines.some(({ what, amount }) => what === "home: class A" && amount > 0));
  });
});
