/** What the parts of one push have in common. */
import type { FerryClient } from "../client.ts";
import type { PushRequest } from "./contract.ts";
import type { Machine, Source } from "./ports.ts";
import type { Progress } from "./progress.ts";
import type { RetryBudget } from "./retry.ts";
import type { Width } from "./width.ts";

export type PushSetting = {
  client: FerryClient;
  request: PushRequest;
  source: Source;
  machine: Machine;
  progress: Progress;
  budget: RetryBudget;
  /** Requests to the store at once. */
  width: Width;
  /** Files hashed at once. */
  scans: number;
  /** Chunks are hashed at most so many bytes ahead of what was sent, so that the second read still finds them in memory. */
  lookAheadBytes: number;
  /** Times that a chunk is brought under a new key before the store is given up. */
  attemptsMax: number;
};
