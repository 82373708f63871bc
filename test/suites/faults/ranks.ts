/** F20 of reference/safety.md §6: many processes push one checkpoint together; and what happens when one of them does not. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { FerryError } from "../../../shared/errors.ts";
import { MiB } from "../../../shared/units.ts";
import type { FaultGround } from "../../support/fault-ground.ts";
import { ferryProcess } from "../../support/ferry-process.ts";
import { type Live, seededBytes, writeSafetensors } from "../../support/live.ts";
import { repositoryName } from "../../support/memory-app.ts";
import type { Ran } from "../../support/memory-host.ts";
import { listKeys } from "../../support/s3-keys.ts";
import { snapshot, tempFolder } from "../../support/trees.ts";

const PART_BYTES = 4 * MiB;
const REPOSITORY = repositoryName("train/llama");

type Answer = { revision: string; bytesSent: number; bytesTotal: number; error?: { code: string; message: string; exitCode: number } };
type Run = { session: string; step: string; argv?: readonly string[]; onStart?: (child: ChildProcess) => Promise<void> };

/** `isWhole`: with all that else is shown of ranks; without, one whole push, and one of which a rank dies. */
export type RanksSize = { ranks: number; isWhole: boolean };

export function ranksSuite(ground: FaultGround, { ranks, isWhole }: RanksSize): void {
  const folder = tempFolder();
  const all = Array.from({ length: ranks }, (_, rank) => rank);
  const dead = Math.floor(ranks / 2) + 1;
  let live: Live;
  /** Chunks that pushes before these stored twice, which racing ones may. */
  let twiceBefore = 0;
  after(() => folder.remove());

  /** What a rank writes of a checkpoint: shards of its own, and a config that all have. Rank 0 has the metadata, too. */
  function plantRank(step: string, rank: number): string {
    const own = join(folder.path, step, `rank-${rank}`);
    mkdirSync(join(own, "model"), { recursive: true });
    writeSafetensors(join(own, `model/__${rank}_0.safetensors`), {
      [`layers.${rank}.weight`]: { sizeBytes: PART_BYTES, seed: `${step} ${rank} w` },
      [`layers.${rank}.bias`]: { sizeBytes: 300_000, seed: `${step} ${rank} b` },
    });
    writeFileSync(join(own, `model/__${rank}_1.distcp`), Buffer.concat([...seededBytes(`${step} ${rank}`, MiB)]));
    writeFileSync(join(own, "config.json"), `{"step":"${step}"}`);
    if (rank === 0) writeFileSync(join(own, ".metadata"), step);
    return own;
  }

  async function push(rank: number, { session, step, argv = [], onStart }: Run): Promise<Ran & { answer: Answer }> {
    const ran = await ferryProcess(
      ["push", plantRank(step, rank), REPOSITORY, "--session", session, "-m", step, "--label", `step=${step}`, "--json", ...argv],
      { env: { ...live.env(), RANK: `${rank}`, WORLD_SIZE: `${ranks}` }, ...(onStart === undefined ? {} : { onStart }) },
    );
    return { ...ran, answer: JSON.parse(ran.stdout === "" ? "{}" : ran.stdout) as Answer };
  }

  /** Looks at the branch all the time while `work` goes on: every revision that it named, with what was in it. */
  async function watching<T>(work: () => Promise<T>): Promise<{ result: T; looks: number; seen: Map<string, number> }> {
    const seen = new Map<string, number>();
    let [done, looks] = [false, 0];
    const watch = async () => {
      while (!done) {
        const now = await live.admin.call("manifest", { repository: REPOSITORY, params: { ref: "main" } }).catch(unlessUnknown);
        if (now !== null) seen.set(now.revision.revision, now.manifest.files.length);
        looks++;
        await wait(20);
      }
    };
    const watcher = watch();
    const result = await work().finally(() => {
      done = true;
    });
    await watcher;
    return { result, looks, seen };
  }

  function unlessUnknown(error: unknown): null {
    if (error instanceof FerryError && ["REPOSITORY_UNKNOWN", "REF_UNKNOWN"].includes(error.code)) return null;
    throw error;
  }

  const revisionCount = async () => (await live.admin.call("describeRepository", { repository: REPOSITORY })).revisionCount;
  const sessions = async () => (await live.admin.call("listSessions", { repository: REPOSITORY })).sessions;

  /** The union of what all ranks wrote. */
  function wholeTree(step: string): Record<string, string> {
    const whole = join(folder.path, step, "whole");
    for (const rank of all) cpSync(join(folder.path, step, `rank-${rank}`), whole, { recursive: true });
    return snapshot(whole);
  }

  async function pulledTree(step: string, ref: string): Promise<Record<string, string>> {
    const target = join(folder.path, step, "pulled");
    await live.ferry(["pull", `${REPOSITORY}@${ref}`, target]);
    return snapshot(target);
  }

  async function storedTwice(): Promise<number> {
    const [home = assert.fail("no home store")] = live.stack.stores;
    const keys = await listKeys(home, "chunks/");
    return keys.length - new Set(keys.map((key) => key.split("~")[0])).size - twiceBefore;
  }

  ground.test(
    "F20: all parts become one revision at one moment: no other state of the branch is ever seen, and every rank prints the same",
    { timeout: 180_000 },
    async (t, stand) => {
      live = stand.live;
      twiceBefore = await storedTwice();
      const startedAt = performance.now();
      const { result, looks, seen } = await watching(() => Promise.all(all.map((rank) => push(rank, { session: "run-100", step: "100" }))));
      const seconds = (performance.now() - startedAt) / 1000;
      for (const ran of result) assert.equal(ran.exit, 0, ran.stderr);
      const revisions = new Set(result.map(({ answer }) => answer.revision));
      assert.equal(revisions.size, 1);
      assert.deepEqual([...seen.keys()], [...revisions]);
      assert.deepEqual([...seen.values()], [2 * ranks + 2]);
      const [revision = ""] = revisions;
      const summary = await live.admin.call("resolve", { repository: REPOSITORY, params: { ref: revision } });
      assert.deepEqual([summary.message, summary.labels], ["100", { step: "100" }]);
      assert.deepEqual(await pulledTree("100", revision), wholeTree("100"));
      assert.deepEqual(await sessions(), []);
      const bytes = result.reduce((sum, { answer }) => sum + answer.bytesSent, 0);
      t.diagnostic(
        `${ranks} processes, ${(bytes / MiB).toFixed(1)} MiB in ${seconds.toFixed(1)} s: 1 revision, partial ones seen 0 in ${looks} looks, ` +
          `chunks stored twice ${await storedTwice()}`,
      );
      assert.equal(await storedTwice(), 0);
    },
  );

  ground.test(
    "F20: a rank that is killed while it pushes: no revision, the others say whose part is missing, and the rerun completes",
    { timeout: 180_000 },
    async (t, stand) => {
      live = stand.live;
      const before = await revisionCount();
      const killWhenOthersSealed = async (child: ChildProcess) => {
        const others = async () => (await sessions()).some(({ session, sealed }) => session === "run-200" && sealed.length === ranks - 1);
        while (child.exitCode === null && !(await others())) await wait(50);
        child.kill("SIGKILL");
      };
      const { result, looks, seen } = await watching(() =>
        Promise.all(
          all.map((rank) =>
            rank === dead
              ? push(rank, { session: "run-200", step: "200", argv: ["--bandwidth", "100KB"], onStart: killWhenOthersSealed })
              : push(rank, { session: "run-200", step: "200", argv: ["--wait", "5s"] }),
          ),
        ),
      );
      assert.equal(result[dead]?.exit, 137);
      for (const [rank, ran] of result.entries()) {
        if (rank === dead) continue;
        assert.deepEqual([ran.exit, ran.answer.error?.code], [6, "PARTS_MISSING"], ran.stderr);
        assert.match(ran.stderr, new RegExp(`session run-200 has no part ${dead} of ${ranks} yet`));
        assert.match(ran.stderr, new RegExp(`waiting for .*${dead} of ${ranks}`));
      }
      assert.equal(seen.size, 1, "the branch stayed where it was");
      assert.equal(await revisionCount(), before);
      const [open] = await sessions();
      assert.deepEqual([open?.session, open?.sealed], ["run-200", all.filter((rank) => rank !== dead)]);
      const again = await Promise.all(all.map((rank) => push(rank, { session: "run-200", step: "200" })));
      for (const ran of again) assert.equal(ran.exit, 0, ran.stderr);
      const revisions = new Set(again.map(({ answer }) => answer.revision));
      assert.equal(revisions.size, 1);
      assert.equal(await revisionCount(), before + 1);
      assert.deepEqual(await pulledTree("200", [...revisions][0] ?? ""), wholeTree("200"));
      const sentAgain = again.reduce((sum, { answer }, rank) => sum + (rank === dead ? 0 : answer.bytesSent), 0);
      t.diagnostic(
        `1 of ${ranks} killed: partial revisions seen 0 in ${looks} looks; the rerun sent ${sentAgain} bytes of the others again`,
      );
      assert.equal(sentAgain, 0);
      assert.equal(await storedTwice(), 0);
    },
  );
  if (!isWhole) return;

  ground.test(
    "the index is lost while seven ranks wait: the eighth comes, and all get the revision",
    { timeout: 180_000 },
    async (_, stand) => {
      live = stand.live;
      const before = await revisionCount();
      const early = Promise.all(all.slice(1).map((rank) => push(rank, { session: "run-300", step: "300" })));
      while (!(await sessions()).some(({ session, sealed }) => session === "run-300" && sealed.length === ranks - 1)) await wait(50);
      await live.wipeRedis();
      const last = await push(0, { session: "run-300", step: "300" });
      assert.equal(last.exit, 0, last.stderr);
      for (const ran of await early) assert.deepEqual([ran.exit, ran.answer.revision], [0, last.answer.revision], ran.stderr);
      assert.equal(await revisionCount(), before + 1);
      assert.deepEqual(await pulledTree("300", last.answer.revision), wholeTree("300"));
    },
  );

  ground.test(
    "aborted, a session ends for all who wait; two processes of one rank with other files: the second is told",
    { timeout: 180_000 },
    async (_, stand) => {
      live = stand.live;
      const before = await revisionCount();
      const waiting = Promise.all([1, 2].map((rank) => push(rank, { session: "run-400", step: "400" })));
      while (!(await sessions()).some(({ session, sealed }) => session === "run-400" && sealed.length === 2)) await wait(50);
      const taken = await push(3, { session: "run-400", step: "400", argv: ["--part", "2"] });
      assert.deepEqual([taken.exit, taken.answer.error?.code], [5, "PART_TAKEN"], taken.stderr);
      const listed = await live.ferry(["session", "ls", REPOSITORY]);
      assert.deepEqual(
        (listed["sessions"] as { session: string; sealed: number[] }[]).map(({ session, sealed }) => [session, sealed]),
        [["run-400", [1, 2]]],
      );
      await live.ferry(["session", "abort", REPOSITORY, "run-400"]);
      for (const ran of await waiting) assert.deepEqual([ran.exit, ran.answer.error?.code], [5, "SESSION_ENDED"], ran.stderr);
      const late = await push(0, { session: "run-400", step: "400" });
      assert.equal(late.answer.error?.code, "SESSION_ENDED");
      assert.equal(await revisionCount(), before);
    },
  );

  ground.test(
    "ranks load a checkpoint together: each brings its own share, nothing is brought twice, and together they have all",
    { timeout: 180_000 },
    async (t, stand) => {
      live = stand.live;
      const target = join(folder.path, "shared");
      const whole = await live.admin.call("resolve", { repository: REPOSITORY, params: { ref: "main" } });
      const pulls = await Promise.all(
        all.map((rank) =>
          ferryProcess(["pull", REPOSITORY, target, "--part", "auto", "--json"], {
            env: { ...live.env(), SLURM_PROCID: `${rank}`, SLURM_NTASKS: `${ranks}` },
          }),
        ),
      );
      for (const ran of pulls) assert.equal(ran.exit, 0, ran.stderr);
      const answers = pulls.map((ran) => JSON.parse(ran.stdout) as { files: number; bytesReceived: number; bytesTotal: number });
      const sum = (pick: (answer: (typeof answers)[number]) => number) => answers.reduce((total, answer) => total + pick(answer), 0);
      assert.equal(
        sum(({ files }) => files),
        whole.fileCount,
      );
      assert.equal(
        sum(({ bytesTotal }) => bytesTotal),
        whole.sizeBytes,
      );
      assert.equal(
        sum(({ bytesReceived }) => bytesReceived),
        whole.sizeBytes,
      );
      assert.deepEqual(snapshot(target), wholeTree("300"));
      const shares = answers.map(({ bytesTotal }) => (bytesTotal / MiB).toFixed(1));
      t.diagnostic(`${ranks} readers of ${(whole.sizeBytes / MiB).toFixed(1)} MiB: shares ${shares.join(", ")} MiB, brought twice 0 bytes`);
    },
  );
}
