/** `npm run serve`: makes the web console's files, then is functions/server.ts. Of several processes the first makes them. */
import cluster from "node:cluster";
import { buildConsole } from "./build-console.ts";

if (cluster.isPrimary) await buildConsole();
await import("../functions/server.ts");
