/** The AWS command line, and s5cmd, which takes the same settings. */
import type { Command } from "../measure/run-command.ts";
import { type Job, type Peer, plainEnv, programPath } from "./peer.ts";

function environment({ store, scratch }: Job): Record<string, string> {
  const { region, accessKeyId, secretAccessKey, caFile } = store.options;
  return plainEnv(scratch, {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: "true",
    ...(caFile === null ? {} : { AWS_CA_BUNDLE: caFile, SSL_CERT_FILE: caFile }),
  });
}

function place({ store, keys }: Job): string {
  return `s3://${store.options.bucket}/${store.key(keys)}`;
}

function awsCopy(job: Job, from: string, to: string): Command {
  const args = ["s3", "cp", "--recursive", "--only-show-errors", "--endpoint-url", job.store.options.endpoint, from, to];
  return { program: programPath("aws"), args, env: environment(job) };
}

function s5cmdCopy(job: Job, from: string, to: string): Command {
  return { program: programPath("s5cmd"), args: ["--endpoint-url", job.store.options.endpoint, "cp", from, to], env: environment(job) };
}

export const aws: Peer = {
  name: "aws s3 cp --recursive",
  programs: ["aws"],
  pull: (job) => awsCopy(job, place(job), job.destination),
  push: (job) => awsCopy(job, job.data.folder, place(job)),
};

export const s5cmd: Peer = {
  name: "s5cmd",
  programs: ["s5cmd"],
  pull: (job) => s5cmdCopy(job, `${place(job)}*`, `${job.destination}/`),
  push: (job) => s5cmdCopy(job, `${job.data.folder}/`, place(job)),
};
