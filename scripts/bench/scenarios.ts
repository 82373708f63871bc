/** All scenarios, in the order in which they run. */
import type { Scenario } from "./scenario.ts";
import { agent } from "./scenarios/agent.ts";
import { api } from "./scenarios/api.ts";
import { pullBig, pullBigDisk, pullBigDiskTls, pullBigTls, pushBig, pushBigTls } from "./scenarios/big.ts";
import { connectionRate, faults } from "./scenarios/faulty.ts";
import { firstByte } from "./scenarios/first-byte.ts";
import { hubStream } from "./scenarios/hub-stream.ts";
import { memory } from "./scenarios/memory.ts";
import { podMemory } from "./scenarios/pod-memory.ts";
import { presign } from "./scenarios/presign.ts";
import { protocol } from "./scenarios/protocol.ts";
import { rebuild } from "./scenarios/rebuild.ts";
import { replicate } from "./scenarios/replicate.ts";
import { repush } from "./scenarios/repush.ts";
import { revisions } from "./scenarios/revisions.ts";
import { s3Door } from "./scenarios/s3-door.ts";
import { smallFiles } from "./scenarios/small-files.ts";

export const SCENARIOS: readonly Scenario[] = [
  ...[pullBig, pullBigTls, pullBigDisk, pullBigDiskTls, pushBig, pushBigTls],
  ...[smallFiles, repush, firstByte, connectionRate, faults, memory, replicate],
  ...[agent, podMemory],
  s3Door,
  ...[protocol, revisions, rebuild, api, presign, hubStream],
];
