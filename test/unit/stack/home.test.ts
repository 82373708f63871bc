import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { adminToken, portsOf, secretsOf, writeDevEnv } from "../../../scripts/stack/home.ts";
import { storeVars } from "../../../scripts/stack/stores.ts";
import { isToken } from "../../../shared/token.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "ferry-home-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test("the environment's port comes first, then the port that the home had, then the default", () => {
  assert.equal(portsOf({}, home)?.app, 8640);
  writeDevEnv(home, "http://127.0.0.1:9000", "hf_x");
  assert.deepEqual(portsOf({}, home), { app: 9000, stores: 9001, bridge: 9002, redis: 9003 });
  assert.equal(portsOf({ FERRY_DEV_PORT: "7000" }, home)?.app, 7000);
  assert.equal(portsOf({ FERRY_DEV_PORT: "0" }, home), null);
});

for (const port of ["x", "-1", "65533", "80.5"]) {
  test(`FERRY_DEV_PORT=${port} is refused by name`, () => {
    assert.throws(() => portsOf({ FERRY_DEV_PORT: port }, home), /FERRY_DEV_PORT/);
  });
}

test("secrets and the token are made once, for the owner's eyes only", () => {
  const secrets = secretsOf(home, ["home", "west"]);
  assert.deepEqual(secretsOf(home, ["home", "west"]), secrets);
  assert.equal(statSync(join(home, "secrets.json")).mode & 0o777, 0o600);
  const token = adminToken(home);
  assert.ok(isToken(token));
  writeDevEnv(home, "http://127.0.0.1:1", token);
  assert.equal(adminToken(home), token);
});

test("damaged secrets are not replaced, for new ones would not open the old data", () => {
  writeFileSync(join(home, "secrets.json"), "{");
  assert.throws(() => secretsOf(home, ["home"]), /secrets\.json is damaged/);
});

test("the app is told of its stores without their keys in STORES", () => {
  const vars = storeVars([
    {
      id: "oss-sh",
      provider: "oss",
      endpoint: "https://x",
      region: "r",
      bucket: "b",
      addressing: "virtual",
      accessKeyId: "AK",
      secretAccessKey: "SK",
    },
  ]);
  assert.deepEqual(vars, {
    STORES: '[{"id":"oss-sh","provider":"oss","endpoint":"https://x","region":"r","bucket":"b","addressing":"virtual"}]',
    STORE_OSS_SH_ACCESS_KEY_ID: "AK",
    STORE_OSS_SH_SECRET_ACCESS_KEY: "SK",
  });
});
