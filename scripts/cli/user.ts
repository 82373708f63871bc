/** `ferry user grant|revoke|ls`: roles of people who log in with the deployment's identity provider. */
import type { Command } from "commander";
import * as z from "zod";
import { Role, type UserGrant, UserGrantId } from "../../shared/contract/people.ts";
import { RepositoryGlob } from "../../shared/names.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { newOperationId } from "./operation.ts";
import { plain, table, timeText } from "./text.ts";

const CLAIMS = { sub: "sub", email: "email", group: "groups" } as const;

/** `email:ada@example.com`, `group:ml`, `sub:1234`. */
const WhoValue = z.string().transform((text, context): Pick<UserGrant, "claim" | "value"> => {
  const [, kind = "", value = ""] = /^(sub|email|group):(.+)$/s.exec(text) ?? [];
  const claim = Object.entries(CLAIMS).find(([name]) => name === kind)?.[1];
  if (claim !== undefined && value.length <= 300) return { claim, value };
  context.addIssue(`'${text}' is not email:ADDRESS, group:NAME or sub:SUBJECT`);
  return z.NEVER;
});

const ROLES = Role.options.join(", ");
const RoleValue = z.enum(Role.options, `it is none of ${ROLES}`);
const GlobValue = z
  .string()
  .refine((text) => RepositoryGlob.safeParse(text).success, "it is not '*' or namespace/name with '*' in its parts");

export function addUser(program: Command, act: Act): void {
  const user = program.command("user").helpCommand(false).description("Give people roles, list them, take them away.");
  addGrant(user, act);
  addList(user, act);
  addRevoke(user, act);
}

const Grant = GlobalFlags.extend({ args: z.tuple([WhoValue]), role: RoleValue, on: GlobValue });

function addGrant(user: Command, act: Act): void {
  user
    .command("grant")
    .description("Give a role to a person or a group, as the identity provider names them (administrators).")
    .argument("<who>", "email:ADDRESS (verified), group:NAME or sub:SUBJECT")
    .requiredOption("--role <role>", `${ROLES}: pull; and push; and tag and delete; all`)
    .requiredOption("--on <repositories>", "a repository, or a glob such as 'team/*'")
    .action(
      act(Grant, async (cli, { args: [who], role, on: repositories }) => {
        const body = { ...who, role, repositories, operationId: newOperationId() };
        const grant = await (await cli.connect()).call("grantUser", { body });
        cli.answer(grant, `${grant.id}: ${whoText(grant)} is ${role} on ${repositories}\n`);
      }),
    );
}

function addList(user: Command, act: Act): void {
  user
    .command("ls")
    .description("List roles of people (administrators).")
    .action(
      act(GlobalFlags, async (cli) => {
        const { grants } = await (await cli.connect()).call("listUserGrants", {});
        const rows = grants.map((grant) => [
          grant.id,
          whoText(grant),
          grant.role,
          grant.repositories,
          `since ${timeText(grant.createdAt)} by ${plain(grant.createdBy)}`,
        ]);
        cli.answer({ grants }, table(rows));
      }),
    );
}

const Revoke = GlobalFlags.extend({
  args: z.tuple([z.string().refine((text) => UserGrantId.safeParse(text).success, "a role's id has 16 hex characters")]),
});

function addRevoke(user: Command, act: Act): void {
  user
    .command("revoke")
    .description("Take a role away; sessions lose it within a minute (administrators).")
    .argument("<id>", "its id, from `ferry user ls`")
    .action(
      act(Revoke, async (cli, { args: [id] }) => {
        await (await cli.connect()).call("revokeUserGrant", { params: { id }, query: { operationId: newOperationId() } });
        cli.answer({ id, revoked: true }, `${id} is taken away.\n`);
      }),
    );
}

function whoText({ claim, value }: Pick<UserGrant, "claim" | "value">): string {
  return `${claim === "groups" ? "group" : claim}:${plain(value)}`;
}
