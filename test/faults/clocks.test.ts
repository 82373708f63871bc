/**
 * F22 of reference/safety.md §6: the clock of the server, or of the client, is wrong by 10 minutes or 2 hours, both ways. A push is acknowledged
 * or refused, never half; what is acknowledged reads back; collection refuses to begin on a clock that is more than 5 minutes off.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startNodeServer } from "../../scripts/stack/node-server.ts";
import { FerryClient } from "../../shared/client.ts";
import { FerryError } from "../../shared/errors.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { type Acknowledged, judgeCrowd } from "../support/crowd.ts";
import { FERRY, ferryProcess } from "../support/ferry-process.ts";
import { type Live, startLive } from "../support/live.ts";
import { operationId, repositoryName } from "../support/memory-app.ts";
import { Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";
import { snapshot } from "../support/trees.ts";

const MINUTE_MS = 60_000;
const SKEWS = [-120, -10, 10, 120];
const SERVER = fileURLToPath(new URL("../support/skewed-server.ts", import.meta.url));
const CLOCK = new URL("../support/skewed-clock.ts", import.meta.url).href;

describe("clocks that are wrong, on Node, real Redis and local R2", { skip: whyNoRedis() }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferry-clocks-"));
  let live: Live;
  before(async () => {
    live = await startLive({ runtime: "node" });
  });
  after(async () => {
    await live?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("F22: of a server: what it acknowledged reads back by another, and it never collects", { timeout: 120_000 }, async (t) => {
    const acknowledged = new Map<RepositoryName, Acknowledged[]>();
    for (const minutes of SKEWS) {
      const vars = { ...live.stack.vars, CLOCK_SKEW_MS: String(minutes * MINUTE_MS) };
      const server = await startNodeServer({ home: folder, vars, redisUrl: live.stack.redis.url, file: SERVER });
      try {
        const sleep = async () => {};
        const client = new FerryClient({ endpoint: server.url, token: live.stack.token, fetch, sleep, random: Math.random, attempts: 2 });
        const repository = repositoryName(`clocks/server${minutes}`);
        const pushed = await pushTo(client, repository);
        if (typeof pushed !== "string") acknowledged.set(repository, [pushed]);
        const collected = await client.call("startCollect", { body: { dryRun: false } }).catch(codeOf);
        t.diagnostic(
          `server ${minutes} min: push ${typeof pushed === "string" ? pushed : "acknowledged"}, collection ${String(collected)}`,
        );
        // Beyond 15 minutes the store itself refuses what is signed by such a clock.
        assert.equal(collected, Math.abs(minutes) > 15 ? "STORAGE_UNAVAILABLE" : "COLLECT_REFUSED");
      } finally {
        await server.stop();
      }
    }
    const verdict = await judgeCrowd(live, { acknowledged, failures: 0, longestMs: 0 });
    t.diagnostic(`${verdict.revisions} acknowledged, lost ${verdict.lost}, torn ${verdict.torn}`);
    assert.deepEqual([verdict.lost, verdict.torn, verdict.doubled], [0, 0, 0]);
    assert.ok(verdict.revisions > 0);
  });

  test("F22: of a client: pushes and pulls go by the server's times", { timeout: 120_000 }, async (t) => {
    const source = mkdtempSync(join(folder, "source-"));
    writeFileSync(join(source, "weights.bin"), Buffer.alloc(300_000, 7));
    for (const minutes of SKEWS) {
      const run = async (...argv: string[]) => {
        const env = { ...live.env(), CLOCK_SKEW_MS: String(minutes * MINUTE_MS) };
        const ran = await ferryProcess(argv, { env, command: [process.execPath, "--import", CLOCK, FERRY] });
        assert.equal(ran.exit, 0, `${minutes} min: ferry ${argv[0]}: ${ran.stderr}`);
      };
      writeFileSync(join(source, "own.txt"), String(minutes));
      await run("push", source, `clocks/client${minutes}`);
      const target = join(folder, `pulled${minutes}`);
      await run("pull", `clocks/client${minutes}`, target);
      assert.deepEqual(snapshot(target), snapshot(source));
    }
    t.diagnostic(`clients ${SKEWS.join(", ")} min off: pushed and pulled, byte-identical`);
  });
});

async function pushTo(client: FerryClient, repository: RepositoryName): Promise<Acknowledged | string> {
  const pusher = new Pusher(client, fetch as never);
  const files = { own: `${repository} ${operationId()}` };
  try {
    await pusher.create(repository);
    const { revision } = await pusher.push(repository, files, { message: repository });
    return { revision: revision.revision, seq: revision.seq, files, message: repository };
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof FerryError ? error.code : String(error);
}
