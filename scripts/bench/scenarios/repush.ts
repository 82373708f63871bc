/** A second push of one big file, 1 % of it written anew in place. Peers know nothing of parts: they send all of it again. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { GiB } from "../../../shared/units.ts";
import { bytesText } from "../../cli/text.ts";
import { comparisonTable } from "../compare.ts";
import { verifyFolder } from "../contents.ts";
import { randomBytesOf, sha256OfFile } from "../data.ts";
import type { Case } from "../measure/rounds.ts";
import { runRounds } from "../measure/rounds.ts";
import { runMeasured } from "../measure/run-command.ts";
import { ferryAnswer, ferryCommand } from "../ours.ts";
import { aws, s5cmd } from "../peers/aws.ts";
import { rclone } from "../peers/rclone.ts";
import type { Scenario } from "../scenario.ts";
import { discardPushes, type Ground, peerPushCases } from "../transfers.ts";
import { comparisonOf, dataText, makeGround, reportOf, roundsText } from "./ground.ts";

const SIZE_BYTES = 2 * GiB;
const EDITED = 0.01;
const EDITED_AT = 0.37;
const OURS = "ferry push";

export const repush: Scenario = {
  name: "repush",
  summary: "push of one big file again, 1 % of it changed",
  async run(lab) {
    const sizeBytes = lab.options.size ?? SIZE_BYTES;
    const ground = await makeGround(lab, { scheme: "http", data: { count: 1, sizeBytes }, connections: 8 });
    const { ferry, data } = ground;
    const { repository, token } = await ferry.registry.makeRepository("edited");
    const home = lab.folder("home", "disk");
    const push = ferryCommand(ferry, ["push", data.folder, repository], { token, home });
    await runMeasured(push, []);
    const ours: Case = {
      name: OURS,
      prepare: async () => {
        edit(ground);
        return {
          command: push,
          servers: ferry.registry.pids,
          verify: async () => {
            const destination = lab.folder("pulled");
            await runMeasured(ferryCommand(ferry, ["pull", repository, destination], { token, home }), []);
            verifyFolder(data, destination);
            rmSync(destination, { recursive: true });
          },
          check: async () => {},
          clear: async () => {},
        };
      },
    };
    const peers = peerPushCases(ground, [rclone, aws, s5cmd]);
    const cases = { cases: [ours, ...peers.cases], skipped: peers.skipped };
    const outcome = await runRounds(cases.cases, { ...lab.rounds, beforeRounds: () => discardPushes(ground, "keep") });
    edit(ground);
    const { bytesSent } = await ferryAnswer(push);
    const comparison = comparisonOf("push again", ground, cases, outcome);
    const report = reportOf(
      "repush",
      [dataText(data), "1 % changed in place", "HTTP", roundsText(lab)],
      [{ comparison, cases, table: comparisonTable(comparison) }],
    );
    const share = (100 * Number(bytesSent)) / data.totalBytes;
    return { ...report, notes: [`ferry sent ${bytesText(Number(bytesSent))} of ${bytesText(data.totalBytes)}: ${share.toFixed(1)} %`] };
  },
};

let editCount = 0;

/** Always the same place, so that whoever pushed last sees 1 % changed, however often others edited meanwhile. */
function edit({ data }: Ground): void {
  const [file] = data.files;
  if (file === undefined) return;
  const handle = openSync(file.path, "r+");
  try {
    let at = Math.floor(file.sizeBytes * EDITED_AT);
    for (const bytes of randomBytesOf(`edit ${++editCount}`, Math.max(1, Math.floor(file.sizeBytes * EDITED)))) {
      writeSync(handle, bytes, 0, bytes.length, at);
      at += bytes.length;
    }
  } finally {
    closeSync(handle);
  }
  file.sha256 = sha256OfFile(file.path);
}
