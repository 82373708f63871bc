/** `ferry protect`: what a repository takes, and what its tags need. */
import type { Command } from "commander";
import * as z from "zod";
import type { RepositorySettings, SignedTags } from "../../shared/contract/repositories.ts";
import { KeyId } from "../../shared/signature.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { changeSettings } from "./settings.ts";
import { facts, plain } from "./text.ts";
import { collected, RepositoryValue } from "./values.ts";

/** `release-*`, or `release-*=<key>,<key>`. */
const SignedTagsValue = z.string().transform((text, context): SignedTags => {
  const at = text.indexOf("=");
  const tags = at < 0 ? text : text.slice(0, at);
  const keys = at < 0 ? [] : text.slice(at + 1).split(",");
  if (tags !== "" && keys.every((key) => KeyId.safeParse(key).success)) return { tags, keys };
  context.addIssue(`'${text}' is not TAGS or TAGS=KEY,KEY, where a key's id has 32 hex characters`);
  return z.NEVER;
});

const Protect = GlobalFlags.extend({
  args: z.tuple([RepositoryValue]),
  signedTags: z.union([z.literal(false), z.array(SignedTagsValue)]).optional(),
  formats: z.enum(["any", "safe"], "it is neither 'any' nor 'safe'").optional(),
  secrets: z.enum(["warn", "block"], "it is neither 'warn' nor 'block'").optional(),
});

export function addProtect(program: Command, act: Act): void {
  program
    .command("protect")
    .summary("Say what a repository takes, and which tags need signatures.")
    .description("Show what a repository takes and which of its tags need signatures; change what is named (administrators).")
    .argument("<repository>", "namespace/name")
    .option("--signed-tags <tags>", "tags that take signed revisions only: 'release-*' or 'v*=KEY,KEY'; may be repeated", collected)
    .option("--no-signed-tags", "all tags take any revision")
    .option("--formats <which>", "safe: no pickles and other files that run code when they are loaded; any")
    .option("--secrets <how>", "block: refuse a push in which secrets were found; warn")
    .action(act(Protect, protect));
}

async function protect(cli: Cli, { args: [repository], signedTags, formats, secrets }: z.infer<typeof Protect>): Promise<void> {
  const client = await cli.connect();
  let { settings } = await client.call("describeRepository", { repository });
  const changes = {
    ...(signedTags === undefined ? {} : { signedTags: signedTags === false ? [] : signedTags }),
    ...(formats === undefined ? {} : { formats }),
    ...(secrets === undefined ? {} : { secrets }),
  };
  if (Object.keys(changes).length > 0) settings = await changeSettings(client, repository, settings, changes);
  cli.answer({ repository, settings }, settingsText(settings));
}

function settingsText({ signedTags = [], formats = "any", secrets = "warn" }: RepositorySettings): string {
  const rules = signedTags.map(({ tags, keys }) => `${plain(tags)} by ${keys.length === 0 ? "any key" : keys.join(" or ")}`);
  return facts([
    ["signed tags", rules.length === 0 ? "none" : rules.join("; ")],
    ["formats", formats],
    ["secrets", secrets],
  ]);
}
