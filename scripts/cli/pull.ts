/** `ferry pull`: the files of a revision into a directory. */
import type { Command } from "commander";
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { Approve, PullRequest } from "../../shared/transfer/contract.ts";
import type { Act } from "./act.ts";
import { fromAgent } from "./agent-pull.ts";
import type { Cli } from "./cli.ts";
import type { ExitName } from "./exit.ts";
import { PartsValue, PartValue, partOf } from "./session-rank.ts";
import { signedOnly, wantedKey } from "./signed.ts";
import { bytesText, counted, plain } from "./text.ts";
import { addTransferOptions, engineOptions, filters, summary, TransferFlags, transfer } from "./transfer.ts";
import { TargetValue } from "./values.ts";

const Pull = TransferFlags.extend({
  args: z.tuple([TargetValue, z.string().min(1)]),
  part: PartValue.optional(),
  parts: PartsValue.optional(),
  verify: z.enum(["chunks", "full"], "it is neither 'chunks' nor 'full'").optional(),
  chunkCache: z.string().min(1).optional(),
  current: z.string().min(1).optional(),
  verifySignature: z.boolean().default(false),
  key: z.string().min(1).optional(),
  direct: z.enum(["auto", "always", "never"], "it is not 'auto', 'always' or 'never'").default("auto"),
})
  .refine(({ verify, chunkCache, current }) => verify === undefined || (chunkCache === undefined && current === undefined), {
    error: "--verify changes nothing, so it goes neither with --chunk-cache nor with --current",
  })
  .refine(({ verifySignature, key }) => verifySignature || key === undefined, { error: "--key is for --verify-signature" });
type Pull = z.infer<typeof Pull>;

export function addPull(program: Command, act: Act): void {
  const command = program
    .command("pull")
    .summary("Pull a revision into a directory.")
    .description(
      "Pull a revision into a directory. Every byte is verified, also of files that are there already; a pull that was stopped goes on. Where `ferry agent` runs (FERRY_AGENT names its socket or http://host:port; off: none), chunks come by way of it.",
    )
    .argument("<target>", `namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .argument("<directory>", "where the files go; it is made when missing")
    .option("--part <k>", "one of several readers, counted from 0: only files of its own share; auto: the rank that the launcher set")
    .option("--parts <n>", "how many readers share the files (default: the number of ranks that the launcher set)")
    .option("--verify <how>", "only compare the directory with the revision: chunks, or full, which reads whole files' digests, too")
    .option("--verify-signature", "refuse a revision that is not signed, before anything is written")
    .option("--key <id|file>", "with it: signed by this key; without, by any that the deployment knows")
    .option("--current <link>", "a symbolic link to switch to the directory, in one step, when all of it is there")
    .option("--chunk-cache <dir>", "take chunks that lie there instead of fetching them, by clone, link or copy")
    .option("--direct <when>", "write large files past the page cache: auto (when memory is short), always, never");
  addTransferOptions(command).action(act(Pull, (cli, flags) => (flags.verify === undefined ? pull(cli, flags) : verify(cli, flags))));
}

async function pull(cli: Cli, flags: Pull): Promise<ExitName> {
  const { pullFiles } = await import("../node/transfer.ts");
  const { chunkCache, current, direct } = flags;
  const places = { ...(chunkCache === undefined ? {} : { chunkCache }), ...(current === undefined ? {} : { current }) };
  const request = { ...meant(cli, flags), ...places };
  const options = { ...engineOptions(cli.host, flags, true), direct };
  const approval = await approvalOf(flags);
  const agent = chunkCache === undefined ? await fromAgent(cli.host) : () => ({});
  const result = await transfer(cli, "pulling", (control, note) => {
    return pullFiles({ ...request, ...approval(control.client) }, control, { ...options, ...agent(control.client, note) });
  });
  const { repository, ref, files, bytesTotal, chunksTotal, seconds } = result;
  const counts = { files, bytesTotal, bytesReceived: result.bytesMoved, chunksTotal, chunksReceived: result.chunksMoved, seconds };
  cli.note(`pulled ${summary(result, "received")}`);
  const revision = result.revision.revision;
  cli.answer({ repository, ref, revision, ...counts }, `${plain(request.destination)}\n`);
  return "ok";
}

async function verify(cli: Cli, flags: Pull): Promise<ExitName> {
  const { verifyFiles } = await import("../node/transfer.ts");
  const request = { ...meant(cli, flags), full: flags.verify === "full" };
  const options = engineOptions(cli.host, flags, true);
  const approval = await approvalOf(flags);
  const result = await transfer(cli, "verifying", (control) => verifyFiles({ ...request, ...approval(control.client) }, control, options));
  const { repository, ref, files, bytesTotal, wrong, seconds } = result;
  const revision = result.revision.revision;
  cli.note(
    `${counted(files, "file")}, ${bytesText(bytesTotal)}: ${wrong.length === 0 ? "all as in" : `${wrong.length} not as in`} ${repository}@${revision}`,
  );
  cli.answer(
    { repository, ref, revision, files, bytesTotal, wrong, seconds },
    wrong.map(({ path, problem }) => `${plain(path)}: ${plain(problem)}\n`).join(""),
  );
  return wrong.length === 0 ? "ok" : "integrity";
}

/** The key is read before anything else is done. */
async function approvalOf({ args: [{ repository }], verifySignature, key }: Pull): Promise<(client: FerryClient) => { approve?: Approve }> {
  if (!verifySignature) return () => ({});
  const wanted = await wantedKey(key);
  return (client) => ({ approve: signedOnly(client, repository, wanted) });
}

/** Which files of which revision, and where they are to be. */
function meant({ host }: Cli, flags: Pull): PullRequest {
  const [{ repository, ref }, destination] = flags.args;
  const { part, parts } = flags;
  const share = part === undefined && parts === undefined ? {} : { share: partOf(host.env, { part, parts }) };
  return { repository, ref: ref ?? DEFAULT_BRANCH, destination, ...filters(flags), ...share };
}
