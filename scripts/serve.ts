/**
 * `npm run serve`: makes the web console's files, then is functions/server.ts, with the S3 door beside it when S3_LISTEN is set. Of several
 * processes the first makes them, and has the door.
 */
import cluster from "node:cluster";
import { jsonLog } from "./agent/log.ts";
import { runBeside, s3Beside } from "./agent/s3-beside.ts";
import { buildConsole } from "./build-console.ts";

if (cluster.isPrimary) {
  await buildConsole();
  const beside = s3Beside(process.env);
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());
  if (beside !== null)
    runBeside(
      beside,
      jsonLog((text) => process.stdout.write(text), Date.now),
      stopping.signal,
    );
}
await import("../functions/server.ts");
