/** What `ferry push` and `ferry pull` have in common: limits, progress, a clean stop, the words at the end. */
import type { Command } from "commander";
import * as z from "zod";
import type { TransferControl, TransferCounts } from "../../shared/transfer/contract.ts";
import type { EngineOptions } from "../node/transfer.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { cacheDirectory } from "./config.ts";
import type { Host } from "./host.ts";
import { showProgress } from "./progress.ts";
import { bytesText, counted, durationText } from "./text.ts";
import { BytesValue, collected, countValue } from "./values.ts";

export const TransferFlags = GlobalFlags.extend({
  include: z.array(z.string()).optional(),
  exclude: z.array(z.string()).optional(),
  connections: countValue(1, 256).optional(),
  memory: BytesValue.optional(),
  bandwidth: BytesValue.optional(),
});
export type TransferFlags = z.infer<typeof TransferFlags>;

export function addTransferOptions(command: Command): Command {
  return command
    .option("--include <glob>", "only files that match; may be repeated", collected)
    .option("--exclude <glob>", "no files that match; may be repeated", collected)
    .option("--connections <n>", "transfers at the same time, 1 to 256")
    .option("--memory <size>", "memory for bytes on their way, such as 512MiB")
    .option("--bandwidth <rate>", "at most so many bytes a second, such as 100MB or 50MiB/s");
}

export function filters({ include, exclude }: TransferFlags): { include?: string[]; exclude?: string[] } {
  return { ...(include === undefined ? {} : { include }), ...(exclude === undefined ? {} : { exclude }) };
}

/** @param useStatCache a push believes that files which look untouched are what they were; a pull believes no file. */
export function engineOptions(host: Host, { connections, memory, bandwidth }: TransferFlags, useStatCache: boolean): EngineOptions {
  return {
    cacheDir: cacheDirectory(host),
    useStatCache,
    ...(connections === undefined ? {} : { connections }),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(bandwidth === undefined ? {} : { bandwidthBytesPerSecond: bandwidth }),
  };
}

/** Some half a minute: what took hours to move is not lost because the deployment was started anew. */
const ATTEMPTS_LATER = 10;

/** Runs a transfer with its progress shown; the first Ctrl-C stops it cleanly. */
export async function transfer<R>(
  cli: Cli,
  verb: string,
  run: (control: TransferControl, note: (text: string) => void) => Promise<R>,
): Promise<R> {
  const { host } = cli;
  const client = await cli.connect({ attemptsLater: ATTEMPTS_LATER });
  const view = showProgress(host, { verb, quiet: cli.flags.quiet });
  const onStop = () => view.note("stopping …  (Ctrl-C again ends it at once)");
  host.signal.addEventListener("abort", onStop, { once: true });
  try {
    const note = cli.flags.quiet ? () => {} : view.note;
    return await run({ client, onProgress: view.onProgress, signal: host.signal }, note);
  } finally {
    host.signal.removeEventListener("abort", onStop);
    view.end();
  }
}

/** `12 files, 3.0 GiB: 200 MiB sent, 2.8 GiB saved, in 4.2 s (48 MiB/s)`. */
export function summary(counts: TransferCounts, moved: string): string {
  const { files, bytesTotal, bytesMoved, seconds } = counts;
  const savedBytes = Math.max(0, bytesTotal - bytesMoved);
  const rate = seconds > 0 && bytesMoved > 0 ? ` (${bytesText(Math.round(bytesMoved / seconds))}/s)` : "";
  const saved = savedBytes === 0 ? "" : `, ${bytesText(savedBytes)} saved`;
  return `${counted(files, "file")}, ${bytesText(bytesTotal)}: ${bytesText(bytesMoved)} ${moved}${saved}, in ${durationText(seconds)}${rate}`;
}
