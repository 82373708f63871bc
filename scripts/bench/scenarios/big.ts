/** Big files: pull and push over HTTP and HTTPS, to memory and to a disk, with the targets of the transfer engine. */

import { GiB, MiB } from "../../../shared/units.ts";
import { bytesText } from "../../cli/text.ts";
import { comparisonTable, judge, type Target } from "../compare.ts";
import { makeDataset } from "../data.ts";
import type { Lab } from "../lab.ts";
import { runRounds } from "../measure/rounds.ts";
import { aria2, aria2Checked, aria2Split } from "../peers/aria2.ts";
import { aws, s5cmd } from "../peers/aws.ts";
import { curlAndSha256, curlParallel, curlProcesses } from "../peers/curl.ts";
import type { Peer } from "../peers/peer.ts";
import { rclone, rcloneUnchecked } from "../peers/rclone.ts";
import { copyLocally, nodeDispatch, nodeFetch } from "../peers/references.ts";
import type { ScenarioReport } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import type { Scheme } from "../store.ts";
import { type Cases, discardPushes, type Ground, pullCases, pushCases, storeForPulls } from "../transfers.ts";

const SIZE_BYTES = 2 * GiB;
const FILE_BYTES = 64 * MiB;
const CONNECTIONS = 8;

const PULLERS: readonly Peer[] = [
  rclone,
  rcloneUnchecked,
  aws,
  s5cmd,
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
const RAW = [curlProcesses, curlParallel, aria2, aria2Split, s5cmd].map(({ name }) => name);

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
  // From memory: that is where the source is.
  const peers = setting.place === "disk" ? [...PULLERS, copyLocally] : PULLERS;
  return measure(ground, name, setting, pullCases(ground, stored, peers), pullTargets(setting));
}

async function runPush(lab: Lab, name: string, scheme: Scheme): Promise<ScenarioReport> {
  const setting: Setting = { scheme, place: "memory" };
  const ground = await prepare(lab, setting);
  return measure(ground, name, setting, pushCases(ground, PUSHERS), pushTargets(scheme), () => discardPushes(ground));
}

async function prepare(lab: Lab, { scheme, place }: Setting): Promise<Ground> {
  const why = lab.whyNoStore(scheme);
  if (why !== null) throw new NotHere(why);
  const { size = SIZE_BYTES } = lab.options;
  const fileBytes = Math.min(FILE_BYTES, Math.ceil(size / CONNECTIONS));
  const data = makeDataset(lab.folder("data"), { count: Math.ceil(size / fileBytes), sizeBytes: fileBytes, seed: "big" });
  const store = await lab.store(scheme);
  const ferry = { program: await lab.ferry(), registry: await lab.registry(store), store };
  return { lab, ferry, data, place, connections: CONNECTIONS };
}

async function measure(
  ground: Ground,
  name: string,
  { scheme, place }: Setting,
  { cases, skipped }: Cases,
  targets: readonly Target[],
  beforeRounds: () => Promise<void> = async () => {},
): Promise<ScenarioReport> {
  const { lab, data, connections } = ground;
  const ours = cases[0]?.name ?? "";
  const outcome = await runRounds(cases, { ...lab.rounds, beforeRounds });
  const verb = name.startsWith("pull") ? "pull" : "push";
  return {
    name,
    conditions: [
      `${bytesText(data.totalBytes)} in ${data.files.length} files`,
      scheme === "http" ? "HTTP" : "HTTPS",
      verb === "pull" ? `into ${lab.folders[place].kind}` : `from ${lab.folders.memory.kind}`,
      `${lab.rounds.rounds} rounds`,
      `${connections} transfers where a peer lets one say it`,
    ],
    tables: [comparisonTable({ title: verb, bytes: data.totalBytes, ours, outcome })],
    targets: targets.map((target) => judge(target, outcome)),
    skipped: [...skipped, ...outcome.skipped],
    notes: [],
  };
}

function pullTargets({ scheme, place }: Setting): Target[] {
  const ours = "ferry pull";
  const isTls = scheme === "https";
  if (place === "disk") {
    const copy = { target: "speed against cp from memory", ours, peers: [copyLocally.name], of: "speed" as const, atLeast: 1.5 };
    return isTls ? [] : [copy];
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
