/** A host for the command line without a process: captured streams, given environment, the memory app as the network. */
import type { Host } from "../../scripts/cli/host.ts";
import { runFerry } from "../../scripts/cli/run.ts";
import type { MemoryApp } from "./memory-app.ts";

export type HostOptions = {
  env?: Record<string, string>;
  homeDirectory?: string;
  projectedTokenPath?: string;
  fetch?: Host["fetch"];
  /** What the person types, in order. Left out: nobody can be asked. */
  typed?: string[];
  /** What standard input holds. */
  input?: string;
  tty?: boolean;
  columns?: number;
  signal?: AbortSignal;
  now?: () => number;
  certificateUntil?: string;
  every?: Host["every"];
};

export type Ran = { exit: number; stdout: string; stderr: string };

export function memoryHost(options: HostOptions = {}): { host: Host; stdout: () => string; stderr: () => string; questions: string[] } {
  const [out, err]: [string[], string[]] = [[], []];
  const questions: string[] = [];
  const typed = [...(options.typed ?? [])];
  const stream = (texts: string[]) => ({
    write: (text: string) => void texts.push(text),
    isTTY: options.tty ?? false,
    columns: options.columns ?? 120,
  });
  const fetch = options.fetch ?? (async () => Promise.reject(new TypeError("fetch failed")));
  const host: Host = {
    env: options.env ?? {},
    homeDirectory: options.homeDirectory ?? "/nowhere",
    projectedTokenPath: options.projectedTokenPath ?? "/nowhere/token",
    stdout: stream(out),
    stderr: stream(err),
    interactive: options.typed !== undefined,
    ask: async (question) => {
      questions.push(question);
      return typed.shift() ?? "";
    },
    readInput: async () => options.input ?? "",
    fetch,
    call: fetch,
    certificate: async () => ({ protocol: "TLSv1.3", validUntilMs: Date.parse(options.certificateUntil ?? "2026-12-31T00:00:00Z") }),
    now: options.now ?? (() => Date.parse("2026-01-01T00:00:00Z")),
    random: () => 0,
    sleep: async () => {},
    every: options.every ?? (() => () => {}),
    signal: options.signal ?? new AbortController().signal,
  };
  return { host, stdout: () => out.join(""), stderr: () => err.join(""), questions };
}

/** One command line on such a host. */
export async function ferry(argv: readonly string[], options: HostOptions = {}): Promise<Ran> {
  const { host, stdout, stderr } = memoryHost(options);
  const exit = await runFerry(argv, host);
  return { exit, stdout: stdout(), stderr: stderr() };
}

/** Options with which commands talk to the app: its API and its stores. */
export function onApp(app: MemoryApp, token?: string): HostOptions {
  return {
    env: { FERRY_ENDPOINT: "https://ferry.test", ...(token === undefined ? {} : { FERRY_TOKEN: token }) },
    fetch: (url, init) => (new URL(url).hostname.endsWith(".memory.test") ? app.stores.fetch(url, init) : app.fetch(url, init)),
    now: () => app.clock.now(),
  };
}
