/** `ferry key create|ls|add|revoke`. */
import type { Command } from "commander";
import * as z from "zod";
import { KeyId } from "../../shared/signature.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { createKeyFiles, readPublicKey } from "./key-file.ts";
import { newOperationId } from "./operation.ts";
import { counted, plain, table, timeText } from "./text.ts";

export function addKey(program: Command, act: Act): void {
  const key = program.command("key").helpCommand(false).description("Make, list, add and revoke keys that sign revisions.");
  addCreate(key, act);
  addList(key, act);
  addAdd(key, act);
  addRevoke(key, act);
}

const FileArgs = GlobalFlags.extend({ args: z.tuple([z.string().min(1)]) });

function addCreate(key: Command, act: Act): void {
  key
    .command("create")
    .description("Make a key pair in two new files. Nothing is sent; have an administrator add the public one.")
    .argument("<file>", "where the private key goes; the public one goes beside it, with .pub at the end")
    .action(
      act(FileArgs, async (cli, { args: [file] }) => {
        const { id, publicKey } = await createKeyFiles(file);
        cli.answer({ id, publicKey, file, publicFile: `${file}.pub` }, `${id}\n`);
        cli.note(`Keep ${plain(file)} secret; add ${plain(file)}.pub with \`ferry key add\`.`);
      }),
    );
}

const List = GlobalFlags.extend({ all: z.boolean().default(false) });

function addList(key: Command, act: Act): void {
  key
    .command("ls")
    .description("List public keys.")
    .option("-a, --all", "also revoked ones")
    .action(
      act(List, async (cli, { all }) => {
        const { keys } = await (await cli.connect()).call("listKeys", {});
        const shown = all ? keys : keys.filter(({ revokedAt }) => revokedAt === null);
        const rows = shown.map(({ id, name, createdAt, createdBy, revokedAt }) => [
          id,
          plain(name),
          `added ${timeText(createdAt)} by ${plain(createdBy)}`,
          revokedAt === null ? "" : `revoked ${timeText(revokedAt)}`,
        ]);
        cli.answer({ keys: shown }, table(rows));
        if (shown.length < keys.length) cli.note(`${counted(keys.length - shown.length, "key")} revoked; see --all.`);
      }),
    );
}

const Add = FileArgs.extend({ name: z.string().min(1).max(100) });

function addAdd(key: Command, act: Act): void {
  key
    .command("add")
    .description("Make a public key known: its signatures count from now on (administrators).")
    .argument("<file>", "the public key; of a private key's file only the public part is sent")
    .requiredOption("--name <text>", "whose it is, or what for")
    .action(
      act(Add, async (cli, { args: [file], name }) => {
        const { publicKey } = await readPublicKey(file);
        const added = await (await cli.connect()).call("addKey", { body: { name, publicKey, operationId: newOperationId() } });
        cli.answer(added, `Key ${added.id} (${plain(name)}) is known.\n`);
      }),
    );
}

const KeyIdValue = z.string().refine((text) => KeyId.safeParse(text).success, "a key's id has 32 hex characters");
const Revoke = GlobalFlags.extend({ args: z.tuple([KeyIdValue]) });

function addRevoke(key: Command, act: Act): void {
  key
    .command("revoke")
    .description("End a key: none of its signatures counts any more, whenever it was made (administrators).")
    .argument("<id>", "its id, from `ferry key ls`")
    .action(
      act(Revoke, async (cli, { args: [id] }) => {
        await (await cli.connect()).call("revokeKey", { params: { id }, query: { operationId: newOperationId() } });
        cli.answer({ id, revoked: true }, `Key ${id} is revoked.\n`);
      }),
    );
}
