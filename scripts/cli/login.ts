/** `ferry login`, `logout`, `whoami`: whose token is used where. */
import type { Command } from "commander";
import * as z from "zod";
import type { WhoAmI } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { clientFor } from "./client.ts";
import { checkTransport, configPath, mayBePlain, normalEndpoint, readConfig, settingsOf, writeConfig } from "./config.ts";
import type { Host } from "./host.ts";
import { exchangeIdentity } from "./identity.ts";
import { facts, plain, timeText } from "./text.ts";
import { scopeText } from "./values.ts";

const Login = GlobalFlags.extend({
  args: z.tuple([z.string().optional()]),
  oidc: z.boolean().default(false),
  audience: z.string().min(1).max(300).optional(),
});

export function addLogin(program: Command, act: Act): void {
  program
    .command("login")
    .summary("Check a token and keep it.")
    .description("Check a token and keep it for an endpoint, which becomes the default.")
    .argument("[endpoint]", "the deployment, https://…")
    .option("--oidc", "exchange this machine's identity token for a short token, and renew it when it is over")
    .option("--audience <text>", "that the identity token is made for, when the endpoint is not (FERRY_OIDC_AUDIENCE)")
    .addHelpText("after", LOGIN_HELP)
    .action(
      act(Login, async (cli, { args: [endpoint], oidc, audience }) => {
        if (audience !== undefined && !oidc) throw new FerryError("USAGE_INVALID", { problem: "--audience goes with --oidc" });
        const to = await loginEndpoint(cli, endpoint);
        const login = oidc ? await identityLogin(cli.host, to, audience) : { token: await newToken(cli.host, to) };
        const whoAmI = await clientFor(cli.host, { endpoint: to, token: login.token }, { attempts: 2 }).call("whoAmI", {});
        const config = await readConfig(cli.host);
        const plainHttp = mayBePlain(cli.host, cli.connection) ? { plainHttp: true } : {};
        await writeConfig(cli.host, { ...config, endpoint: to, logins: { ...config.logins, [to]: { ...login, ...plainHttp } } });
        cli.answer({ endpoint: to, ...whoAmI }, `Logged in to ${to} as ${plain(whoAmI.name)}.\n${identityText(whoAmI)}`);
      }),
    );
}

const LOGIN_HELP = `
The token is FERRY_TOKEN when set, else asked for without echo, else read from standard input.
With --oidc the identity token is that of FERRY_OIDC_TOKEN_FILE, else the one that Kubernetes projects
to /var/run/secrets/modelferry/token, else that of the GitHub Actions job.
`;

async function identityLogin(host: Host, endpoint: string, given: string | undefined) {
  const audience = given ?? (host.env["FERRY_OIDC_AUDIENCE"] || null);
  const { token, expiresAt } = await exchangeIdentity(host, endpoint, audience);
  return { token, identity: { audience, expiresAt } };
}

async function loginEndpoint(cli: Cli, given: string | undefined): Promise<string> {
  if (given === undefined) return (await cli.settings()).endpoint;
  const endpoint = normalEndpoint(given);
  checkTransport(endpoint, mayBePlain(cli.host, cli.connection));
  return endpoint;
}

async function newToken(host: Host, endpoint: string): Promise<string> {
  const given = host.env["FERRY_TOKEN"] ?? "";
  const asked = () => (host.interactive ? host.ask(`Token for ${endpoint}: `, { secret: true }) : host.readInput());
  const token = (given === "" ? await asked() : given).trim();
  if (token === "") throw new FerryError("USAGE_INVALID", { problem: "no token was given" });
  // A header can't hold anything else, and fetch would say so with the token in its words.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new FerryError("USAGE_INVALID", { problem: "a token has no spaces and only ASCII characters" });
  return token;
}

const Logout = GlobalFlags.extend({ args: z.tuple([z.string().optional()]) });

export function addLogout(program: Command, act: Act): void {
  program
    .command("logout")
    .summary("Forget a token.")
    .description("Forget the token that was kept for an endpoint.")
    .argument("[endpoint]", "the deployment (default: the last login)")
    .action(
      act(Logout, async (cli, { args: [given] }) => {
        const config = await readConfig(cli.host);
        const endpoint = given === undefined ? settingsOf(cli.host, config, cli.connection).endpoint : normalEndpoint(given);
        const { [endpoint]: kept, ...logins } = config.logins;
        const rest = { v: config.v, logins };
        const keepsDefault = config.endpoint !== undefined && config.endpoint !== endpoint;
        await writeConfig(cli.host, keepsDefault ? { ...rest, endpoint: config.endpoint } : rest);
        cli.answer(
          { endpoint, removed: kept !== undefined },
          kept === undefined
            ? `There was no token for ${endpoint}.\n`
            : `The token for ${endpoint} is forgotten here; it is still valid.\n`,
        );
      }),
    );
}

export function addWhoAmI(program: Command, act: Act): void {
  program
    .command("whoami")
    .summary("Tell which token is used.")
    .description("Tell which token is used where, and what it may do.")
    .action(
      act(GlobalFlags, async (cli) => {
        const { endpoint, tokenFrom } = await cli.settings();
        const whoAmI = await (await cli.connect()).call("whoAmI", {});
        const source = tokenFrom === "login" ? configPath(cli.host) : tokenFrom;
        cli.answer(
          { endpoint, ...whoAmI, tokenFrom },
          identityText(whoAmI, [
            ["endpoint", endpoint],
            ["name", plain(whoAmI.name)],
            ["from", source],
          ]),
        );
      }),
    );
}

function identityText(whoAmI: WhoAmI, before: readonly (readonly [string, string | null])[] = []): string {
  return facts([
    ...before,
    ["token", whoAmI.id],
    ["kind", whoAmI.kind],
    ["expires", whoAmI.expiresAt === null ? "never" : timeText(whoAmI.expiresAt)],
    ["networks", whoAmI.networks.length === 0 ? null : whoAmI.networks.join("  ")],
    ["scopes", whoAmI.scopes.map(scopeText).join("  ")],
  ]);
}
