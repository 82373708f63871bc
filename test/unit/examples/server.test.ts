import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { parseDocument } from "yaml";
import { parseConfig } from "../../../functions/config.ts";
import { parseListening } from "../../../functions/node/listening.ts";
import { makeToken } from "../../../shared/token.ts";

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
