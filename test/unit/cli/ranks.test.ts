/** What people see of sessions, and of flags that do not fit, word for word. */
import { test } from "node:test";
import { assertGolden, stableIds } from "../../support/golden.ts";
import { memoryApp, refName, repositoryName } from "../../support/memory-app.ts";
import { ferry, onApp } from "../../support/memory-host.ts";
import { Pusher } from "../../support/pusher.ts";
import { Rank } from "../../support/rank.ts";

test("listing and aborting sessions, and wrong ranks, read as written in golden/cli/ranks.txt", async () => {
  const app = await memoryApp();
  const { token } = await app.admin.call("createToken", {
    body: { name: "Ada", scopes: [{ repositories: "*", actions: ["pull", "push"] }] },
  });
  const client = app.clientFor(token);
  const repository = repositoryName("team/llama");
  await new Pusher(client, app.stores.fetch).create(repository);
  const rank = (session: string, part: number, branch = "main") =>
    new Rank(client, app.stores.fetch, { repository, session, part, parts: 8, branch: refName(branch) });
  for (const part of [0, 1, 2, 5]) await rank("job-7.step-1000", part).bring({ [`shard-${part}`]: `${part}` });
  app.clock.advance(90_000);
  await rank("job-8.step-10", 0, "exp/wide").join();
  let text = "";
  for (const [argv, env = {}] of [
    [["session", "ls", "team/llama"]],
    [["session", "ls", "team/llama", "--json"]],
    [["session", "abort", "team/llama", "job-8.step-10"]],
    [["session", "abort", "team/llama", "job-8.step-10"]],
    [["session", "abort", "team/llama", "no such/name"]],
    [["session", "ls", "team/llama"]],
    [["session", "ls", "team/bert"]],
    [["push", "/nowhere", "team/llama", "--part", "1"]],
    [["push", "/nowhere", "team/llama", "--session", "s"]],
    [["push", "/nowhere", "team/llama", "--session", "s", "--part", "8", "--parts", "8"]],
    [["push", "/nowhere", "team/llama", "--session", "s", "--part", "first"]],
    [["push", "/nowhere", "team/llama", "--session", "s"], { RANK: "x", WORLD_SIZE: "8" }],
    [["pull", "team/llama", "/nowhere/x", "--part", "auto"], { JOB_COMPLETION_INDEX: "3" }],
    [["watch", "/nowhere", "team/llama@exp", "--branch", "main"]],
    [["watch", "/nowhere", "team/llama", "--keep", "0"]],
    [["watch", "/nowhere/checkpoints", "team/llama", "--once"]],
  ] as [string[], Record<string, string>?][]) {
    const options = onApp(app, token);
    const ran = await ferry(argv, { ...options, env: { ...options.env, ...env } });
    const setting = Object.entries(env).map(([name, value]) => `${name}=${value} `);
    text += `$ ${setting.join("")}ferry ${argv.join(" ")}\n${ran.stdout}${ran.stderr}${ran.exit === 0 ? "" : `exit ${ran.exit}\n`}\n`;
  }
  assertGolden("cli/ranks.txt", stableIds(text));
});
