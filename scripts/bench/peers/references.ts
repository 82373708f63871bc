/** Not peers but yardsticks: a local copy, and what Node's own HTTP clients do with the same work. */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "../measure/run-command.ts";
import { type Job, type Peer, plainEnv, shell } from "./peer.ts";
import type { Way } from "./references-process.ts";

/** @param urls of the job's files, in their order. The command fails when a file's digest is another. */
export function downloadBy(way: Way, { store, data, destination, scratch, connections }: Job, urls: readonly string[]): Command {
  const files = data.files.map(({ name, sha256 }, at) => ({ url: urls[at] ?? "", path: join(destination, name), sha256 }));
  const list = join(scratch, "references.json");
  writeFileSync(list, JSON.stringify({ way, connections, files }));
  const { caFile } = store.options;
  const env = plainEnv(scratch, caFile === null ? {} : { NODE_EXTRA_CA_CERTS: caFile });
  return { program: process.execPath, args: [fileURLToPath(new URL("references-process.ts", import.meta.url)), list], env };
}

function reference(name: string, way: Way): Peer {
  return { name, programs: [], pull: async (job) => downloadBy(way, job, await job.store.urls(job.keys, job.data.files)), push: null };
}

export const nodeFetch = reference("node fetch + sha256", "fetch");
export const nodeDispatch = reference("node undici dispatch + sha256", "dispatch");

/** From the folder of the source files, whatever the store is. */
export const copyLocally = copyPeer("cp", "");
/** What it copied is on the disk then, as it is after `ferry pull`. */
export const copyAndSync = copyPeer("cp, then sync", " && sync -f .");

/** Links to the source files and hashes them, on all cores: what verifying alone takes. */
export const hashLocally: Peer = {
  name: "openssl sha256 alone",
  programs: ["cp", "openssl", "xargs"],
  pull: ({ data, destination, scratch }) => {
    const list = join(scratch, "files");
    writeFileSync(list, data.files.map(({ name }) => name).join("\n"));
    const hash = `xargs -P ${availableParallelism()} -n 4 openssl dgst -sha256 < ${list} > ${join(scratch, "sums")}`;
    return shell(`cp -rs ${data.folder}/. . && ${hash}`, plainEnv(scratch), destination);
  },
  push: null,
};

function copyPeer(name: string, then: string): Peer {
  return {
    name,
    programs: ["cp", "sync"],
    pull: ({ data, destination, scratch }) => shell(`cp -r ${data.folder}/. .${then}`, plainEnv(scratch), destination),
    push: null,
  };
}
