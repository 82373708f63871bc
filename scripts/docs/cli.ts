/** The help of every command, as it is printed. */
import type { Command } from "commander";
import { processHost } from "../cli/host.ts";
import { makeProgram } from "../cli/program.ts";

export function commandsText(): string {
  return helps(makeProgram(processHost(new AbortController().signal)), "ferry");
}

/** Without the flags that every command has; those stand once, in the help of `ferry`. */
function helps(command: Command, name: string): string {
  const own = command.helpInformation().replace(/\nGlobal Options:\n(?: .*\n)+/, "");
  const children = command.commands.filter((child) => child.name() !== "help");
  return `### ${name}\n\n\`\`\`text\n${own.trimEnd()}\n\`\`\`\n\n${children.map((child) => helps(child, `${name} ${child.name()}`)).join("")}`;
}
