/** Signatures and logins on running systems, workerd and Node: what their own cryptography, Redis and buckets make of them. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ferryProcess } from "../support/ferry-process.ts";
import { type Live, startLive } from "../support/live.ts";
import { operationId } from "../support/memory-app.ts";
import { type Issuer, startIssuer } from "../support/oidc-issuer.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const CLIENT = "modelferry";
const REDIRECT = "https://ferry.test/auth/callback";

for (const runtime of ["workerd", "node"] as const) {
  describe(`signatures and logins on ${runtime}, real Redis and local R2`, { skip: whyNoRedis() }, () => {
    let live: Live;
    let issuer: Issuer;
    const folder = tempFolder();
    before(async () => {
      issuer = await startIssuer();
      const provider = {
        issuer: issuer.issuer,
        authorizationUrl: `${issuer.issuer}/authorize`,
        tokenUrl: issuer.tokenUrl,
        jwksUrl: issuer.jwksUrl,
        clientId: CLIENT,
        redirectUrl: REDIRECT,
      };
      live = await startLive({ runtime, vars: { LOGIN: JSON.stringify(provider) } });
    });
    after(async () => {
      await live?.stop();
      await issuer?.stop();
      folder.remove();
    });

    const file = (name: string) => join(folder.path, `${runtime}-${name}`);
    const ferry = (...argv: string[]) => {
      const env = { FERRY_ENDPOINT: live.stack.endpoint, FERRY_TOKEN: live.stack.token, XDG_CACHE_HOME: folder.path, HOME: folder.path };
      return ferryProcess(argv, { env });
    };
    const good = async (...argv: string[]) => {
      const ran = await ferry(...argv);
      assert.equal(ran.exit, 0, `${argv.join(" ")}: ${ran.stderr}`);
      return ran.stdout.trim();
    };

    test("a signed push is verified by the pinned key, an unsigned one is refused with nothing written; all of it survives the loss of Redis", async () => {
      const id = await good("key", "create", file("key"));
      await good("key", "add", file("key.pub"), "--name", "release");
      writeFileSync(file("model.bin"), "weights");
      const signed = await good("push", file("model.bin"), "team/signed", "--sign", file("key"));
      writeFileSync(file("model.bin"), "other weights");
      const unsigned = await good("push", file("model.bin"), "team/signed");
      await good("protect", "team/signed", "--signed-tags", `release-*=${id}`);
      for (const lose of [async () => {}, () => live.wipeRedis()]) {
        await lose();
        assert.equal((await ferry("tag", unsigned, "release-2", "--force")).exit, 8);
        await good("tag", signed, "release-1", "--force");
        const refused = await ferry("pull", unsigned, file("refused"), "--verify-signature", "--key", id);
        assert.deepEqual([refused.exit, existsSync(file("refused"))], [8, false], refused.stderr);
        await good("pull", "team/signed@release-1", file("out"), "--verify-signature", "--key", file("key.pub"));
      }
      await good("key", "revoke", id);
      assert.equal((await ferry("pull", signed, file("late"), "--verify-signature")).exit, 8);
      assert.equal((await ferry("tag", signed, "release-3")).exit, 8);
    });

    test("a person logs in, reads by a role, and writes with the header alone", async () => {
      const body = { claim: "groups" as const, value: "ml", role: "writer" as const, repositories: "team/*", operationId: operationId() };
      await live.admin.call("grantUser", { body });
      const cookies = new Map<string, string>();
      const ask = async (path: string, init: RequestInit = {}) => {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
        const response = await fetch(live.stack.endpoint + path, { ...init, redirect: "manual", headers: { cookie, ...init.headers } });
        for (const text of response.headers.getSetCookie())
          cookies.set(text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1, text.indexOf(";")));
        return response;
      };
      const asked = new URL((await ask("/auth/login")).headers.get("location") ?? "").searchParams;
      const nowSeconds = Math.floor(Date.now() / 1000);
      const claims = {
        iss: issuer.issuer,
        aud: CLIENT,
        sub: "ada",
        groups: ["ml"],
        iat: nowSeconds,
        exp: nowSeconds + 300,
        nonce: asked.get("nonce"),
      };
      const challenge = asked.get("code_challenge") ?? "";
      issuer.giveCode("code", { idToken: await issuer.sign(claims), challenge, redirectUrl: REDIRECT, clientId: CLIENT });
      assert.equal((await ask(`/auth/callback?code=code&state=${asked.get("state")}`)).status, 302);
      assert.equal((await ask("/api/v1/repositories/team/signed")).status, 200);
      const write = (headers: Record<string, string>) =>
        ask("/api/v1/repositories/team/signed/uploads", {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify({ branch: "main", operationId: operationId() }),
        });
      assert.equal((await write({})).status, 403);
      assert.equal((await write({ "x-ferry-csrf": decodeURIComponent(cookies.get("__Host-ferry-csrf") ?? "") })).status, 200);
      assert.equal((await ask("/auth/callback?code=code&state=x")).status, 401);
    });
  });
}
