/** Ten thousand files of 10 KiB: what each costs beside its bytes. */
import { KiB } from "../../../shared/units.ts";
import { timeTable } from "../compare.ts";
import { runRounds } from "../measure/rounds.ts";
import { aria2 } from "../peers/aria2.ts";
import { aws, s5cmd } from "../peers/aws.ts";
import { curlParallel } from "../peers/curl.ts";
import { rclone } from "../peers/rclone.ts";
import { nodeFetch } from "../peers/references.ts";
import type { Scenario } from "../scenario.ts";
import { pullCases, pushCases, storeForPulls } from "../transfers.ts";
import { comparisonOf, dataText, makeGround, reportOf, roundsText } from "./ground.ts";

const COUNT = 10_000;
const FILE_BYTES = 10 * KiB;
const CONNECTIONS = 16;

export const smallFiles: Scenario = {
  name: "small-files",
  summary: "10,000 files of 10 KiB, pull and push over HTTP, to and from memory",
  async run(lab) {
    const count = Math.min(COUNT, Math.ceil((lab.options.size ?? COUNT * FILE_BYTES) / FILE_BYTES));
    const ground = await makeGround(lab, { scheme: "http", data: { count, sizeBytes: FILE_BYTES }, connections: CONNECTIONS });
    const stored = await storeForPulls(ground);
    const pulls = pullCases(ground, stored, [rclone, aws, s5cmd, curlParallel, aria2, nodeFetch]);
    const pulled = comparisonOf("pull", ground, pulls, await runRounds(pulls.cases, lab.rounds));
    const pushes = pushCases(ground, [rclone, aws, s5cmd]);
    const pushed = comparisonOf("push", ground, pushes, await runRounds(pushes.cases, lab.rounds));
    const against = { peers: [rclone.name], of: "time" as const };
    return reportOf(
      "small-files",
      [dataText(ground.data), "HTTP", `${CONNECTIONS} transfers where a peer lets one say it`, roundsText(lab)],
      [
        {
          comparison: pulled,
          cases: pulls,
          table: timeTable(pulled),
          targets: [{ target: "pull, time against rclone with 16 transfers", ours: "ferry pull", ...against, atMost: 1.2 }],
        },
        {
          comparison: pushed,
          cases: pushes,
          table: timeTable(pushed),
          targets: [{ target: "push, time against rclone with 16 transfers", ours: "ferry push", ...against, atMost: 2 }],
        },
      ],
    );
  },
};
