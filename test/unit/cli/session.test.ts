/** What people see: commands on the app in memory, word for word. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { assertGolden, stableIds } from "../../support/golden.ts";
import { type MemoryApp, memoryApp, refName, repositoryName } from "../../support/memory-app.ts";
import { ferry, onApp } from "../../support/memory-host.ts";
import { Pusher } from "../../support/pusher.ts";
import { type Line, transcriptOf } from "../../support/transcript.ts";

let app: MemoryApp;
let home: string;
let admin: string;
let reader: string;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "ferry-session-"));
  app = await memoryApp({ ids: ["home", "west"] });
  const everything = { repositories: "*", actions: ["pull", "push", "tag", "delete", "admin"] as const };
  const scopes = [{ ...everything, actions: [...everything.actions] }];
  admin = (await app.admin.call("createToken", { body: { name: "Ada", scopes } })).token;
  const narrow = [{ repositories: "team/*", actions: ["pull" as const] }];
  reader = (await app.admin.call("createToken", { body: { name: "Rob", scopes: narrow, expiresInSeconds: 86_400 } })).token;
  const pusher = new Pusher(app.clientFor(admin), app.stores.fetch);
  const llama = repositoryName("team/llama");
  await pusher.create(llama);
  await pusher.push(llama, { "config.json": "{}", "weights/a.bin": "a".repeat(3000), "读我.txt": "" }, { message: "first\n\nwith a body" });
  app.clock.advance(3_600_000);
  await pusher.push(llama, { "config.json": '{"v":2}', "weights/a.bin": "a".repeat(3000), "weights/b.bin": "b".repeat(2000) });
  await pusher.push(llama, { "config.json": "{}" }, { branch: refName("exp/small"), message: "\u001b]0;evil\u0007only the \u202econfig" });
  await pusher.create(repositoryName("other/bert"));
});
after(() => rm(home, { recursive: true, force: true }));

const transcript = (lines: readonly Line[], token: string) => transcriptOf(app, token, lines, { homeDirectory: home });

test("looking, tagging, comparing and removing read as written in golden/cli/session.txt", async () => {
  const { revisions } = await app.clientFor(admin).call("listRevisions", { repository: repositoryName("team/llama"), query: {} });
  const [, newest, first] = revisions.map((revision) => revision.revision);
  const text = await transcript(
    [
      [["whoami"]],
      [["ls"]],
      [["ls", "team", "-l"]],
      [["ls", "team/llama"]],
      [["ls", "-l", "team/llama@exp/small"]],
      [["log", "team/llama"]],
      [["log", "team/llama@main", "-n", "1"]],
      [["tag", "team/llama", "v1", "-m", "good"]],
      [["tag", `team/llama@${first}`, "v1"]],
      [["tag", `team/llama@${first}`, "v1", "--if", "none"]],
      [["tag", `team/llama@${first}`, "v1", "--if", `${newest}`]],
      [["tag", "team/llama@exp/small", "v1", "--force"]],
      [["show", "team/llama"]],
      [["show", "team/llama@v1"]],
      [["show", `team/llama@${first}`]],
      [["diff", "team/llama", `${first}`, "main"]],
      [["diff", "team/llama@main", "team/llama@exp/small"]],
      [["diff", "team/llama@main", "team/llama"]],
      [["untag", "team/llama", "v1"]],
      [["untag", "team/llama", "v1"]],
      [["rm", "team/llama@exp/small"]],
      [["rm", "team/llama@exp/small", "--branch"]],
      [["rm", "team/llama@exp/small", "--branch"], { typed: ["yes"] }],
      [["rm", "team/llama@exp/small", "--branch"], { typed: ["exp/small"] }],
      [["rm", "other/bert", "--yes"]],
      [["ls"]],
      [["store", "ls"]],
      [["store", "setup", "home"]],
    ],
    admin,
  );
  assertGolden("cli/session.txt", text);
});

test("what a reader may not do, and what is not there, reads as written in golden/cli/refusals.txt", async () => {
  const text = await transcript(
    [
      [["whoami"]],
      [["show", "team/none"]],
      [["show", "secret/model"]],
      [["ls", "team/llama@nope"]],
      [["log", "team/llama@nope"]],
      [["tag", "team/llama", "v9"]],
      [["rm", "team/llama", "--yes"]],
      [["token", "ls"]],
      [["token", "create", "more", "--scope", "team/*:pull,push"]],
      [["store", "probe", "home"]],
      [["whoami"], { env: { FERRY_TOKEN: "hf_wrong00000000000000000000000000000000" } }],
      [["whoami"], { env: { FERRY_TOKEN: "" } }],
      [["ls", "--json"], { env: { FERRY_TOKEN: "" } }],
    ],
    reader,
  );
  assertGolden("cli/refusals.txt", text);
});

test("tokens are made, listed and revoked as written in golden/cli/tokens.txt", async () => {
  const made = await ferry(
    ["token", "create", "robot", "--scope", "team/*:pull,push", "--scope", "x/y:pull:home,west", "--expires", "30d"],
    onApp(app, admin),
  );
  const ids = /Token ([0-9a-f]{16})/.exec(made.stderr) ?? [];
  const text = await transcript(
    [
      [["token", "create", "second", "--scope", "*:pull"]],
      [["token", "create", "ci", "--scope", "team/*:push", "--robot"]],
      [["token", "create", "ci", "--scope", "team/*:push", "--robot", "--expires", "1h", "--cidr", "10.0.0.1/8"]],
      [["token", "create", "ci", "--scope", "team/*:push", "--robot", "--expires", "1h", "--cidr", "10.0.0.0/8", "--cidr", "192.0.2.7"]],
      [["token", "ls"]],
      [["token", "rotate", `${ids[1]}`, "--overlap", "24h"]],
      [["token", "rotate", `${ids[1]}`]],
      [["token", "revoke", `${ids[1]}`]],
      [["token", "ls"]],
      [["token", "revoke", "0123456789abcdef"]],
      [["token", "rotate", `${ids[1]}`]],
    ],
    admin,
  );
  assertGolden("cli/tokens.txt", text);
});

test("blocks and the audit trail read as written in golden/cli/audit.txt", async () => {
  const own = await memoryApp();
  const token = (await own.admin.call("createToken", { body: { name: "Ada", scopes: [{ repositories: "*", actions: ["admin"] }] } })).token;
  await new Pusher(own.clientFor(token), own.stores.fetch).create(repositoryName("team/llama"));
  const lines: string[][] = [
    ["block", "team/llama"],
    ["block", "team/llama", "--reason", "licence withdrawn"],
    ["show", "team/llama"],
    ["unblock", "team/llama"],
    ["audit"],
    ["audit", "--act", "blockRepository", "--failed"],
    ["audit", "-n", "1"],
    ["audit", "--caller", "Ada", "--since", "2025-12-31", "--until", "2026-01-02", "-n", "2", "--jsonl"],
    ["audit", "--noted", `2026010100:${"0".repeat(64)}`],
    ["audit", "--verify"],
    ["audit", "--verify", "--noted", `2026010100:${"0".repeat(64)}`],
    ["audit", "--since", "yesterday"],
  ];
  let text = "";
  for (const argv of lines) {
    const ran = await ferry(argv, onApp(own, token));
    const ending = ran.exit === 0 ? "" : `exit ${ran.exit}\n`;
    text += `$ ferry ${argv.map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(" ")}\n${ran.stdout}${ran.stderr}${ending}\n`;
  }
  assertGolden("cli/audit.txt", stableIds(text).replace(/"requestId":"[0-9a-f1]+"/g, '"requestId":"…"'));
});
