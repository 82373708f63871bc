/** Whatever the API and the console can do, `ferry` can do, too. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROUTES } from "../../../shared/contract/routes.ts";
import { ROOT } from "../../support/markdown.ts";

/** Calls of the API by name, `call("whoAmI", …)`, in the sources below these folders. */
function calledIn(...patterns: string[]): Set<string> {
  const text = globSync(patterns, { cwd: ROOT })
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n");
  return new Set([...text.matchAll(/\bcall\(\s*(?:[\w.]+,\s*)?"(\w+)"/g)].map(([, word = ""]) => word).filter((word) => word in ROUTES));
}

/** Routes that nobody types a command for. */
const BY_OTHERS: Record<string, string> = {
  health: "load balancers",
  warmth: "KEDA and readiness gates; `ferry warm status` tells more",
  receiveWebhook: "other systems",
  readCounters: "programs that reckon with figures; /metrics has the same for Prometheus",
  diff: "the console; `ferry diff` compares manifests itself, and tensors with them",
};

test("every route is called by a command of ferry or by its agent, or it is known who calls it instead", () => {
  const called = calledIn("scripts/{cli,agent,node}/**/*.ts", "scripts/*.ts", "shared/transfer/**/*.ts", "shared/*.ts");
  const missing = Object.keys(ROUTES).filter((name) => !called.has(name) && !(name in BY_OTHERS));
  assert.deepEqual(missing, []);
  for (const name of Object.keys(BY_OTHERS)) assert.ok(name in ROUTES, name);
});

test("every route that the console calls is one that ferry calls, too", () => {
  const console_ = calledIn("functions/dashboard/app/**/*.{ts,tsx}");
  const ferry = calledIn("scripts/{cli,agent,node}/**/*.ts", "shared/transfer/**/*.ts", "shared/*.ts");
  assert.ok(console_.size > 50);
  assert.deepEqual(
    [...console_].filter((name) => !ferry.has(name) && !(name in BY_OTHERS)),
    [],
  );
});
