/** `ferry session`: lists the sessions of a repository, and aborts one. */
import type { Command } from "commander";
import * as z from "zod";
import type { OpenSession } from "../../shared/contract/parts.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";
import { SessionValue } from "./session-rank.ts";
import { plain, table, timeText } from "./text.ts";
import { RepositoryValue } from "./values.ts";

export function addSession(program: Command, act: Act): void {
  const session = program
    .command("session")
    .summary("List and abort sessions: pushes of many ranks into one revision.")
    .description("List and abort sessions. Each rank pushes one part: see `ferry push --session`.");
  addLs(session, act);
  addAbort(session, act);
}

const Ls = GlobalFlags.extend({ args: z.tuple([RepositoryValue]) });

function addLs(session: Command, act: Act): void {
  session
    .command("ls")
    .description("List open sessions, the newest first: branch, sealed parts, who opened it and when.")
    .argument("<repository>", "namespace/name")
    .action(
      act(Ls, async (cli, { args: [repository] }) => {
        const { sessions } = await (await cli.connect()).call("listSessions", { repository });
        // The upload's text is for calls of a program, not for a screen.
        const items = sessions.map(({ upload: _, ...item }) => item);
        cli.answer({ repository, sessions: items }, sessionTable(sessions));
      }),
    );
}

function sessionTable(sessions: readonly OpenSession[]): string {
  return table(
    sessions.map(({ session, branch, parts, sealed, openedBy, openedAt }) => [
      plain(session),
      plain(branch),
      `${sealed.length} of ${parts} parts`,
      plain(openedBy),
      timeText(openedAt),
    ]),
  );
}

const Abort = GlobalFlags.extend({ args: z.tuple([RepositoryValue, SessionValue]) });

function addAbort(session: Command, act: Act): void {
  session
    .command("abort")
    .summary("Abort a session.")
    .description("Abort a session: no part of it is sealed or committed after this, and its name is used up.")
    .argument("<repository>", "namespace/name")
    .argument("<session>", "its name")
    .action(
      act(Abort, async (cli, { args: [repository, session] }) => {
        const client = await cli.connect();
        const { sessions } = await client.call("listSessions", { repository });
        const open = sessions.find((candidate) => candidate.session === session);
        if (open === undefined) throw new FerryError("SESSION_UNKNOWN", { repository, session });
        await client.call("abortSession", { repository, params: { upload: open.upload } });
        cli.answer({ repository, session, aborted: true }, `session ${session} of ${repository} is aborted\n`);
      }),
    );
}
