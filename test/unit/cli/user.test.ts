/** Roles of people from the command line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryApp } from "../../support/memory-app.ts";
import { ferry, onApp } from "../../support/memory-host.ts";

test("roles are given, listed and taken away; what is no person, role or repository is refused by name", async () => {
  const app = await memoryApp({ ids: ["home"] });
  const { token } = await app.admin.call("createToken", { body: { name: "Ada", scopes: [{ repositories: "*", actions: ["admin"] }] } });
  const run = (...argv: string[]) => ferry(["user", ...argv], onApp(app, token));
  const given = await run("grant", "group:ml", "--role", "writer", "--on", "team/*");
  assert.match(given.stdout, /^[0-9a-f]{16}: group:ml is writer on team\/\*\n$/);
  const [id = ""] = given.stdout.split(":");
  assert.equal((await run("ls")).stdout, `${id}  group:ml  writer  team/*  since 2026-01-01 00:00:00Z by Ada\n`);
  assert.equal((await run("revoke", id)).exit, 0);
  assert.equal((await run("ls")).stdout, "");
  for (const wrong of [
    ["grant", "ml", "--role", "writer", "--on", "team/*"],
    ["grant", "group:ml", "--role", "owner", "--on", "team/*"],
    ["grant", "group:ml", "--role", "writer", "--on", "team/../x"],
    ["revoke", "abc"],
  ])
    assert.equal((await run(...wrong)).exit, 2, wrong.join(" "));
});
