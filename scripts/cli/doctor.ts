/** `ferry doctor`: looks at everything between this machine and the stores, and says what to do about what it finds. */
import type { Command } from "commander";
import * as z from "zod";
import type { Act } from "./act.ts";
import { type Cli, GlobalFlags } from "./cli.ts";
import { examineDeployment } from "./doctor-deployment.ts";
import { examineHealth } from "./doctor-health.ts";
import { examineMachine } from "./doctor-machine.ts";
import { examineStores } from "./doctor-stores.ts";
import { type Finding, failedBy } from "./finding.ts";
import { painted, plain, redacted } from "./text.ts";
import { TargetValue } from "./values.ts";

const Doctor = GlobalFlags.extend({
  args: z.tuple([TargetValue.optional()]),
  write: z.boolean().default(false),
});

export function addDoctor(program: Command, act: Act): void {
  program
    .command("doctor")
    .summary("Check everything from here to the stores.")
    .description(
      "Check this machine, the deployment, the token, and every store from here; as an administrator also the index, collection, replicas, nodes, webhooks, the audit trail, tokens and quotas. Each finding says what to do.",
    )
    .argument("[repository]", "namespace/name[@ref] to read from (default: any that the token may pull)")
    .option("--write", "also send 32 random bytes to the repository's home store; nothing is committed")
    .action(
      act(Doctor, async (cli, { args: [target], write }) => {
        const findings: Finding[] = [];
        for await (const finding of examine(cli, { target, write })) {
          findings.push(finding);
          if (!cli.flags.json) cli.answer(null, findingText(cli, finding));
        }
        const failed = findings.find(({ state }) => state === "fail");
        if (cli.flags.json) cli.answer({ ok: failed === undefined, findings: findings.map(({ exit: _, ...told }) => told) }, "");
        return failed?.exit;
      }),
    );
}

type Wish = { target: z.infer<typeof TargetValue> | undefined; write: boolean };

async function* examine(cli: Cli, wish: Wish): AsyncGenerator<Finding> {
  yield* examineMachine(cli);
  const settings = await cli.settings().catch((error: unknown) => error);
  if (settings instanceof Error) {
    yield failedBy("settings", settings);
    return;
  }
  const { client, findings } = await examineDeployment(cli);
  yield* findings;
  if (client === null) return;
  yield* examineStores(cli, client, wish);
  yield* examineHealth(cli, client);
}

function findingText({ host }: Cli, { check, state, detail, next }: Finding): string {
  const paint = { ok: "green", warn: "yellow", fail: "red" } as const;
  const head = `${painted(host, host.stdout, paint[state], state.padEnd(4))}  ${check.padEnd(12)}  ${redacted(plain(detail))}\n`;
  return next === undefined ? head : `${head}${" ".repeat(20)}next: ${redacted(plain(next))}\n`;
}
