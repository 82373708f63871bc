/** One push or pull in a process of its own, so that a test can kill it. Arguments: JSON of `ChildJob`. */

import { MACHINE } from "../../scripts/node/machine.ts";
import { type EngineOptions, pullFiles, pushFiles } from "../../scripts/node/transfer.ts";
import { FerryClient } from "../../shared/client.ts";
import { FerryError } from "../../shared/errors.ts";
import { RefName } from "../../shared/names.ts";
import { REPOSITORY } from "./fake-registry.ts";

export type ChildJob = { verb: "push" | "pull"; endpoint: string; folder: string; options: EngineOptions };

const job: ChildJob = JSON.parse(process.argv[2] ?? "{}");
const client = new FerryClient({ endpoint: job.endpoint, token: "hf_test", fetch, sleep: MACHINE.sleep, random: Math.random });
const control = { client, onProgress: () => {}, signal: new AbortController().signal };
const main = RefName.parse("main");
try {
  const result =
    job.verb === "push"
      ? await pushFiles({ repository: REPOSITORY, branch: main, message: "", sources: [job.folder], create: true }, control, job.options)
      : await pullFiles({ repository: REPOSITORY, ref: "main", destination: job.folder }, control, job.options);
  process.stdout.write(JSON.stringify(result));
} catch (error) {
  process.stderr.write(error instanceof FerryError ? `${error.code} ${error.message}` : String(error));
  process.exitCode = 1;
}
