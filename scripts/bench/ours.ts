/** `ferry push` and `ferry pull` as cases. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import * as z from "zod";
import { MiB } from "../../shared/units.ts";
import type { Command } from "./measure/run-command.ts";
import { plainEnv } from "./peers/peer.ts";
import type { Registry } from "./registry.ts";
import type { Store } from "./store.ts";

const Answer = z.record(z.string(), z.unknown());

export type Ferry = { program: string; registry: Registry; store: Store };

/** Flags beside the usual ones; `why` says why this way of running it can't be tried here. */
export type Variant = { name: string; flags: readonly string[]; why: string | null };

/** Ways that are shown where this `ferry` has them: each with what its flags begin with. */
const WAYS: Record<"push" | "pull", readonly { name: string; flags: readonly string[] }[]> = {
  push: [{ name: "ferry push, no digest of whole files", flags: ["--no-file-digest"] }],
  pull: [{ name: "ferry pull, digest of whole files", flags: ["--file-digest"] }],
};

/** The usual way first. @param wished flags of more variants, as the user gave them. */
export function variantsOf(program: string, verb: "push" | "pull", wished: readonly string[]): Variant[] {
  const help = spawnSync(process.execPath, [program, verb, "--help"], { encoding: "utf8" }).stdout;
  const shown = WAYS[verb].map(({ name, flags }) => ({ name, flags, why: whyNot(help, flags) }));
  const more = wished.map((text) => {
    const flags = text.split(/\s+/).filter((word) => word !== "");
    return { name: `ferry ${verb} ${flags.join(" ")}`, flags, why: whyNot(help, flags) };
  });
  return [{ name: `ferry ${verb}`, flags: [], why: null }, ...shown, ...more];
}

function whyNot(help: string, flags: readonly string[]): string | null {
  const missing = flags.find((flag) => flag.startsWith("--") && !new RegExp(`^\\s*(?:-\\w, )?${flag}(?![\\w-])`, "m").test(help));
  return missing === undefined ? null : `this ferry has no ${missing}`;
}

/** @param home new for each run: what an earlier run remembered would save work. */
export function ferryCommand(ferry: Ferry, args: readonly string[], { token, home }: { token: string; home: string }): Command {
  const { caFile } = ferry.store.options;
  const env = plainEnv(home, {
    FERRY_ENDPOINT: ferry.registry.endpoint,
    FERRY_TOKEN: token,
    ...(caFile === null ? {} : { NODE_EXTRA_CA_CERTS: caFile }),
  });
  return { program: process.execPath, args: [ferry.program, ...args, "--quiet"], env };
}

/** Runs a command of ours unmeasured, and returns what it answers with --json. */
export async function ferryAnswer({ program, args, env }: Command): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(program, [...args, "--json"], { env, maxBuffer: 64 * MiB });
  return Answer.parse(JSON.parse(stdout));
}
