/** curl with presigned URLs: many processes, one with many transfers, and with OpenSSL's SHA-256 afterwards. */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Command } from "../measure/run-command.ts";
import { type Job, type Peer, plainEnv, shell } from "./peer.ts";

type Transfer = { url: string; option: string };

/** Faults of a server are tried again, as the other peers do by themselves. */
const COMMON = ["silent", "show-error", "fail", "create-dirs", "retry = 10", "retry-all-errors", "retry-delay = 0"];

function settings({ store }: Job, transfers: readonly Transfer[], more: readonly string[] = []): string {
  const { caFile } = store.options;
  const trust = caFile === null ? [] : [`cacert = "${caFile}"`];
  return [...COMMON, ...trust, ...more, ...transfers.flatMap(({ url, option }) => [`url = "${url}"`, option])].join("\n");
}

async function downloads({ store, data, keys, destination }: Job): Promise<Transfer[]> {
  const urls = await store.urls(keys, data.files);
  return data.files.map(({ name }, at) => ({ url: urls[at] ?? "", option: `output = "${join(destination, name)}"` }));
}

async function uploads({ store, data, keys }: Job): Promise<Transfer[]> {
  const urls = await store.uploadUrls(keys, data.files);
  return data.files.map(({ path }, at) => ({ url: urls[at] ?? "", option: `upload-file = "${path}"` }));
}

/** As many processes as connections, each with its share. */
function manyProcesses(job: Job, transfers: readonly Transfer[]): string {
  const lanes = Array.from({ length: Math.min(job.connections, transfers.length) }, (_, lane) => {
    const file = join(job.scratch, `curl-${lane}`);
    const share = transfers.filter((_, at) => at % job.connections === lane);
    writeFileSync(file, settings(job, share));
    return file;
  });
  const started = lanes.map((file) => `curl -K ${file} & pids="$pids $!"`).join("\n");
  return `${started}\nfor pid in $pids; do wait $pid || exit 1; done`;
}

/** One curl, its transfers side by side. */
function oneProcess(job: Job, transfers: readonly Transfer[]): Command {
  const file = join(job.scratch, "curl-all");
  writeFileSync(file, settings(job, transfers, ["parallel", `parallel-max = ${job.connections}`]));
  return { program: "curl", args: ["-K", file], env: plainEnv(job.scratch) };
}

export const curlProcesses: Peer = {
  name: "curl, many processes",
  programs: ["curl"],
  pull: async (job) => shell(manyProcesses(job, await downloads(job)), plainEnv(job.scratch)),
  push: async (job) => shell(manyProcesses(job, await uploads(job)), plainEnv(job.scratch)),
};

export const curlParallel: Peer = {
  name: "curl -Z",
  programs: ["curl"],
  pull: async (job) => oneProcess(job, await downloads(job)),
  push: null,
};

export const curlAndSha256: Peer = {
  name: "curl, many processes, then openssl sha256",
  programs: ["curl", "openssl", "xargs"],
  pull: async (job) => {
    const list = join(job.scratch, "files");
    writeFileSync(list, job.data.files.map(({ name }) => name).join("\n"));
    const hash = `xargs -P ${availableParallelism()} -n 4 openssl dgst -sha256 < ${list} > ${join(job.scratch, "sums")}`;
    return shell(`${manyProcesses(job, await downloads(job))}\n${hash}`, plainEnv(job.scratch), job.destination);
  },
  push: null,
};
