/** What a command is given: the host, the flags that every command has, the settings, a client, and a way to answer. */
import * as z from "zod";
import { FerryClient } from "../../shared/client.ts";
import { type ConnectionFlags, isOn, readConfig, type Settings, settingsOf } from "./config.ts";
import type { Host } from "./host.ts";
import { redacted } from "./text.ts";
import { VERSION } from "./version.ts";

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

  async connect(): Promise<FerryClient> {
    return clientFor(this.host, await this.settings());
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

export type Patience = { attempts?: number; timeoutMs?: number };

/** A client that stops with the host, and tells of each request under FERRY_DEBUG=1. */
export function clientFor(host: Host, to: { endpoint: string; token: string | undefined }, patience: Patience = {}): FerryClient {
  const debug = isOn(host.env["FERRY_DEBUG"]);
  return new FerryClient({
    endpoint: to.endpoint,
    token: to.token,
    fetch: async (url, init) => {
      const signal = init.signal ? AbortSignal.any([init.signal, host.signal]) : host.signal;
      const startedMs = host.now();
      const response = await host.fetch(url, { ...init, signal });
      if (debug) host.stderr.write(requestLine(url, init, response, host.now() - startedMs));
      return response;
    },
    sleep: (ms, signal) => host.sleep(ms, signal ? AbortSignal.any([signal, host.signal]) : host.signal),
    random: () => host.random(),
    userAgent: `ferry/${VERSION}`,
    ...patience,
  });
}

function requestLine(url: string, init: RequestInit, response: Response, tookMs: number): string {
  const requestId = response.headers.get("x-request-id") ?? "-";
  return redacted(`debug: ${init.method ?? "GET"} ${url} → ${response.status} in ${Math.round(tookMs)} ms, request ${requestId}\n`);
}
