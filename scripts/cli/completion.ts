/** `ferry completion`: shell scripts made from the command table, so that they know what the program knows. */
import type { Command } from "commander";
import * as z from "zod";
import type { Act } from "./act.ts";
import { GlobalFlags } from "./cli.ts";

const Completion = GlobalFlags.extend({
  args: z.tuple([z.enum(["bash", "zsh"], { error: (issue) => `'${String(issue.input)}' is not bash or zsh` })]),
});

export function addCompletion(program: Command, act: Act): void {
  program
    .command("completion")
    .summary("Print a completion script for bash or zsh.")
    .description("Print a script that completes commands, flags and file names.")
    .argument("<shell>", "bash or zsh")
    .addHelpText("after", '\nbash: eval "$(ferry completion bash)"   zsh: eval "$(ferry completion zsh)"   (in ~/.bashrc or ~/.zshrc)\n')
    .action(
      act(Completion, async (cli, { args: [shell] }) => {
        const words = wordTable(program);
        cli.host.stdout.write(shell === "bash" ? bashScript(words) : zshScript(words));
      }),
    );
}

/** `subject`: the words of the command, `store probe`; empty for none. */
type Words = { subject: string; subcommands: string[]; flags: string[] };

/** Every command with the words that may follow it. */
export function wordTable(program: Command): Words[] {
  const shared = program.options.flatMap((option) => (option.long === "--version" ? [] : [option.long ?? ""]));
  const rows: Words[] = [];
  const visit = (command: Command, path: readonly string[]) => {
    const own = command.options.flatMap((option) => [option.long ?? ""]);
    rows.push({
      subject: path.join(" "),
      subcommands: command.commands.map((child) => child.name()),
      flags: [...new Set([...own, ...shared, "--help"])].filter((flag) => flag !== "").sort(),
    });
    for (const child of command.commands) visit(child, [...path, child.name()]);
  };
  visit(program, []);
  return rows;
}

/** Words before the cursor choose a row; what follows is a flag, a subcommand, or a file name (the shell's own completion). */
function bashScript(rows: readonly Words[]): string {
  return `# ferry completion for bash: eval "$(ferry completion bash)"
_ferry() {
  local current=\${COMP_WORDS[COMP_CWORD]} subject="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${subject:+$subject }$word" in
${subjects(rows)
  .map((subject) => `      '${subject}') subject='${subject}' ;;`)
  .join("\n")}
    esac
  done
  local subcommands="" flags=""
  case "$subject" in
${rows.map(bashRow).join("\n")}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$subcommands" -- "$current")) ;;
  esac
}
complete -o default -F _ferry ferry
`;
}

function bashRow({ subject, subcommands, flags }: Words): string {
  return `    '${subject}') subcommands='${subcommands.join(" ")}'; flags='${flags.join(" ")}' ;;`;
}

function zshScript(rows: readonly Words[]): string {
  return `#compdef ferry
# ferry completion for zsh: eval "$(ferry completion zsh)", after compinit
_ferry() {
  local current=\${words[CURRENT]} subject="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${subject:+$subject }$word" in
${subjects(rows)
  .map((subject) => `      '${subject}') subject='${subject}' ;;`)
  .join("\n")}
    esac
  done
  local -a subcommands flags
  case "$subject" in
${rows.map(zshRow).join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    compadd -- $flags
  elif (( \${#subcommands} )); then
    compadd -- $subcommands
  else
    _files
  fi
}
compdef _ferry ferry
`;
}

function zshRow({ subject, subcommands, flags }: Words): string {
  return `    '${subject}') subcommands=(${subcommands.join(" ")}); flags=(${flags.join(" ")}) ;;`;
}

function subjects(rows: readonly Words[]): string[] {
  return rows.map((row) => row.subject).filter((subject) => subject !== "");
}
