/** An init container's entry point, as the image starts it. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RepositoryName } from "../../shared/names.ts";
import type { Lab } from "./lab.ts";
import type { Command } from "./measure/run-command.ts";
import { type Ferry, ferryCommand } from "./ours.ts";

const ENTRY = fileURLToPath(new URL("../../examples/kubernetes/entrypoint.sh", import.meta.url));

/** `agent`: as in FERRY_AGENT. */
export type PodOrder = { repository: RepositoryName; token: string; destination: string; agent: string };

export class Pod {
  readonly #lab: Lab;
  readonly #ferry: Ferry;
  readonly #program: string;

  constructor(lab: Lab, ferry: Ferry) {
    this.#lab = lab;
    this.#ferry = ferry;
    // As the image has it: a program called ferry.
    this.#program = join(lab.folder("bin", "disk"), "ferry");
    writeFileSync(this.#program, `#!/bin/sh\nexec "${process.execPath}" "${ferry.program}" "$@"\n`);
    chmodSync(this.#program, 0o755);
  }

  command({ repository, token, destination, agent }: PodOrder): Command {
    const { env } = ferryCommand(this.#ferry, [], { token, home: this.#lab.folder("home", "disk") });
    return {
      program: "/bin/sh",
      args: [ENTRY, `ferry://${repository}@main`, destination],
      env: { ...env, FERRY: this.#program, FERRY_AGENT: agent },
    };
  }
}
