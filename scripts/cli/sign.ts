/** `ferry sign`: a signature of a revision that is there. */
import type { Command } from "commander";
import * as z from "zod";
import { DEFAULT_BRANCH } from "../../shared/contract/repositories.ts";
import { parseManifest } from "../../shared/manifest.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { readSigner } from "./key-file.ts";
import { sendSignature } from "./signed.ts";
import { TargetValue } from "./values.ts";

const Sign = GlobalFlags.extend({ args: z.tuple([TargetValue]), key: z.string().min(1) });

export function addSign(program: Command, act: Act): void {
  program
    .command("sign")
    .summary("Sign a revision.")
    .description(
      "Sign a revision: its manifest, which says every file's path, size and digest. Good for the same content in every store and clone. Look at what you sign first: pull it, or name it by its revision.",
    )
    .argument("<target>", `namespace/name[@ref] (default ref: ${DEFAULT_BRANCH})`)
    .requiredOption("--key <file>", "the private key, from `ferry key create`")
    .action(
      act(Sign, async (cli, { args: [{ repository, ref }], key }) => {
        const signer = await readSigner(key);
        const client = await cli.connect();
        const { revision, manifest } = await client.call("manifest", { repository, params: { ref: ref ?? DEFAULT_BRANCH } });
        await parseManifest(manifest, revision.manifest);
        const answer = await sendSignature(client, { repository, ref: revision.revision }, signer, revision.manifest);
        cli.answer({ repository, ...answer, key: signer.id }, `${repository}@${revision.revision} is signed by ${signer.id}\n`);
      }),
    );
}
