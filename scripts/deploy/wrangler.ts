/** Cloudflare's own command, as a process: its login, its network. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { StackProblem } from "../stack/problem.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TAIL_LINES = 12;

type Ran = { exit: number | null; output: string };

export class Wrangler {
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = { ...env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" };
  }

  /** Whether somebody is logged in, by `wrangler login` or CLOUDFLARE_API_TOKEN. */
  async isLoggedIn(): Promise<boolean> {
    return (await this.#run(["whoami", "--json"])).exit === 0;
  }

  /** Names of the account's R2 buckets. Throws StackProblem. */
  async buckets(): Promise<string[]> {
    const output = await this.#must(["r2", "bucket", "list"]);
    return [...output.matchAll(/^name:\s+(\S+)\s*$/gm)].map(([, name = ""]) => name);
  }

  async createBucket(name: string): Promise<void> {
    await this.#must(["r2", "bucket", "create", name]);
  }

  /** Uploads the Worker together with its settings, as one version. Answers its URL, null when it has none of workers.dev. */
  async deploy(name: string, secrets: Readonly<Record<string, string>>): Promise<string | null> {
    const folder = mkdtempSync(join(tmpdir(), "ferry-deploy-"));
    try {
      const file = join(folder, "secrets.json");
      writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
      const output = await this.#must(["deploy", "--minify", "--name", name, "--secrets-file", file]);
      return /https:\/\/\S+\.workers\.dev/.exec(output)?.[0] ?? null;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Builds what would be uploaded; answers its size as Cloudflare counts it. */
  async build(): Promise<string> {
    const output = await this.#must(["deploy", "--minify", "--dry-run"]);
    return /gzip: ([\d.]+ KiB)/.exec(output)?.[1] ?? "of unknown size";
  }

  async #must(args: readonly string[]): Promise<string> {
    const { exit, output } = await this.#run(args);
    if (exit === 0) return output;
    throw new StackProblem(`wrangler ${args.slice(0, 3).join(" ")} failed:\n${output.trim().split("\n").slice(-TAIL_LINES).join("\n")}`);
  }

  #run(args: readonly string[]): Promise<Ran> {
    const child = spawn(process.execPath, [join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js"), ...args], {
      cwd: ROOT,
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exit) => resolve({ exit, output }));
    });
  }
}
