/** How long a rebuild of the index takes: revisions and chunk entries in the bucket, an empty Redis, and the calls of `ferry rebuild`. */
import type { FerryClient } from "../../../shared/client.ts";
import type { RebuildRun } from "../../../shared/contract/recovery.ts";
import { MiB } from "../../../shared/units.ts";
import { peakTreeBytes, treeCpuS } from "../measure/proc.ts";
import { seedFiles } from "../rebuild-seed.ts";
import type { Judged, Table } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import type { Store } from "../store.ts";

const REPOSITORIES = 100;
const REVISIONS_MAX = 10_000;
const CHUNKS = 100;
const TARGET_SECONDS = 60;
/** Orders to the store's process, of so many objects. */
const PAGE = 5_000;

export const rebuild: Scenario = {
  name: "rebuild",
  summary: "a new index from the bucket alone: 10,000 revisions and a million chunk entries",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("a real store would have to be filled first");
    const revisions = Math.min(REVISIONS_MAX, lab.options.revisions);
    const store = await lab.store("http");
    const objects = await seed(store, { folder: lab.folder("seed"), revisions });
    lab.note(`${objects} objects seeded`);
    const registry = await lab.registry(store);
    const first = await timed(registry.pids, () => runRebuild(registry.admin));
    const again = await timed(registry.pids, () => runRebuild(registry.admin));
    return {
      name: "rebuild",
      conditions: [`${revisions} revisions of ${CHUNKS} chunks in ${REPOSITORIES} repositories`, "the app on Node", "1 run"],
      tables: [tableOf({ "an empty index": first, "the same, now whole": again })],
      targets: judge(first, revisions),
      skipped: [],
      notes: [`memory of the app at most ${Math.round(peakTreeBytes(registry.appPid) / MiB)} MiB`],
    };
  },
};

/** `cpuSeconds`: of the app, Redis and the store together: what tells on a machine that others use, too. */
type Timed = { seconds: number; cpuSeconds: number; result: RebuildRun };

async function seed(store: Store, { folder, revisions }: { folder: string; revisions: number }): Promise<number> {
  const files = seedFiles({ folder, revisions, chunks: CHUNKS, repositories: REPOSITORIES });
  const adopted = files.map((file) => ({ ...file, key: store.key(`ferry/${file.key}`) }));
  for (let at = 0; at < adopted.length; at += PAGE) await store.options.own?.adopt(adopted.slice(at, at + PAGE));
  return files.length;
}

async function runRebuild(client: FerryClient): Promise<RebuildRun> {
  let { run } = await client.call("startRebuild", {});
  while (run !== null && run.phase !== "done") ({ run } = await client.call("stepRebuild", {}));
  if (run === null) throw new Error("the index remembers no rebuild");
  return run;
}

function tableOf(runs: Record<string, Timed>): Table {
  const rows = Object.entries(runs).map(([name, { seconds, cpuSeconds, result }]) => ({
    name,
    cells: [seconds, cpuSeconds, result.healedRecords, result.entries, result.passes, result.damaged.length],
  }));
  return { title: "rebuild of", columns: ["s", "CPU s", "records applied", "entries added", "passes", "damaged"], rows };
}

/** The time counts only when everything is there afterwards. */
function judge({ seconds, result }: Timed, revisions: number): Judged[] {
  const isWhole = result.healedRecords === revisions + REPOSITORIES && result.entries === revisions * CHUNKS;
  const target = `seconds of a rebuild of ${revisions} revisions${isWhole ? "" : ", which left some out"}`;
  return [{ target, wanted: `at most ${TARGET_SECONDS}`, figure: seconds, ok: isWhole && seconds <= TARGET_SECONDS }];
}

async function timed(pids: readonly number[], work: () => Promise<RebuildRun>): Promise<Timed> {
  const cpuOf = () => pids.reduce((sum, pid) => sum + treeCpuS(pid), 0);
  const [beganMs, cpuBefore] = [performance.now(), cpuOf()];
  const result = await work();
  return { seconds: (performance.now() - beganMs) / 1000, cpuSeconds: cpuOf() - cpuBefore, result };
}
