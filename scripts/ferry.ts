#!/usr/bin/env node
/** The `ferry` command: this process as a host, its signals, its exit code. */
import { exitCode, Interrupted } from "./cli/exit.ts";
import { processHost } from "./cli/host.ts";
import { runFerry } from "./cli/program.ts";

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    const reason = new Interrupted(name);
    if (stop.signal.aborted) process.exit(reason.exitCode);
    stop.abort(reason);
  });
}
// The reader of a pipe has seen enough: `ferry log … | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : exitCode("failed")));

const code = await runFerry(process.argv.slice(2), processHost(stop.signal));
// Not `process.exitCode`: an idle connection must not keep the shell waiting. Writes to pipes may still be on their way.
process.stdout.write("", () => process.exit(code));
