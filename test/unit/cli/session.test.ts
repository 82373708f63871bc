/** What people see: commands on the app in memory, word for word. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { assertGolden } from "../../support/golden.ts";
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
      [["token", "ls"]],
      [["token", "revoke", `${ids[1]}`]],
      [["token", "ls"]],
      [["token", "revoke", "0123456789abcdef"]],
    ],
    admin,
  );
  assertGolden("cli/tokens.txt", text);
});
