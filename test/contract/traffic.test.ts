/** On both runtimes: what a request spent stands in its answer and in /metrics, and requests beside one another do not mix. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Live, startLive } from "../support/live.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

for (const runtime of ["workerd", "node"] as const) {
  describe(runtime, { skip: whyNoRedis() }, () => {
    let live: Live;
    before(async () => {
      live = await startLive({ runtime });
      const folder = tempFolder();
      writeFileSync(join(folder.path, "config.json"), "{}");
      await live.ferry(["push", folder.path, "team/model"]);
      folder.remove();
    });
    after(() => live?.stop());

    const ask = (path: string) => fetch(`${live.stack.endpoint}${path}`, { headers: { authorization: `Bearer ${live.stack.token}` } });
    const counted = (answer: Response) => {
      const timing = answer.headers.get("server-timing") ?? "";
      const [, requests, commands] = /store;dur=\d+;desc="(\d+) requests", index;dur=\d+;desc="(\d+) commands"/.exec(timing) ?? [];
      assert.ok(requests !== undefined, timing);
      return { requests: Number(requests), commands: Number(commands) };
    };

    test("Server-Timing tells requests to stores and commands of the index, of this request alone", async () => {
      const resolve = "/api/v1/repositories/team/model/revisions/main";
      await ask(resolve);
      const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => ask(at % 2 === 0 ? "/healthz" : resolve)));
      for (const [at, answer] of answers.entries()) {
        assert.equal(answer.status, 200);
        const { requests, commands } = counted(answer);
        assert.equal(requests, 0);
        if (at % 2 === 0) assert.equal(commands, 0);
        else assert.ok(commands > 0 && commands <= 8, `${commands} commands`);
      }
    });

    test("/metrics has them by purpose, in all", async () => {
      const text = await (await ask("/metrics")).text();
      for (const line of [
        /ferry_store_operations_total\{store="home",class="A",for="push"\} [1-9]/,
        /ferry_store_operations_total\{store="home",class="B",for="push"\} [1-9]/,
        /ferry_index_commands_total\{for="push"\} [1-9]/,
        /ferry_index_commands_total\{for="pull"\} [1-9]/,
        /ferry_index_bytes_total\{direction="received",for="push"\} [1-9]/,
      ])
        assert.match(text, line);
    });
  });
}
