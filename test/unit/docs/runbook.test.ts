/** The runbook says what to do about everything that alerts. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Page, ROOT } from "../../support/markdown.ts";

test("every alert of the example has its entry in docs/operations.md, and every entry its alert", () => {
  const rules = readFileSync(join(ROOT, "examples/observability/alerts.yaml"), "utf8");
  const alerts = [...rules.matchAll(/^ *- alert: (\w+)$/gm)].map(([, name = ""]) => name);
  const entries = [...new Page("docs/operations.md").prose.matchAll(/^### (Ferry\w+)$/gm)].map(([, name = ""]) => name);
  assert.ok(alerts.length > 0);
  assert.deepEqual(entries.toSorted(), alerts.toSorted());
});
