/** `ferry token create|ls|rotate|revoke`. */
import type { Command } from "commander";
import * as z from "zod";
import { type TokenDescription, TokenId } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { counted, plain, table, timeText } from "./text.ts";
import { collected, NetworkValue, ScopeValue, SecondsValue, scopeText } from "./values.ts";

export function addToken(program: Command, act: Act): void {
  const token = program.command("token").helpCommand(false).description("Make, list, rotate and revoke tokens.");
  addCreate(token, act);
  addList(token, act);
  addRotate(token, act);
  addRevoke(token, act);
}

const Create = GlobalFlags.extend({
  args: z.tuple([z.string().min(1).max(100)]),
  scope: z.array(ScopeValue).min(1).max(32),
  expires: SecondsValue.optional(),
  robot: z.boolean().default(false),
  cidr: z.array(NetworkValue).min(1).max(32).optional(),
});

function addCreate(token: Command, act: Act): void {
  token
    .command("create")
    .description("Make a token that may do no more than yours. It is printed once and kept nowhere.")
    .argument("<name>", "who or what will use it")
    .requiredOption(
      "--scope <scope>",
      "REPOSITORIES:ACTIONS[:STORES], such as 'team/*:pull,push'; may be repeated; actions: pull, push, tag, delete, admin",
      collected,
    )
    .option("--expires <time>", "how long it is valid: 12h, 30d, 52w")
    .option("--robot", "for a machine: it must have --expires")
    .option("--cidr <network>", "good from this network alone, such as 10.0.0.0/8; may be repeated (default: as yours)", collected)
    .action(
      act(Create, async (cli, { args: [name], scope, expires, robot, cidr }) => {
        if (robot && expires === undefined) throw new FerryError("USAGE_INVALID", { problem: "--robot needs --expires" });
        const made = await (await cli.connect()).call("createToken", {
          body: {
            name,
            scopes: scope,
            ...(robot ? { kind: "robot" as const } : {}),
            ...(cidr === undefined ? {} : { networks: cidr }),
            ...(expires === undefined ? {} : { expiresInSeconds: expires }),
          },
        });
        // Alone on standard output, so that $(ferry token create …) is the token.
        cli.answer(made, `${made.token}\n`);
        const until = made.description.expiresAt === null ? "never expires" : `expires ${timeText(made.description.expiresAt)}`;
        cli.note(`Token ${made.description.id} (${plain(made.description.name)}) ${until}. Keep it now: it can't be shown again.`);
      }),
    );
}

const List = GlobalFlags.extend({ all: z.boolean().default(false) });

function addList(token: Command, act: Act): void {
  token
    .command("ls")
    .description("List tokens, without their secrets.")
    .option("-a, --all", "also expired and revoked ones")
    .action(
      act(List, async (cli, { all }) => {
        const answer = await (await cli.connect()).call("listTokens", {});
        const tokens = answer.tokens.toSorted((a, b) => compared(a.createdAt, b.createdAt) || compared(a.name, b.name));
        const now = cli.host.now();
        const shown = all ? tokens : tokens.filter((entry) => stateOf(entry, now) === "valid");
        cli.answer({ tokens: shown }, tokenTable(shown, now));
        if (shown.length < tokens.length) cli.note(`${counted(tokens.length - shown.length, "token")} not valid any more; see --all.`);
      }),
    );
}

function compared(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function stateOf(token: TokenDescription, nowMs: number): "valid" | "revoked" | "expired" {
  if (token.revokedAt !== null) return "revoked";
  return token.expiresAt !== null && Date.parse(token.expiresAt) <= nowMs ? "expired" : "valid";
}

function tokenTable(tokens: readonly TokenDescription[], nowMs: number): string {
  return table(
    tokens.map((token) => [
      token.id,
      stateOf(token, nowMs),
      token.kind,
      plain(token.name),
      token.expiresAt === null ? "never expires" : `until ${timeText(token.expiresAt)}`,
      token.lastUsedAt === null ? "not used" : `used ${timeText(token.lastUsedAt)}`,
      [...token.scopes.map(scopeText), ...token.networks.map((network) => `from ${network}`)].join(" "),
    ]),
  );
}

const TokenIdValue = z.string().refine((text) => TokenId.safeParse(text).success, "a token's id has 16 hex characters");

const Rotate = GlobalFlags.extend({ args: z.tuple([TokenIdValue]), overlap: SecondsValue.optional() });

function addRotate(token: Command, act: Act): void {
  token
    .command("rotate")
    .description("Give a token a new secret. It is printed once and kept nowhere; scopes and expiry stay.")
    .argument("<id>", "its id, from `ferry token ls` or `ferry whoami`")
    .option("--overlap <time>", "how long the old secret stays valid: 15m, 24h (default: it ends at once)")
    .action(
      act(Rotate, async (cli, { args: [id], overlap }) => {
        const body = { overlapSeconds: overlap ?? 0 };
        const made = await (await cli.connect()).call("rotateToken", { params: { id }, body });
        cli.answer(made, `${made.token}\n`);
        const { previousUntil } = made.description;
        const old = previousUntil === null ? "The old secret has ended" : `The old secret is valid until ${timeText(previousUntil)}`;
        cli.note(`${old}. Keep the new one now: it can't be shown again.`);
      }),
    );
}

const Revoke = GlobalFlags.extend({
  args: z.tuple([TokenIdValue]),
});

function addRevoke(token: Command, act: Act): void {
  token
    .command("revoke")
    .description("End a token at once.")
    .argument("<id>", "its id, from `ferry token ls` or `ferry whoami`")
    .action(
      act(Revoke, async (cli, { args: [id] }) => {
        await (await cli.connect()).call("revokeToken", { params: { id } });
        cli.answer({ id, revoked: true }, `Token ${id} is revoked.\n`);
      }),
    );
}
