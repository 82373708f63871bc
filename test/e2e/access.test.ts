/** Access on running systems, workerd and Node: addresses, identities, the kill switch, the audit trail and limits, as people meet them. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FerryClient } from "../../shared/client.ts";
import { Scope } from "../../shared/contract/access.ts";
import { FerryError } from "../../shared/errors.ts";
import { ferryProcess } from "../support/ferry-process.ts";
import { type Live, startLive } from "../support/live.ts";
import { repositoryName } from "../support/memory-app.ts";
import { type Issuer, startIssuer } from "../support/oidc-issuer.ts";
import { digestOf, Pusher } from "../support/pusher.ts";
import { whyNoRedis } from "../support/stack.ts";
import { tempFolder } from "../support/trees.ts";

const SUBJECT = "system:serviceaccount:train:runner";
const LOOPBACK = ["127.0.0.0/8", "::1"];

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof FerryError ? error.code : `${error}`),
  );
}

for (const runtime of ["workerd", "node"] as const) {
  describe(`access on ${runtime}, real Redis and local R2`, { skip: whyNoRedis() }, () => {
    let live: Live;
    let issuer: Issuer;
    const folder = tempFolder();
    before(async () => {
      issuer = await startIssuer();
      await issuer.addKey("rsa", { alg: "RS256" });
      await issuer.addKey("ed", { alg: "EdDSA" });
      const trust = {
        name: "pods",
        issuer: issuer.issuer,
        jwksUrl: issuer.jwksUrl,
        audience: "modelferry",
        claims: { sub: SUBJECT },
        grants: { scopes: [{ repositories: "team/*", actions: ["pull", "push"] }] },
      };
      const vars = {
        IDENTITY_ISSUERS: JSON.stringify([trust]),
        LIMITS: JSON.stringify({ requestsPerMinute: 600, failuresPerMinute: 20 }),
        TRUSTED_PROXIES: "127.0.0.2/32",
      };
      live = await startLive({ runtime, vars });
    });
    after(async () => {
      await live?.stop();
      await issuer?.stop();
      folder.remove();
    });

    const identityToken = (kid: string, change: object = {}) => {
      const nowSeconds = Math.floor(Date.now() / 1_000);
      const claims = { iss: issuer.issuer, aud: "modelferry", sub: SUBJECT, iat: nowSeconds, exp: nowSeconds + 600, ...change };
      return issuer.sign(claims, { kid });
    };
    const exchange = async (token: string) => {
      const client = new FerryClient({ endpoint: live.stack.endpoint, fetch, sleep: async () => {}, random: () => 0, attempts: 1 });
      return client.call("exchangeIdentity", { body: { token } });
    };

    test("a token is good from its networks; a header that anybody can send does not change from where somebody comes", async () => {
      const make = async (networks: string[]) =>
        (
          await live.admin.call("createToken", {
            body: { name: "bound", scopes: [Scope.parse({ repositories: "*", actions: ["pull"] })], networks },
          })
        ).token;
      const [here, elsewhere] = [await make(LOOPBACK), await make(["192.0.2.0/24"])];
      const ask = async (token: string, headers: Record<string, string> = {}) =>
        (await fetch(`${live.stack.endpoint}/api/v1/whoami`, { headers: { authorization: `Bearer ${token}`, ...headers } })).status;
      const forged: Record<string, string> = {};
      for (const name of ["x-forwarded-for", "x-real-ip", "true-client-ip", "x-client-ip", "forwarded"]) forged[name] = "192.0.2.7";
      // What Cloudflare sets itself a client can set only where Cloudflare is not: on a local workerd.
      if (runtime === "node") forged["cf-connecting-ip"] = "192.0.2.7";
      assert.deepEqual([await ask(here), await ask(here, forged)], [200, 200]);
      assert.deepEqual([await ask(elsewhere), await ask(elsewhere, forged)], [403, 403]);
    });

    test("tokens of a trusted issuer are exchanged, however they are signed; what is wrong with others is told", async () => {
      for (const kid of ["first", "rsa", "ed"]) {
        const granted = await exchange(await identityToken(kid));
        assert.equal((await live.clientFor(granted.token).call("whoAmI", {})).name, `pods:${SUBJECT}`);
      }
      const refused = async (token: string) =>
        exchange(token).then(
          () => assert.fail("it was accepted"),
          (error: unknown) => (error instanceof FerryError ? error.message : String(error)),
        );
      assert.match(await refused(await identityToken("rsa", { aud: "else" })), /another audience/);
      assert.match(await refused(await identityToken("ed", { exp: 1, iat: 0 })), /expired/);
      assert.match(await refused(await identityToken("rsa", { sub: "else" })), /claims fit no trust/);
      const [header, body] = (await identityToken("rsa")).split(".");
      const [, , signature] = (await identityToken("rsa", { sub: "else" })).split(".");
      assert.match(await refused(`${header}.${body}.${signature}`), /signature is not its issuer's/);
    });

    const once = { skip: runtime === "workerd" ? "the client's part is the same as with Node, and takes 30 s" : false };
    test("a pod logs in without a secret, pushes, and goes on when Redis lost its token", once, async () => {
      const file = join(folder.path, `token-${runtime}`);
      writeFileSync(file, await identityToken("first"));
      chmodSync(file, 0o600);
      const env = {
        FERRY_OIDC_TOKEN_FILE: file,
        FERRY_OIDC_AUDIENCE: "modelferry",
        XDG_CONFIG_HOME: join(folder.path, runtime),
        XDG_CACHE_HOME: folder.path,
        HOME: folder.path,
      };
      const ferry = async (...argv: string[]) => {
        const ran = await ferryProcess(argv, { env });
        assert.equal(ran.exit, 0, `${argv.join(" ")}: ${ran.stderr}`);
        return ran.stdout;
      };
      await ferry("login", live.stack.endpoint, "--oidc");
      const model = join(folder.path, "model.bin");
      writeFileSync(model, "some weights");
      assert.match(await ferry("push", model, "team/pod"), /^team\/pod@[0-9a-f]{40}\n$/);
      const config = join(folder.path, runtime, "ferry/config.json");
      const before = readFileSync(config, "utf8");
      await live.wipeRedis();
      // A worker or server that has just seen the token remembers it for 30 s; what it does not know by then is renewed.
      const deadline = Date.now() + 60_000;
      while (readFileSync(config, "utf8") === before && Date.now() < deadline) {
        await ferry("ls", "team/pod");
        await new Promise((wake) => setTimeout(wake, 5_000));
      }
      assert.notEqual(readFileSync(config, "utf8"), before);
      assert.ok(existsSync(config));
    });

    test("a blocked repository gives no URLs from the next request on", async () => {
      const model = repositoryName("team/leaked");
      const pusher = new Pusher(live.admin, fetch as never);
      await pusher.create(model);
      await pusher.push(model, { weights: "secret weights" });
      const download = () =>
        codeOf(live.admin.call("download", { repository: model, params: { ref: "main" }, body: { chunks: [digestOf("secret weights")] } }));
      assert.equal(await download(), "OK");
      await live.ferry(["block", model, "--reason", "leaked"]);
      assert.equal(await download(), "REPOSITORY_BLOCKED");
      await live.ferry(["unblock", model]);
      assert.equal(await download(), "OK");
    });

    test("the trail tells what was done, from where, and is whole", async () => {
      const { events } = await live.ferry(["audit", "--act", "blockRepository"]);
      const [event] = events as { act: string; repository: string; about: object; address: string; result: string }[];
      assert.deepEqual(
        [event?.repository, event?.about, event?.result],
        ["team/leaked", { reason: "leaked" }, "OK"],
        JSON.stringify(events),
      );
      assert.match(event?.address ?? "", /^(::ffff:)?127\.0\.0\.1$|^::1$/);
      // What was not written at once is there within seconds.
      const deadline = Date.now() + 30_000;
      const list = async () => ((await live.ferry(["audit", "--act", "download"]))["events"] as object[]).length;
      while ((await list()) < 2 && Date.now() < deadline) await new Promise((wake) => setTimeout(wake, 500));
      assert.ok((await list()) >= 2);
      const report = await live.ferry(["audit", "--verify"]);
      assert.deepEqual([report["ok"], report["problems"]], [true, []]);
    });

    test("who asks too much is told to wait, and how long; others go on", async () => {
      const scopes = [Scope.parse({ repositories: "*", actions: ["pull"] })];
      const [busy, other] = [await live.tokenFor(...scopes), await live.tokenFor(...scopes)];
      const ask = (token: string) => fetch(`${live.stack.endpoint}/api/v1/usage`, { headers: { authorization: `Bearer ${token}` } });
      const answers: Response[] = [];
      // Of ten each; some come back while these are asked.
      for (let at = 0; at < 100 && answers.at(-1)?.status !== 429; at++) answers.push(await ask(busy));
      const last = answers.at(-1);
      assert.equal(last?.status, 429, `${answers.length} answers`);
      assert.ok(answers.length > 60 && Number(last?.headers.get("retry-after")) >= 1);
      assert.match(last?.headers.get("ratelimit-policy") ?? "", /^"requests";q=600;w=60$/);
      assert.equal((await ask(other)).status, 200);
    });
  });
}
