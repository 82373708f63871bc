/**
 * S10: secrets are where they belong and nowhere else. Every route is asked well and badly, with a token whose text is looked for afterwards:
 * in logs, in the audit trail, in everything that is stored. Signatures of URLs that were given, too.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { listAll } from "../../../functions/registry/listing.ts";
import { findSecrets } from "../../../shared/content/secrets.ts";
import { ask, type JsonObject, makeWorld, ROUTE_NAMES, targetOf, type World } from "../http/requests.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** Values of an answer that are secrets by their names. */
function secretsIn(text: string): string[] {
  return [...text.matchAll(/"(?:token|signature)":"([^"]{30,})"/g)].map(([, value = ""]) => value);
}

async function askAll(world: World, token: string): Promise<Set<string>> {
  const secrets = new Set([token]);
  for (const name of ROUTE_NAMES) {
    const sample = world.sample(name);
    const bodies: (JsonObject | undefined)[] = [
      sample.body,
      sample.body && { ...sample.body, unknown: token },
      sample.body && { [token]: 1 },
    ];
    for (const body of bodies) {
      for (const path of [targetOf(name, sample), { ...targetOf(name, sample), path: `${targetOf(name, sample).path}?token=${token}` }]) {
        const response = await ask(world.app, { ...path, token, body: body === undefined ? undefined : JSON.stringify(body) });
        // A public key's signature is none of these; signed URLs' are 64 hex digits.
        for (const secret of secretsIn(await response.text())) if (!/^[\w-]{86}$/.test(secret)) secrets.add(secret);
      }
    }
  }
  return secrets;
}

test("S10: no token and no signature that any route took or gave is in a log line, in the trail, or in a bucket", async (t) => {
  const world = await makeWorld();
  const { app } = world;
  const secrets = await askAll(world, world.token);
  await app.services.audit.flush();
  const lines = app.log.map((line) => JSON.stringify(line));
  const objects: string[] = [];
  for (const store of app.stores.all()) {
    for (const { key } of await listAll(store.bucket, ""))
      objects.push(key, Buffer.from((await store.bucket.get(key)) ?? new Uint8Array()).toString("latin1"));
  }
  let hits = 0;
  for (const secret of secrets) {
    for (const [where, texts] of [
      ["log", lines],
      ["bucket", objects],
    ] as const) {
      const found = texts.find((text) => text.includes(secret));
      if (found !== undefined) hits++;
      // The paths of chunks that are signed are no secrets; what follows them is.
      assert.equal(found, undefined, `${where}: ${secret.slice(0, 6)}… in ${found?.slice(0, 200)}`);
    }
  }
  t.diagnostic(`${secrets.size} secrets, ${lines.length} log lines, ${objects.length} keys and objects: ${hits} hits`);
  assert.ok(secrets.size > 5 && lines.length > 100);
});

test("S10: neither the sources nor wrangler.toml hold a live-looking secret", (t) => {
  const files = ["functions", "shared", "scripts", "docs", "examples", ".ci"].flatMap((folder) => filesBelow(join(ROOT, folder)));
  const all = [...files, ...["wrangler.toml", "README.md", "package.json", "CHANGELOG.md"].map((name) => join(ROOT, name))];
  for (const file of all) {
    const found = findSecrets(readFileSync(file, "utf8"));
    assert.deepEqual(found, [], file.slice(ROOT.length));
  }
  assert.doesNotMatch(
    readFileSync(join(ROOT, "wrangler.toml"), "utf8"),
    /^\s*(FERRY_SECRET|BOOTSTRAP_TOKEN|\w*SECRET_ACCESS_KEY|UPSTASH_REDIS_REST_TOKEN)\s*=/m,
  );
  t.diagnostic(`${all.length} files: 0 hits`);
});

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
