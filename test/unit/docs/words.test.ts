/** The tests of the pages see what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeProgram } from "../../../scripts/cli/program.ts";
import { commandProblem, shellWords } from "../../support/command-words.ts";
import { memoryHost } from "../../support/memory-host.ts";

for (const [line, words] of [
  ['push ./a team/b -m "two words"  # note', ["push", "./a", "team/b", "-m", "two words"]],
  ["ls --json | jq .", ["ls", "--json"]],
  ["pull team/b ./x && echo done", ["pull", "team/b", "./x"]],
  ["tag team/b v1; echo done", ["tag", "team/b", "v1"]],
  ["warm a/b --at '0 9 * * 1-5' > log", ["warm", "a/b", "--at", "0 9 * * 1-5"]],
] as const) {
  test(`the words of ${line}`, () => assert.deepEqual(shellWords(line), words));
}

for (const [line, problem] of [
  ["push ./a team/b --label step=1 --no-create --json", null],
  ["push ./a team/b --labels step=1", /no --labels/],
  ["pusj ./a team/b", /no command 'ferry pusj'/],
  ["sync status team/b", null],
  ["sync stat team/b", /no command 'sync stat'/],
  ["warm team/b@prod --group gpu --deadline 15m --wait", null],
  ["warm team/b@prod --grop gpu", /no --grop/],
  ["tag team/b v1 --lock", null],
  ["--help", null],
  ["…", null],
] as const) {
  test(`ferry ${line}: ${problem ?? "fine"}`, () => {
    const found = commandProblem(makeProgram(memoryHost().host), shellWords(line));
    if (problem === null) assert.equal(found, null);
    else assert.match(found ?? "nothing is wrong with it", problem);
  });
}
