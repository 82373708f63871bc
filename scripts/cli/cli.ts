/** What a command is given: the host, the flags that every command has, the settings, a client, and a way to answer. */
import * as z from "zod";
import type { FerryClient } from "../../shared/client.ts";
import { clientFor, type Patience } from "./client.ts";
import { type ConnectionFlags, readConfig, type Settings, settingsOf } from "./config.ts";
import type { Host } from "./host.ts";
import { isOver, renewedToken } from "./identity.ts";

/** Flags that every command takes; each command extends this with its own and with `args`. */
export const GlobalFlags = z.object({
  endpoint: z.string().optional(),
  json: z.boolean().default(false),
  quiet: z.boolean().default(false),
  plainHttp: z.boolean().default(false),
});
export type GlobalFlags = z.infer<typeof GlobalFlags>;

export class Cli {
  readonly host: Host;
  readonly flags: GlobalFlags;

  constructor(host: Host, flags: GlobalFlags) {
    this.host = host;
    this.flags = flags;
  }

  get connection(): ConnectionFlags {
    return { endpoint: this.flags.endpoint, plainHttp: this.flags.plainHttp };
  }

  async settings(): Promise<Settings> {
    return settingsOf(this.host, await readConfig(this.host), this.connection);
  }

  /** A short token that is over, or ends while the command runs, is renewed without a word. */
  async connect(patience: Patience = {}): Promise<FerryClient> {
    const { endpoint, token, identity } = await this.settings();
    if (identity === null) return clientFor(this.host, { endpoint, token }, patience);
    const renew = () => renewedToken(this.host, endpoint, identity);
    const good = isOver(identity, this.host.now()) ? await renew() : token;
    return clientFor(this.host, { endpoint, token: good }, { ...patience, renew });
  }

  /** The command's result on standard output: `value` as one line of JSON with --json, else `text` (lines with their ends). */
  answer(value: unknown, text: string): void {
    this.host.stdout.write(this.flags.json ? `${JSON.stringify(value)}\n` : text);
  }

  /** A word beside the result, on standard error. */
  note(text: string): void {
    if (!this.flags.quiet) this.host.stderr.write(`${text}\n`);
  }
}
