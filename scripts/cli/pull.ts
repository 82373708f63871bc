/** `ferry pull`: the files of a revision into a directory. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import type { Act } from "./act.ts";
import { PartsValue, PartValue, partOf } from "./session-rank.ts";
import { plain } from "./text.ts";
import { addTransferOptions, engineOptions, filters, summary, TransferFlags, transfer } from "./transfer.ts";
import { TargetValue } from "./values.ts";

const Pull = TransferFlags.extend({
  args: z.tuple([TargetValue, z.string().min(1)]),
  part: PartValue.optional(),
  parts: PartsValue.optional(),
});

export function addPull(program: Command, act: Act): void {
  const command = program
    .command("pull")
    .summary("Pull a revision into a directory.")
    .description(
      "Pull a revision into a directory. Every byte is verified, also of files that are there already; a pull that was stopped goes on.",
    )
    .argument("<target>", `namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .argument("<directory>", "where the files go; it is made when missing")
    .option("--part <k>", "one of several readers, counted from 0: only files of its own share; auto: the rank that the launcher set")
    .option("--parts <n>", "how many readers share the files (default: the number of ranks that the launcher set)");
  addTransferOptions(command).action(
    act(Pull, async (cli, flags) => {
      const [{ repository, ref }, destination] = flags.args;
      const { pullFiles } = await import("../node/transfer.ts");
      const { part, parts } = flags;
      const share = part === undefined && parts === undefined ? {} : { share: partOf(cli.host.env, { part, parts }) };
      const request = { repository, ref: ref ?? DEFAULT_BRANCH, destination, ...filters(flags), ...share };
      const options = engineOptions(cli.host, flags, true);
      const result = await transfer(cli, "pulling", (control) => pullFiles(request, control, options));
      const { files, bytesTotal, chunksTotal, seconds } = result;
      const counts = { files, bytesTotal, bytesReceived: result.bytesMoved, chunksTotal, chunksReceived: result.chunksMoved, seconds };
      cli.note(`pulled ${summary(result, "received")}`);
      const revision = result.revision.revision;
      cli.answer({ repository, ref: result.ref, revision, ...counts }, `${plain(destination)}\n`);
    }),
  );
}
