import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { parseAllDocuments, parseDocument } from "yaml";
import * as z from "zod";
import { parseConfig } from "../../../functions/config.ts";
import { parseListening } from "../../../functions/node/listening.ts";
import { findProgram } from "../../../scripts/stack/child.ts";
import { makeToken } from "../../../shared/token.ts";
import { tempFolder } from "../../support/trees.ts";

const FOLDER = new URL("../../../examples/server/", import.meta.url);
const read = (name: string) => readFileSync(fileURLToPath(new URL(name, FOLDER)), "utf8");

test("the example's settings are settings of the server, once their secrets are filled in", () => {
  const given = parseEnv(read("modelferry.env.example"));
  assert.throws(() => parseConfig(given), /BOOTSTRAP_TOKEN/);
  const config = parseConfig({ ...given, BOOTSTRAP_TOKEN: makeToken(new Uint8Array(32)) });
  assert.equal(config.homeStore, "home");
  assert.equal(config.stores[0]?.profile.provider, "ceph");
  assert.deepEqual(parseListening(given), { port: 8787, host: "0.0.0.0", processes: 2, tls: null });
});

test("every setting that the example leaves out by a comment has a name that the server reads", () => {
  const commented = [...read("modelferry.env.example").matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name);
  assert.deepEqual(commented, ["TLS_CERT_FILE", "TLS_KEY_FILE", "TRUSTED_PROXIES"]);
  const sources = ["config.ts", "node/listening.ts"].map((file) =>
    readFileSync(fileURLToPath(new URL(`../../../functions/${file}`, import.meta.url)), "utf8"),
  );
  for (const name of commented) assert.ok(sources.some((source) => source.includes(`${name}:`)));
});

test("what the button asks for are the settings that a Worker needs, and no others", () => {
  const given = parseEnv(readFileSync(fileURLToPath(new URL("../../../.env.example", import.meta.url)), "utf8"));
  const filled = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, (value ?? "").replaceAll("change-me", "filled")]));
  const secret = Buffer.alloc(32, 7).toString("base64url");
  const config = parseConfig({ ...filled, FERRY_SECRET: secret, BOOTSTRAP_TOKEN: makeToken(new Uint8Array(32)) });
  assert.deepEqual([config.homeStore, config.stores[0]?.profile.provider], ["home", "r2"]);
  for (const name of Object.keys(given)) assert.throws(() => parseConfig({ ...filled, FERRY_SECRET: secret, [name]: undefined }), name);
});

test("the unit is one that systemd takes", { skip: findProgram("systemd-analyze") === null && "there is no systemd-analyze" }, () => {
  const folder = tempFolder();
  const unit = join(folder.path, "modelferry.service");
  // On this machine the program is elsewhere.
  writeFileSync(unit, read("modelferry.service").replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8" });
  folder.remove();
  const ours = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("modelferry.service"));
  assert.deepEqual([status, ours], [0, []]);
});

test("kustomize makes of its folder a Deployment that is given the settings", {
  skip: findProgram("kubectl") === null && "there is no kubectl",
}, () => {
  const folder = tempFolder();
  cpSync(fileURLToPath(new URL("kustomize", FOLDER)), folder.path, { recursive: true });
  copyFileSync(fileURLToPath(new URL("modelferry.env.example", FOLDER)), join(folder.path, "modelferry.env"));
  const { status, stdout, stderr } = spawnSync("kubectl", ["kustomize", folder.path], { encoding: "utf8" });
  folder.remove();
  assert.equal(status, 0, stderr);
  const made = parseAllDocuments(stdout).map((document) => document.toJS());
  assert.deepEqual(made.map(({ kind }) => kind).toSorted(), ["Deployment", "Secret", "Service"]);
  const secret = made.find(({ kind }) => kind === "Secret");
  const { spec } = made.find(({ kind }) => kind === "Deployment").spec.template;
  assert.equal(spec.containers[0].envFrom[0].secretRef.name, secret.metadata.name);
  assert.ok("FERRY_SECRET" in secret.data && made.every(({ metadata }) => metadata.namespace === "modelferry"));
});

/** Of Compose's schema what the example uses: anything else is a mistake in writing. */
const ComposeService = z.strictObject({
  ...{ image: z.string().optional(), build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional() },
  ...{ env_file: z.string().optional(), environment: z.record(z.string(), z.string()).optional() },
  ...{ ports: z.array(z.string().regex(/^\d+:\d+$/)).optional(), volumes: z.array(z.string().regex(/^\w+:\/\S+$/)).optional() },
  ...{ command: z.array(z.string()).optional(), depends_on: z.array(z.string()).optional(), stop_grace_period: z.string().optional() },
  ...{ read_only: z.boolean().optional(), cap_drop: z.tuple([z.literal("ALL")]).optional(), restart: z.literal("unless-stopped") },
});
const Compose = z.strictObject({ services: z.record(z.string(), ComposeService), volumes: z.record(z.string(), z.strictObject({})) });

test("the compose file names services, folders and settings that are there", () => {
  const { services, volumes } = Compose.parse(parseDocument(read("compose.yaml")).toJS());
  for (const { build, depends_on = [], volumes: mounts = [] } of Object.values(services)) {
    for (const name of depends_on) assert.ok(name in services);
    for (const mount of mounts) assert.ok((mount.split(":")[0] ?? "") in volumes);
    if (build !== undefined) assert.ok(existsSync(new URL(`${build.context}/${build.dockerfile}`, FOLDER)));
  }
  assert.equal(services["server"]?.environment?.["REDIS_URL"], "redis://redis:6379");
});

for (const file of ["compose.yaml", "kustomize/kustomization.yaml", "kustomize/deployment.yaml", "kustomize/service.yaml"]) {
  test(`${file} is one YAML document without doubled keys`, () => {
    const document = parseDocument(read(file), { uniqueKeys: true, strict: true });
    assert.deepEqual(document.errors, []);
  });
}

test("the pod probes a route that is there, on the port that it opens, and has time to drain", () => {
  const { spec } = parseDocument(read("kustomize/deployment.yaml")).toJS().spec.template;
  const [server] = spec.containers;
  assert.equal(server.ports[0].name, "http");
  for (const probe of [server.readinessProbe, server.livenessProbe]) assert.deepEqual(probe.httpGet, { path: "/healthz", port: "http" });
  assert.ok(spec.terminationGracePeriodSeconds > 25);
  assert.match(read("modelferry.service"), /^TimeoutStopSec=30$/m);
});
