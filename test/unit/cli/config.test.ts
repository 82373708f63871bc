import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { type Config, configPath, normalEndpoint, readConfig, settingsOf, writeConfig } from "../../../scripts/cli/config.ts";
import { FerryError } from "../../../shared/errors.ts";
import { type MemoryApp, memoryApp } from "../../support/memory-app.ts";
import { ferry, memoryHost, onApp } from "../../support/memory-host.ts";

let root: string;
let home: string;
let app: MemoryApp;
let token: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "ferry-config-"));
  app = await memoryApp();
  token = (await app.admin.call("createToken", { body: { name: "Ada", scopes: [{ repositories: "*", actions: ["pull"] }] } })).token;
});
after(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  home = await mkdtemp(join(root, "home-"));
});

const SAVED: Config = {
  v: 1,
  endpoint: "https://saved.test",
  logins: { "https://saved.test": { token: "hf_saved" }, "https://other.test": { token: "hf_other" } },
};

/** [what wins, environment, --endpoint, endpoint, token] */
const PRECEDENCE: [string, Record<string, string>, string | undefined, string, string | undefined][] = [
  ["the last login, when nothing else is said", {}, undefined, "https://saved.test", "hf_saved"],
  [
    "FERRY_ENDPOINT over the last login, with that endpoint's token",
    { FERRY_ENDPOINT: "https://other.test/" },
    undefined,
    "https://other.test",
    "hf_other",
  ],
  ["--endpoint over FERRY_ENDPOINT", { FERRY_ENDPOINT: "https://other.test" }, "https://saved.test", "https://saved.test", "hf_saved"],
  ["FERRY_TOKEN over a saved token", { FERRY_TOKEN: "hf_env" }, undefined, "https://saved.test", "hf_env"],
  [
    "no saved token for an endpoint that it was not saved for",
    { FERRY_ENDPOINT: "https://third.test" },
    undefined,
    "https://third.test",
    undefined,
  ],
  ["an empty variable is none", { FERRY_ENDPOINT: "", FERRY_TOKEN: "" }, undefined, "https://saved.test", "hf_saved"],
];

for (const [wins, env, endpoint, toEndpoint, withToken] of PRECEDENCE) {
  test(`settings: ${wins}`, () => {
    const settings = settingsOf(memoryHost({ env }).host, SAVED, { endpoint, plainHttp: false });
    assert.equal(settings.endpoint, toEndpoint);
    assert.equal(settings.token, withToken);
  });
}

test("without any endpoint, people are told to log in", () => {
  assert.throws(() => settingsOf(memoryHost().host, { v: 1, logins: {} }, { plainHttp: false }), isError("ENDPOINT_MISSING"));
});

const PLAIN = [
  "http://localhost:8787",
  "http://127.0.0.1",
  "http://127.9.9.9:1",
  "http://[::1]:8080",
  "http://a.localhost",
  "https://anything.test",
];
const REFUSED = [
  "http://ferry.example.com",
  "http://10.0.0.1",
  "http://127.0.0.1.example.com",
  "http://localhost.example.com",
  "http://[::2]",
];

for (const endpoint of PLAIN) {
  test(`${endpoint} needs no further word`, () => {
    assert.equal(settingsOf(memoryHost().host, SAVED, { endpoint, plainHttp: false }).endpoint, endpoint);
  });
}
for (const endpoint of REFUSED) {
  test(`${endpoint} gets no token, unless plain http is allowed`, () => {
    const { host } = memoryHost();
    assert.throws(() => settingsOf(host, SAVED, { endpoint, plainHttp: false }), isError("ENDPOINT_INSECURE"));
    assert.equal(settingsOf(host, SAVED, { endpoint, plainHttp: true }).endpoint, endpoint);
    const allowed = memoryHost({ env: { FERRY_PLAIN_HTTP: "true" } }).host;
    assert.equal(settingsOf(allowed, SAVED, { endpoint, plainHttp: false }).endpoint, endpoint);
    const saved = { ...SAVED, logins: { [endpoint]: { token: "hf_x", plainHttp: true } } };
    assert.equal(settingsOf(host, saved, { endpoint, plainHttp: false }).token, "hf_x");
  });
}

const SPELLINGS = [
  ["https://Ferry.Example.com/", "https://ferry.example.com"],
  ["ferry.example.com", "https://ferry.example.com"],
  ["localhost:8787", "http://localhost:8787"],
  ["https://example.com:443/ferry//", "https://example.com/ferry"],
] as const;
for (const [text, endpoint] of SPELLINGS) test(`${text} is ${endpoint}`, () => assert.equal(normalEndpoint(text), endpoint));

for (const text of ["", "ftp://x", "https://", "https://user:secret@x.test", "https://x.test/?a=b", "https://x.test/#a", "http://a b"]) {
  test(`'${text}' is no endpoint, and is not repeated in the reason`, () => {
    assert.throws(
      () => normalEndpoint(text),
      (error) => error instanceof FerryError && error.code === "USAGE_INVALID" && !/secret/.test(error.message),
    );
  });
}

test("the file is written whole, and only its owner may read it", async () => {
  const { host } = memoryHost({ homeDirectory: home });
  await writeConfig(host, SAVED);
  assert.deepEqual(await readConfig(host), SAVED);
  assert.equal((await stat(configPath(host))).mode & 0o777, 0o600);
  assert.equal((await stat(dirname(configPath(host)))).mode & 0o777, 0o700);
});

test("the file is where XDG_CONFIG_HOME says", () => {
  const path = (env: Record<string, string>) => configPath(memoryHost({ homeDirectory: "/home/ada", env }).host);
  assert.equal(path({}), "/home/ada/.config/ferry/config.json");
  assert.equal(path({ XDG_CONFIG_HOME: "/x" }), "/x/ferry/config.json");
  assert.equal(path({ XDG_CONFIG_HOME: "relative" }), "/home/ada/.config/ferry/config.json");
});

test("a damaged file is named, and nothing of it is shown", async () => {
  const path = configPath(memoryHost({ homeDirectory: home }).host);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, '{"v":1,"logins":{"https://x":{"token":"hf_verysecrettoken"');
  const ran = await ferry(["ls"], { homeDirectory: home });
  assert.equal(ran.exit, 7);
  assert.ok(ran.stderr.includes(path) && !ran.stderr.includes("hf_verysecret"));
});

test("login asks for the token without showing it, checks it, keeps it with mode 0600, and every command uses it then", async () => {
  const { fetch } = onApp(app);
  const options = { homeDirectory: home, ...(fetch === undefined ? {} : { fetch }) };
  const ran = await ferry(["login", "ferry.test"], { ...options, typed: [token] });
  assert.equal(ran.exit, 0, ran.stderr);
  assert.match(ran.stdout, /^Logged in to https:\/\/ferry\.test as Ada\./);
  assert.ok(!`${ran.stdout}${ran.stderr}`.includes(token));
  const path = configPath(memoryHost({ homeDirectory: home }).host);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.ok((await readFile(path, "utf8")).includes(token));

  const whoami = await ferry(["whoami", "--json"], options);
  assert.equal(whoami.exit, 0, whoami.stderr);
  assert.equal(JSON.parse(whoami.stdout).name, "Ada");

  const out = await ferry(["logout"], options);
  assert.match(out.stdout, /is forgotten here/);
  assert.ok(!(await readFile(path, "utf8")).includes(token));
  assert.equal((await ferry(["whoami"], options)).exit, 2);
});

test("login takes the token from FERRY_TOKEN, else from standard input when nobody can be asked", async () => {
  const { fetch } = onApp(app);
  const options = { homeDirectory: home, ...(fetch === undefined ? {} : { fetch }) };
  assert.equal((await ferry(["login", "https://ferry.test"], { ...options, env: { FERRY_TOKEN: token }, input: "wrong" })).exit, 0);
  assert.equal((await ferry(["login", "https://ferry.test"], { ...options, input: `${token}\n` })).exit, 0);
  assert.equal((await ferry(["login", "https://ferry.test"], { ...options, input: "\n" })).exit, 2);
});

test("login keeps nothing when the token is not good, and does not show it", async () => {
  const { fetch } = onApp(app);
  const options = { homeDirectory: home, ...(fetch === undefined ? {} : { fetch }) };
  const wrong = "hf_wrong0123456789012345678901234567890";
  const ran = await ferry(["login", "https://ferry.test"], { ...options, input: wrong });
  assert.equal(ran.exit, 4);
  assert.ok(!`${ran.stdout}${ran.stderr}`.includes(wrong));
  await assert.rejects(stat(configPath(memoryHost({ homeDirectory: home }).host)), { code: "ENOENT" });
  const odd = await ferry(["login", "https://ferry.test"], { ...options, input: "hf_with space\u00e9secret" });
  assert.equal(odd.exit, 2);
  assert.ok(!`${odd.stdout}${odd.stderr}`.includes("secret"));
});

test("login to another machine over plain http needs --plain-http, which is remembered", async () => {
  const { fetch } = onApp(app);
  const options = { homeDirectory: home, ...(fetch === undefined ? {} : { fetch }), input: token };
  const refused = await ferry(["login", "http://ferry.test"], options);
  assert.equal(refused.exit, 2);
  assert.match(refused.stderr, /--plain-http/);
  assert.equal((await ferry(["login", "http://ferry.test", "--plain-http"], options)).exit, 0);
  assert.equal((await ferry(["whoami"], options)).exit, 0);
});

function isError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FerryError && error.code === code;
}
