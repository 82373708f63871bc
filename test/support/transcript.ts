/** What a person sees who types these command lines one after another. */
import { stableIds } from "./golden.ts";
import type { MemoryApp } from "./memory-app.ts";
import { ferry, type HostOptions, onApp } from "./memory-host.ts";

export type Line = readonly [argv: string[], options?: HostOptions];

/** Each command line with its output, its errors and how it ended, when not well; ids and secrets are the same in every run. */
export async function transcriptOf(app: MemoryApp, token: string, lines: readonly Line[], common: HostOptions = {}): Promise<string> {
  let text = "";
  for (const [argv, options = {}] of lines) {
    const { env, ...rest } = onApp(app, token);
    const ran = await ferry(argv, { ...rest, ...common, ...options, env: { ...env, ...options.env } });
    const ending = ran.exit === 0 ? "" : `exit ${ran.exit}\n`;
    text += `$ ferry ${argv.map((word) => (/[\s*]/.test(word) ? `'${word}'` : word)).join(" ")}\n${ran.stdout}${ran.stderr}${ending}\n`;
  }
  return stableIds(text).replace(/hf_\w{36}/g, "hf_SHOWN_ONCE");
}
