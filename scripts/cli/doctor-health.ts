/** What the deployment says of itself to those who may ask: index, collection, damage, replicas, nodes, webhooks, trail, tokens, quotas. */
import type { FerryClient } from "../../shared/client.ts";
import { CHECKS, type CheckName, check } from "../../shared/health/checks.ts";
import { filled, TROUBLES } from "../../shared/health/troubles.ts";
import type { Cli } from "./cli.ts";
import { type Finding, failedBy } from "./finding.ts";

/** The doctor looks at stores from this machine, and more closely. */
const NAMES = (Object.keys(CHECKS) as CheckName[]).filter((name) => name !== "stores");

export async function* examineHealth({ host }: Cli, client: FerryClient): AsyncGenerator<Finding> {
  for (const name of NAMES) {
    try {
      const seen = await check(name, { client, nowMs: host.now(), thorough: true, signal: host.signal });
      if (seen === null) continue;
      if (seen.troubles.length === 0) yield { check: name, state: "ok", detail: seen.fine };
      for (const { code, values } of seen.troubles) {
        const { severity, text, next } = TROUBLES[code];
        yield { check: name, state: severity, detail: filled(text, values), next: filled(next, values), exit: "unavailable" };
      }
    } catch (error) {
      yield failedBy(name, error);
    }
  }
}
