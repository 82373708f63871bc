/** Big files: pull and push over HTTP and HTTPS, to memory and to a disk, with the targets of the transfer engine. */

import { availableParallelism } from "node:os";
import { GiB, MiB } from "../../../shared/units.ts";
import type { Target } from "../compare.ts";
import { floorNote } from "../floor.ts";
import type { Lab } from "../lab.ts";
import { runRounds } from "../measure/rounds.ts";
import { aria2, aria2Checked, aria2Split } from "../peers/aria2.ts";
import { aws, s5cmd } from "../peers/aws.ts";
import { curlAndSha256, curlParallel, curlProcesses } from "../peers/curl.ts";
import { hf } from "../peers/hf.ts";
import type { Peer } from "../peers/peer.ts";
import { rclone, rcloneUnchecked } from "../peers/rclone.ts";
import { copyAndSync, copyLocally, hashLocally, nodeDispatch, nodeFetch } from "../peers/references.ts";
import type { ScenarioReport } from "../report.ts";
import type { Scenario } from "../scenario.ts";
import type { Scheme } from "../store.ts";
import { discardPushes, type Ground, pullCases, pushCases, storeForPulls } from "../transfers.ts";
import { comparisonOf, cut, dataText, makeGround, reportOf, roundsText } from "./ground.ts";

const SIZE_BYTES = 2 * GiB;
const FILE_BYTES = 64 * MiB;
const CONNECTIONS = 8;

const PULLERS: readonly Peer[] = [
  rclone,
  rcloneUnchecked,
  aws,
  s5cmd,
  hf,
  curlProcesses,
  curlParallel,
  curlAndSha256,
  aria2,
  aria2Split,
  aria2Checked,
  nodeFetch,
  nodeDispatch,
];
const PUSHERS: readonly Peer[] = [rclone, rcloneUnchecked, aws, s5cmd, curlProcesses];
const RAW = [curlProcesses, curlParallel, aria2, aria2Split, s5cmd, hf].map(({ name }) => name);

type Setting = { scheme: Scheme; place: "memory" | "disk" };

export const pullBig: Scenario = {
  name: "pull-big",
  summary: "pull of 64 MiB files over HTTP into memory",
  run: (lab) => runPull(lab, "pull-big", { scheme: "http", place: "memory" }),
};
export const pullBigTls: Scenario = {
  name: "pull-big-https",
  summary: "the same over HTTPS",
  run: (lab) => runPull(lab, "pull-big-https", { scheme: "https", place: "memory" }),
};
export const pullBigDisk: Scenario = {
  name: "pull-big-disk",
  summary: "pull of 64 MiB files over HTTP to a disk",
  run: (lab) => runPull(lab, "pull-big-disk", { scheme: "http", place: "disk" }),
};
export const pullBigDiskTls: Scenario = {
  name: "pull-big-disk-https",
  summary: "the same over HTTPS",
  run: (lab) => runPull(lab, "pull-big-disk-https", { scheme: "https", place: "disk" }),
};
export const pushBig: Scenario = {
  name: "push-big",
  summary: "push of 64 MiB files over HTTP",
  run: (lab) => runPush(lab, "push-big", "http"),
};
export const pushBigTls: Scenario = {
  name: "push-big-https",
  summary: "the same over HTTPS",
  run: (lab) => runPush(lab, "push-big-https", "https"),
};

async function runPull(lab: Lab, name: string, setting: Setting): Promise<ScenarioReport> {
  const ground = await prepare(lab, setting);
  const stored = await storeForPulls(ground);
  const peers = setting.place === "disk" ? [...PULLERS, hashLocally, copyLocally, copyAndSync] : [...PULLERS, hashLocally];
  const cases = pullCases(ground, stored, peers);
  const comparison = comparisonOf("pull", ground, cases, await runRounds(cases.cases, lab.rounds));
  const conditions = conditionsOf(ground, setting, `into ${lab.folders[setting.place].kind}`);
  const report = reportOf(name, conditions, [{ comparison, cases, targets: pullTargets(setting) }]);
  const floor = floorNote(comparison, {
    raw: [...RAW, rcloneUnchecked.name],
    hashing: hashLocally.name,
    cores: availableParallelism(),
  });
  return floor === null ? report : { ...report, notes: [floor] };
}

async function runPush(lab: Lab, name: string, scheme: Scheme): Promise<ScenarioReport> {
  const setting: Setting = { scheme, place: "memory" };
  const ground = await prepare(lab, setting);
  const cases = pushCases(ground, PUSHERS);
  const outcome = await runRounds(cases.cases, { ...lab.rounds, beforeRounds: () => discardPushes(ground) });
  const comparison = comparisonOf("push", ground, cases, outcome);
  const conditions = conditionsOf(ground, setting, `from ${lab.folders.memory.kind}`);
  return reportOf(name, conditions, [{ comparison, cases, targets: pushTargets(scheme) }]);
}

function prepare(lab: Lab, { scheme, place }: Setting): Promise<Ground> {
  const data = cut(lab.options.size ?? SIZE_BYTES, FILE_BYTES, CONNECTIONS);
  return makeGround(lab, { scheme, place, connections: CONNECTIONS, data });
}

function conditionsOf({ lab, data, connections }: Ground, { scheme }: Setting, place: string): string[] {
  const transfers = `${connections} transfers where a peer lets one say it`;
  return [dataText(data), scheme === "http" ? "HTTP" : "HTTPS", place, roundsText(lab), transfers];
}

function pullTargets({ scheme, place }: Setting): Target[] {
  const ours = "ferry pull";
  const isTls = scheme === "https";
  if (place === "disk") {
    const copies = [copyLocally, copyAndSync].map(({ name }) => name);
    return isTls
      ? []
      : copies.map((name) => ({ target: `speed against ${name} from memory`, ours, peers: [name], of: "speed", atLeast: 1.5 }));
  }
  const targets: Target[] = [
    { target: "speed against rclone", ours, peers: [rclone.name], of: "speed", atLeast: isTls ? 1.2 : 1.6 },
    { target: "speed against aws s3 cp", ours, peers: [aws.name], of: "speed", atLeast: 1.35 },
    { target: "speed against the best that does not verify", ours, peers: RAW, of: "speed", atLeast: isTls ? 0.7 : 0.75 },
    { target: "CPU against rclone", ours, peers: [rclone.name], of: "cpu", atMost: isTls ? 0.75 : 0.6 },
  ];
  const checked: Target = { target: "speed against aria2c with checksums", ours, peers: [aria2Checked.name], of: "speed", atLeast: 3 };
  return isTls ? targets : [...targets, checked];
}

function pushTargets(scheme: Scheme): Target[] {
  const ours = "ferry push";
  const isTls = scheme === "https";
  return [
    { target: "speed against rclone", ours, peers: [rclone.name], of: "speed", atLeast: isTls ? 1.5 : 2 },
    { target: "speed against aws s3 cp", ours, peers: [aws.name], of: "speed", atLeast: isTls ? 1.5 : 1.6 },
    { target: "CPU against rclone", ours, peers: [rclone.name], of: "cpu", atMost: isTls ? 0.6 : 0.5 },
  ];
}
