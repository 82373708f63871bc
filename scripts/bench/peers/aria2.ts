/** aria2c with presigned URLs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../measure/run-command.ts";
import { type Job, type Peer, plainEnv, programPath } from "./peer.ts";

/** Only with a pause between tries does it try again after a 503. */
const STEADY = ["--max-tries=0", "--retry-wait=1"];
const QUIET = [
  "--no-conf",
  "--quiet",
  "--download-result=hide",
  "--console-log-level=error",
  "--file-allocation=none",
  "--allow-overwrite",
];

async function download(job: Job, flags: readonly string[], checksums: boolean): Promise<Command> {
  const { store, data, keys, destination, scratch } = job;
  const urls = await store.urls(keys, data.files);
  const lines = data.files.map(({ name, sha256 }, at) => {
    const sum = checksums ? `\n  checksum=sha-256=${sha256}` : "";
    return `${urls[at]}\n  dir=${destination}\n  out=${name}${sum}`;
  });
  const list = join(scratch, "aria2-list");
  writeFileSync(list, lines.join("\n"));
  const { caFile } = store.options;
  const trust = caFile === null ? [] : [`--ca-certificate=${caFile}`];
  return {
    program: programPath("aria2c"),
    args: [...QUIET, ...STEADY, ...trust, ...flags, `--input-file=${list}`],
    env: plainEnv(scratch),
  };
}

function aria2Peer(name: string, flags: (job: Job) => string[], checksums = false): Peer {
  return { name, programs: ["aria2c"], pull: (job) => download(job, flags(job), checksums), push: null };
}

export const aria2 = aria2Peer("aria2c -j", ({ connections }) => [`-j${connections}`]);
export const aria2Split = aria2Peer("aria2c -x16 -s16", () => ["-j1", "-x16", "-s16", "-k1M"]);
export const aria2Checked = aria2Peer("aria2c -j with checksums", ({ connections }) => [`-j${connections}`], true);
