/** A client of the Hub as a process in a home of its own; its lines that are JSON tell of its operations. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { tempFolder } from "../trees.ts";

const CLIENT_MS = 170_000;

export type ClientRun = { exit: number; lines: Record<string, string | null>[]; stderr: string };
export type ClientSettings = { endpoint: string; token: string; env?: Record<string, string> };

export async function runClient(command: string, argv: string[], { endpoint, token, env = {} }: ClientSettings): Promise<ClientRun> {
  const home = tempFolder();
  const own = {
    PATH: process.env["PATH"] ?? "",
    HOME: home.path,
    HF_HOME: join(home.path, "hf"),
    HF_ENDPOINT: endpoint,
    HF_TOKEN: token,
    HF_HUB_DISABLE_XET: "1",
    HF_HUB_DISABLE_TELEMETRY: "1",
    HF_HUB_DISABLE_PROGRESS_BARS: "1",
    ...env,
  };
  const child = spawn(command, argv, { env: own, stdio: ["ignore", "pipe", "pipe"], timeout: CLIENT_MS, killSignal: "SIGKILL" });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const exit = await new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? 137)));
  home.remove();
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return { exit, lines: lines.map((line) => JSON.parse(line) as Record<string, string | null>), stderr };
}
