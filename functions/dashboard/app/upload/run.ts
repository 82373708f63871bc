/** The upload of this page: at most one, which goes on while its user looks at other pages. */
import { signal } from "@preact/signals";
import type { FerryClient } from "../../../../shared/client.ts";
import type { RefName, RepositoryName } from "../../../../shared/names.ts";
import type { PushResult, TransferProgress } from "../../../../shared/transfer/contract.ts";
import { Progress } from "../../../../shared/transfer/progress.ts";
import { push } from "../../../../shared/transfer/push.ts";
import { RetryBudget } from "../../../../shared/transfer/retry.ts";
import { Width } from "../../../../shared/transfer/width.ts";
import { MiB } from "../../../../shared/units.ts";
import { operationId, sleep } from "../core/session.ts";
import { BrowserSource, type DroppedFile } from "./browser-source.ts";
import { HashPool } from "./hash-pool.ts";

export type Uploading = { repository: RepositoryName; branch: RefName; message: string; files: readonly DroppedFile[] };
export type UploadState =
  | { is: "idle" }
  | { is: "running"; uploading: Uploading; startedAtMs: number; progress: TransferProgress | null; stop: () => void }
  | { is: "done"; result: PushResult }
  | { is: "failed"; uploading: Uploading; problem: unknown };

export const upload = signal<UploadState>({ is: "idle" });

/** Browsers open no more connections to one host. */
const CONNECTIONS = { start: 4, min: 2, max: 6 };
/** Each holds a chunk of at most 68 MiB. */
const SCANS = 2;
const LOOK_AHEAD_BYTES = 256 * MiB;
const ATTEMPTS_MAX = 5;
/** Progress is told more often than anybody can see. */
const TELL_MS = 100;

/** Never throws: how it ended is told in `upload`. What was stored stays: the same files sent again go on from there. */
export async function startUpload(client: FerryClient, uploading: Uploading): Promise<void> {
  if (upload.peek().is === "running") return;
  const ending = new AbortController();
  const stop = () => ending.abort(new DOMException("stopped", "AbortError"));
  const startedAtMs = Date.now();
  let toldAtMs = 0;
  const tell = (progress: TransferProgress) => {
    const last = progress.phase === "finishing";
    if (!last && Date.now() - toldAtMs < TELL_MS) return;
    toldAtMs = Date.now();
    upload.value = { is: "running", uploading, startedAtMs, progress, stop };
  };
  upload.value = { is: "running", uploading, startedAtMs, progress: null, stop };
  addEventListener("beforeunload", warn);
  const pool = new HashPool(SCANS);
  try {
    upload.value = { is: "done", result: await push(settingOf(client, uploading, pool, tell), ending.signal) };
  } catch (problem) {
    ending.abort(problem);
    upload.value = { is: "failed", uploading, problem };
  } finally {
    removeEventListener("beforeunload", warn);
    pool.close();
  }
}

function settingOf(
  client: FerryClient,
  { repository, branch, message, files }: Uploading,
  pool: HashPool,
  tell: (progress: TransferProgress) => void,
) {
  return {
    client,
    request: { repository, branch, message, sources: [], create: true, source: { framework: "browser" } },
    source: new BrowserSource(files, pool),
    machine: { nowMs: () => performance.now(), sleep, random: Math.random, operationId },
    progress: new Progress(tell),
    budget: new RetryBudget(),
    width: new Width(CONNECTIONS),
    scans: SCANS,
    lookAheadBytes: LOOK_AHEAD_BYTES,
    attemptsMax: ATTEMPTS_MAX,
  };
}

/** The browser asks before the page is left. */
function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
