/** rclone's S3. By default it compares the MD5 of what it copied with the ETag, which real stores give for objects of one part. */
import type { Command } from "../measure/run-command.ts";
import type { Store } from "../store.ts";
import { type Job, type Peer, plainEnv, programPath } from "./peer.ts";

function copy(job: Job, from: string, to: string, flags: readonly string[]): Command {
  const { endpoint, region, accessKeyId, secretAccessKey, caFile } = job.store.options;
  const args = ["copy", from, to, "--config", "", "--transfers", String(job.connections), "--checkers", String(job.connections), ...flags];
  if (caFile !== null) args.push("--ca-cert", caFile);
  const env = plainEnv(job.scratch, {
    RCLONE_CONFIG_BENCH_TYPE: "s3",
    RCLONE_CONFIG_BENCH_PROVIDER: "Other",
    RCLONE_CONFIG_BENCH_ENDPOINT: endpoint,
    RCLONE_CONFIG_BENCH_REGION: region,
    RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: secretAccessKey,
    RCLONE_CONFIG_BENCH_NO_CHECK_BUCKET: "true",
  });
  return { program: programPath("rclone"), args, env };
}

export type Between = { from: Store; to: Store; scratch: string; connections: number; isChecked: boolean };

/** From one store to another, through this machine: they are at different endpoints. */
export function rcloneBetween({ from, to, scratch, connections, isChecked }: Between, fromKeys: string, toKeys: string): Command {
  const at = (name: string, store: Store, keys: string) => `${name}:${store.options.bucket}/${store.key(keys)}`;
  const flags = isChecked ? [] : ["--ignore-checksum", "--s3-disable-checksum"];
  const words = ["copy", at("from", from, fromKeys), at("to", to, toKeys), "--config", ""];
  const args = [...words, "--transfers", String(connections), "--checkers", String(connections), ...flags];
  return { program: programPath("rclone"), args, env: plainEnv(scratch, { ...remoteEnv("FROM", from), ...remoteEnv("TO", to) }) };
}

function remoteEnv(name: string, { options }: Store): Record<string, string> {
  const { endpoint, region, accessKeyId, secretAccessKey } = options;
  const settings = { TYPE: "s3", PROVIDER: "Other", ENDPOINT: endpoint, REGION: region, NO_CHECK_BUCKET: "true" };
  const keys = { ACCESS_KEY_ID: accessKeyId, SECRET_ACCESS_KEY: secretAccessKey };
  return Object.fromEntries(Object.entries({ ...settings, ...keys }).map(([key, value]) => [`RCLONE_CONFIG_${name}_${key}`, value]));
}

function remote({ store, keys }: Job): string {
  return `bench:${store.options.bucket}/${store.key(keys)}`;
}

function rclonePeer(name: string, flags: readonly string[]): Peer {
  return {
    name,
    programs: ["rclone"],
    pull: (job) => copy(job, remote(job), job.destination, flags),
    push: (job) => copy(job, job.data.folder, remote(job), flags),
  };
}

export const rclone = rclonePeer("rclone s3", []);
export const rcloneUnchecked = rclonePeer("rclone s3 without md5", ["--ignore-checksum", "--s3-disable-checksum"]);
