/** The Hub's own command line, against the registry's door for the Hub's clients, where a deployment has one. */
import type { Command } from "../measure/run-command.ts";
import { type Hub, type Job, type Peer, plainEnv, programPath } from "./peer.ts";

export const hf: Peer = {
  name: "hf download",
  programs: ["hf"],
  pull: async (job) => {
    if (job.hub === null || !(await hasDoor(job.hub, job.data.files[0]?.name ?? ""))) {
      throw new Error("the registry has no door for the Hub's clients");
    }
    return download(job, job.hub);
  },
  push: null,
};

function download({ destination, scratch, store }: Job, { endpoint, token, repository }: Hub): Command {
  const { caFile } = store.options;
  const env = plainEnv(scratch, {
    HF_ENDPOINT: endpoint,
    HF_TOKEN: token,
    HF_HOME: scratch,
    HF_HUB_DISABLE_TELEMETRY: "1",
    HF_HUB_DISABLE_XET: "1",
    HF_HUB_DISABLE_PROGRESS_BARS: "1",
    ...(caFile === null ? {} : { REQUESTS_CA_BUNDLE: caFile, SSL_CERT_FILE: caFile }),
  });
  return { program: programPath("hf"), args: ["download", repository, "--local-dir", destination], env };
}

async function hasDoor({ endpoint, token, repository }: Hub, file: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const { status } = await fetch(`${endpoint}/${repository}/resolve/main/${file}`, { method: "HEAD", headers, redirect: "manual" });
  return status < 400;
}
