/** Compares a tree on this machine with a revision, by content. Changes nothing. */
import type { FerryClient } from "../client.ts";
import type { VerifyRequest, VerifyResult } from "./contract.ts";
import { pool } from "./crew.ts";
import type { Machine, Tree } from "./ports.ts";
import type { Progress } from "./progress.ts";
import { type PullPlan, planPull } from "./pull-plan.ts";

export type VerifySetting = {
  client: FerryClient;
  request: VerifyRequest;
  tree: Tree;
  machine: Machine;
  progress: Progress;
  /** Files looked at, at the same time. */
  width: number;
};

/** What is wrong is an answer, not an error. Throws what the registry answers and what pull-plan.ts throws. */
export async function verify(setting: VerifySetting, signal: AbortSignal): Promise<VerifyResult> {
  const { client, request, tree, progress, machine } = setting;
  const startedMs = machine.nowMs();
  progress.start("listing");
  const plan = await planPull(client, request, signal);
  const bytesTotal = plan.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  progress.start("hashing", { bytes: bytesTotal, files: plan.files.length });
  const wrong = await problems(setting, plan, signal).finally(() => tree.close());
  const { repository, ref } = request;
  const files = plan.files.length + plan.links.length;
  return { repository, ref, revision: plan.revision, files, bytesTotal, wrong, seconds: (machine.nowMs() - startedMs) / 1000 };
}

async function problems({ request, tree, progress, width }: VerifySetting, plan: PullPlan, signal: AbortSignal) {
  const wrong: VerifyResult["wrong"] = [];
  const note = (path: string, problem: string | null) => {
    if (problem !== null) wrong.push({ path, problem });
  };
  await pool(plan.files, { width, signal }, async (file, stop) => {
    note(file.path, await tree.fileProblem(file, request.full, stop));
    progress.done(file.sizeBytes);
    progress.fileDone();
  });
  for (const { path, target } of plan.links) note(path, await tree.linkProblem(path, target));
  return wrong.sort((a, b) => (a.path < b.path ? -1 : 1));
}
