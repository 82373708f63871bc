/** All scenarios, in the order in which they run. */
import type { Scenario } from "./scenario.ts";
import { pullBig, pullBigDisk, pullBigDiskTls, pullBigTls, pushBig, pushBigTls } from "./scenarios/big.ts";

export const SCENARIOS: readonly Scenario[] = [pullBig, pullBigTls, pullBigDisk, pullBigDiskTls, pushBig, pushBigTls];
