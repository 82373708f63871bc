import assert from "node:assert/strict";
import { test } from "node:test";
import { EXITS, exitCode, exitOf, Interrupted } from "../../../scripts/cli/exit.ts";
import { failureOf, reportFailure } from "../../../scripts/cli/report.ts";
import { ERRORS, type ErrorCode, FerryError } from "../../../shared/errors.ts";
import { assertGolden } from "../../support/golden.ts";
import { ferry, memoryHost } from "../../support/memory-host.ts";

const ENDS: [ErrorCode, number][] = [
  ["USAGE_INVALID", 2],
  ["ENDPOINT_MISSING", 2],
  ["ENDPOINT_INSECURE", 2],
  ["CONFIRMATION_MISSING", 2],
  ["REQUEST_INVALID", 2],
  ["REPOSITORY_UNKNOWN", 3],
  ["REF_UNKNOWN", 3],
  ["TAG_UNKNOWN", 3],
  ["STORE_UNKNOWN", 3],
  ["TOKEN_MISSING", 4],
  ["TOKEN_INVALID", 4],
  ["PERMISSION_DENIED", 4],
  ["SCOPE_EXCEEDED", 4],
  ["BRANCH_MOVED", 5],
  ["TAG_EXISTS", 5],
  ["TAG_MOVED", 5],
  ["REPOSITORY_EXISTS", 5],
  ["ENDPOINT_UNREACHABLE", 6],
  ["STORAGE_UNAVAILABLE", 6],
  ["INDEX_REBUILDING", 6],
  ["TRANSFER_FAILED", 6],
  ["TRANSFER_REFUSED", 6],
  ["TRANSFER_STALLED", 6],
  ["STORE_UNPROVEN", 6],
  ["STORE_UNSAFE", 6],
  ["RATE_LIMITED", 6],
  ["FILE_UNREADABLE", 7],
  ["FILE_UNWRITABLE", 7],
  ["FILE_CHANGED", 7],
  ["PATH_UNSAFE", 7],
  ["DIGEST_INVALID", 8],
  ["SIZE_INVALID", 8],
  ["LOG_DAMAGED", 8],
  ["CONFIG_INVALID", 1],
  ["ROUTE_UNKNOWN", 1],
];

for (const [code, exit] of ENDS) test(`${code} ends with ${exit}`, () => assert.equal(exitCode(exitOf(code)), exit));

test("every error of the table ends with a documented code that is not 0", () => {
  const documented = EXITS.map((exit) => exit.code as number);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const exit = exitCode(exitOf(code));
    assert.ok(exit !== 0 && documented.includes(exit), code);
  }
});

test("a failure is two lines, without colours, control characters, tokens or signatures", () => {
  const { host, stdout, stderr } = memoryHost();
  const details = { what: "chunk \u001b[31m\n", problem: "https://s/k?X-Amz-Signature=abc and hf_0123456789abcdef" };
  assert.equal(reportFailure(new FerryError("TRANSFER_FAILED", details), host, { help: "ferry --help", json: false }), 6);
  assert.equal(
    stderr(),
    "ferry: chunk \ufffd[31m  could not be transferred: https://s/k?[secret] and [secret]\n" +
      "next: Run the same command again; it goes on where it stopped.\n",
  );
  assert.equal(stdout(), "");
});

test("with --json the failure is an object on standard output as well", () => {
  const { host, stdout } = memoryHost();
  reportFailure(new FerryError("INTERNAL", { requestId: "r1" }), host, { help: "ferry --help", json: true });
  assert.deepEqual(JSON.parse(stdout()), {
    error: {
      code: "INTERNAL",
      message: ERRORS.INTERNAL.message,
      next: ERRORS.INTERNAL.next,
      exitCode: 6,
      requestId: "r1",
    },
  });
});

test("a stack is shown with FERRY_DEBUG=1 only, with its causes, without secrets", () => {
  const error = new FerryError("INTERNAL", {}, { cause: new Error("PUT https://s/k?X-Amz-Signature=abc") });
  const told = (env: Record<string, string>) => {
    const { host, stderr } = memoryHost({ env });
    reportFailure(error, host, { help: "ferry --help", json: false });
    return stderr();
  };
  assert.doesNotMatch(told({}), /at .*report\.test/);
  assert.match(told({ FERRY_DEBUG: "1" }), /at .*report\.test[\s\S]*caused by: Error: PUT https:\/\/s\/k\?\[secret\]/);
});

test("a bug is told as one, with a way to report it", () => {
  const failure = failureOf(new TypeError("x is undefined"), memoryHost().host, "ferry --help");
  assert.equal(failure.exitCode, 1);
  assert.match(failure.message, /^this should not happen: x is undefined/);
  assert.match(failure.next, /FERRY_DEBUG=1/);
});

for (const [by, exit] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test(`whatever fails after ${by} is told as a stop, and ends with ${exit}`, () => {
    const stop = new AbortController();
    stop.abort(new Interrupted(by));
    const { host } = memoryHost({ signal: stop.signal });
    const failure = failureOf(new FerryError("ENDPOINT_UNREACHABLE"), host, "ferry push --help");
    assert.deepEqual(failure, {
      code: "INTERRUPTED",
      message: "stopped",
      next: "Run the same command again; it goes on where it stopped.",
      exitCode: exit,
    });
    assert.equal(failureOf(null, host, "ferry ls --help").next, "Run the same command again.");
  });
}

/** Wrong command lines: none of them reaches the network. */
const WRONG: string[][] = [
  [],
  ["pusj"],
  ["push"],
  ["push", "dir"],
  ["push", "dir", "llama"],
  ["push", "dir", "team/llama@0123456789abcdef0123456789abcdef01234567"],
  ["push", "dir", "team/llama", "--labl", "a=b"],
  ["push", "dir", "team/llama", "--label", "nothing"],
  ["push", "dir", "team/llama", "--memory", "lots"],
  ["push", "dir", "team/llama", "--connections", "0"],
  ["push", "dir", "team/llama", "--parent", "main"],
  ["pull", "team/llama"],
  ["pull", "team/llama@", "dir"],
  ["ls", "a/b/c"],
  ["ls", "--limit", "x"],
  ["log", "team/llama@0123456789abcdef0123456789abcdef01234567"],
  ["diff", "team/llama"],
  ["diff", "team/llama", "a", "b", "c"],
  ["diff", "team/llama@a", "b", "c"],
  ["tag", "team/llama", "two words"],
  ["tag", "team/llama", "v1", "--if", "two words"],
  ["tag", "team/llama@main", "v1", "--lock"],
  ["tag", "team/llama", "v1", "--lock", "--history"],
  ["tag", "team/llama", "v1", "--rollback", "--force"],
  ["tag", "team/llama", "v1", "--limit", "3"],
  ["untag", "team/llama", "v1", "--if", "none"],
  ["label", "team/llama"],
  ["label", "team/llama", "nothing"],
  ["label", "team/llama", "--metric", "loss=low"],
  ["label", "team/llama", "old-", "new=1", "--replace"],
  ["clone", "team/llama"],
  ["clone", "team/llama", "team/copy@0123456789abcdef0123456789abcdef01234567"],
  ["restore", "team/llama"],
  ["log", "team/llama", "--since", "yesterday"],
  ["log", "team/llama", "--label", "a:b=c"],
  ["log", "team/llama", "--sort", "loss", "--limit", "5000"],
  ["search", "team/llama"],
  ["untag", "team/llama@main", "v1"],
  ["rm", "team/llama@main"],
  ["rm", "team/llama", "team/bert"],
  ["rm", "team/llama", "-m", "old"],
  ["rm", "team/llama@0123456789abcdef0123456789abcdef01234567", "team/llama@main"],
  ["rm", "team/llama@0123456789abcdef0123456789abcdef01234567", "team/bert@0123456789abcdef0123456789abcdef01234567"],
  ["trash", "restore", "team/llama"],
  ["trash", "restore", "llama"],
  ["trash", "restore", "team/llama@0123456789abcdef0123456789abcdef01234567", "--as", "team/new"],
  ["trash", "purge", "team/llama", "--yes", "team/bert"],
  ["quota", "team/llama", "--logical", "much"],
  ["quota", "team/llama", "--none", "--objects", "5"],
  ["retention", "team/llama", "--keep-best", "loss:3"],
  ["retention", "team/llama", "--keep-every", "1"],
  ["retention", "team/llama", "--run", "--dry-run"],
  ["retention", "team/llama", "--force"],
  ["retention", "team/llama", "--none", "--keep-last", "3"],
  ["rm", "team/llama", "--branch"],
  ["token", "create", "robot"],
  ["token", "create", "robot", "--scope", "team/*:fly"],
  ["token", "revoke", "x"],
  ["store", "probe", "No Store"],
  ["completion", "fish"],
  ["show", "team/llama"],
  ["show", "team/llama", "--endpoint", "http://ferry.example.com"],
  ["show", "team/llama", "--endpoint", "ftp://ferry.example.com"],
];

test("wrong command lines are answered as written in golden/cli/usage.txt", async () => {
  let text = "";
  for (const argv of WRONG) {
    const { exit, stdout, stderr } = await ferry(argv);
    assert.equal(stdout, "");
    const shown = argv.length === 0 ? `${stderr.split("\n")[0]}\n…\n` : stderr;
    text += `$ ferry ${argv.map((word) => (word.includes(" ") ? `'${word}'` : word)).join(" ")}\n${shown}exit ${exit}\n\n`;
  }
  assertGolden("cli/usage.txt", text);
});
