/** The console's page and files on both runtimes: the same bytes, the same headers, and nothing else is taken from the app. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { VERSION } from "../../functions/services.ts";
import { openApi } from "../../shared/contract/openapi.ts";
import { startTestStack, type TestStack, whyNoRedis } from "../support/stack.ts";

for (const runtime of ["workerd", "node"] as const) {
  describe(runtime, { skip: whyNoRedis() }, () => {
    let stack: TestStack;
    before(async () => {
      stack = await startTestStack({ runtime });
    });
    after(() => stack?.stop());

    const ask = (path: string, init: RequestInit = {}) => fetch(`${stack.endpoint}${path}`, { redirect: "manual", ...init });

    test("/ is the page: not kept without asking, in no frame, with a policy of its own", async () => {
      const page = await ask("/");
      assert.equal(page.status, 200);
      assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
      assert.equal(page.headers.get("cache-control"), "no-cache");
      assert.match(
        page.headers.get("content-security-policy") ?? "",
        /default-src 'none'.*frame-ancestors 'none'.*require-trusted-types-for 'script'/,
      );
      assert.equal(page.headers.get("x-content-type-options"), "nosniff");
      assert.doesNotMatch(await page.text(), /<script>|<style>|style=|\son\w+=|https?:/);
    });

    test("every file that the page begins with is there, of its type, guarded, and asked for again only when it changed", async () => {
      for (const [path, type] of Object.entries(FILES)) {
        const file = await ask(path);
        assert.equal(file.status, 200, path);
        assert.match(file.headers.get("content-type") ?? "", type, path);
        assert.equal(file.headers.get("x-content-type-options"), "nosniff", path);
        assert.match(file.headers.get("content-security-policy") ?? "", /default-src 'none'; script-src 'self'/, path);
        assert.match(file.headers.get("cache-control") ?? "", /no-cache/, path);
        const same = await ask(path, { headers: { "if-none-match": file.headers.get("etag") ?? "" } });
        assert.equal(same.status, 304, path);
        const head = await ask(path, { method: "HEAD" });
        assert.deepEqual([head.status, await head.text()], [200, ""], path);
      }
    });

    test("files whose names have a hash are kept for good", async () => {
      const app = await (await ask("/console/app.js")).text();
      const [part] = /parts\/[\w-]+\.js/.exec(app) ?? [];
      const file = await ask(`/console/${part}`);
      assert.equal(file.status, 200);
      assert.equal(file.headers.get("cache-control"), "public, max-age=31536000, immutable");
    });

    test("what is no file of the console is the app's: unknown ones, the API, addresses of repositories", async () => {
      for (const path of ["/console/nothing.js", "/console/", "/console/_headers", "/_headers", "/console/../package.json"]) {
        const answer = await ask(path);
        assert.ok([401, 404].includes(answer.status), `${path}: ${answer.status}`);
        assert.doesNotMatch(await answer.text(), /<html|content-security/i, path);
      }
      assert.equal((await ask("/healthz")).status, 200);
      const description = await ask("/openapi.json");
      assert.match(description.headers.get("content-type") ?? "", /json/);
      assert.deepEqual(await description.json(), JSON.parse(JSON.stringify(openApi(VERSION))));
    });
  });
}

const FILES: Record<string, RegExp> = {
  "/console/app.js": /^text\/javascript/,
  "/console/hash-worker.js": /^text\/javascript/,
  "/console/app.css": /^text\/css/,
  "/console/icon.svg": /^image\/svg\+xml/,
};
