/** What the parts of one push have in common. */
import type { FerryClient } from "../client.ts";
import type { PushRequest } from "./contract.ts";
import type { Machine, Source } from "./ports.ts";
import type { Progress } from "./progress.ts";
import type { RetryBudget } from "./retry.ts";

export type PushSetting = {
  client: FerryClient;
  request: PushRequest;
  source: Source;
  machine: Machine;
  progress: Progress;
  budget: RetryBudget;
  /** Chunks sent at once. */
  connections: number;
  /** Files hashed at once. */
  scans: number;
  /** Times that a chunk is brought under a new key before the store is given up. */
  attemptsMax: number;
};
