/** Completion, asked of the shells themselves. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, test } from "node:test";
import { wordTable } from "../../../scripts/cli/completion.ts";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { ferry, memoryHost } from "../../support/memory-host.ts";

const has = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0;

/** [what is typed, words offered for the last one, words not offered] */
const OFFERS: [string[], string[], string[]][] = [
  [[""], ["push", "pull", "store", "token", "completion"], ["probe", "--json"]],
  [["pu"], ["push", "pull"], ["ls"]],
  [["store", ""], ["ls", "probe", "setup", "add"], ["push"]],
  [["--json", "store", "pr"], ["probe"], ["ls"]],
  [["token", "create", "--"], ["--scope", "--expires", "--json", "--endpoint"], ["--force"]],
  [["push", "./model", "--m"], ["--message", "--memory"], ["--force"]],
  [["tag", "team/llama", "--f"], ["--force"], ["--if"]],
  [["push", ""], [], ["push", "ls"]],
];

let script: Record<"bash" | "zsh", string>;
before(async () => {
  script = { bash: (await ferry(["completion", "bash"])).stdout, zsh: (await ferry(["completion", "zsh"])).stdout };
});

for (const [typed, offered, not] of OFFERS) {
  test(`bash offers ${offered.join(", ") || "file names"} after: ferry ${typed.join(" ")}`, {
    skip: has("bash") ? false : "no bash",
  }, () => {
    const words = ["ferry", ...typed].map((word) => `'${word}'`).join(" ");
    const ask = `${script.bash}\nCOMP_WORDS=(${words}); COMP_CWORD=${typed.length}; _ferry; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p ferry`;
    const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-u", "-c", ask], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const lines = stdout.trim().split("\n");
    assert.equal(lines.pop(), "complete -o default -F _ferry ferry");
    assertOffers(lines, offered, not);
  });

  test(`zsh offers ${offered.join(", ") || "file names"} after: ferry ${typed.join(" ")}`, { skip: has("zsh") ? false : "no zsh" }, () => {
    const words = ["ferry", ...typed].map((word) => `'${word}'`).join(" ");
    // The shell's own functions, as far as the script calls them: compadd without a list prints what would be offered.
    const stubs = `compdef() { : }; compadd() { shift; local w; for w in "$@"; do [[ $w == \${words[CURRENT]}* ]] && print -r -- $w; done; : }; _files() { : }`;
    const ask = `${stubs}\n${script.zsh}\nwords=(${words}); CURRENT=${typed.length + 1}; _ferry`;
    const { stdout, stderr, status } = spawnSync("zsh", ["-f", "-c", ask], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assertOffers(stdout.trim().split("\n"), offered, not);
  });
}

function assertOffers(lines: string[], offered: string[], not: string[]): void {
  for (const word of offered) assert.ok(lines.includes(word), `${word} in ${lines}`);
  for (const word of not) assert.ok(!lines.includes(word), `${word} not in ${lines}`);
}

test("completion knows every command and every flag of the program", () => {
  const rows = wordTable(makeProgram(memoryHost().host));
  assert.equal(rows.find((row) => row.subject === "push")?.flags.includes("--no-cache"), true);
  assert.deepEqual(rows.find((row) => row.subject === "store")?.subcommands, ["ls", "probe", "setup", "add"]);
  for (const row of rows) assert.ok(row.flags.includes("--json") && row.flags.includes("--help"), row.subject);
});
