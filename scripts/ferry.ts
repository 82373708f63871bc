#!/usr/bin/env node
/** The `ferry` command: this process as a host, its signals, its exit code. */
import { exitCode, Interrupted } from "./cli/exit.ts";
import { processHost } from "./cli/host.ts";
import { runFerry } from "./cli/run.ts";

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    const reason = new Interrupted(name);
    if (stop.signal.aborted) process.exit(reason.exitCode);
    stop.abort(reason);
  });
}
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe has seen enough: `ferry log … | head`.
  if (error.code === "EPIPE") process.exit(exitCode("ok"));
  process.stderr.write(`ferry: standard output can't be written: ${error.code}\nnext: Free space, or write it elsewhere.\n`);
  process.exit(exitCode("localFiles"));
});

void runFerry(process.argv.slice(2), processHost(stop.signal)).then((code) => {
  // Not `process.exitCode`: an idle connection must not keep the shell waiting. Earlier writes are done when this one is, and their failure is
  // told before the next turn.
  process.stdout.write("", () => setImmediate(() => process.exit(code)));
});
