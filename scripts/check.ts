/** `npm run check`: everything that reads the source without running it, all at once; prints what is wrong and nothing else. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const CHECKS = [
  ["biome", "check"],
  ["tsc", "-p", "functions"],
  ["tsc", "-p", "functions/dashboard/app"],
  ["tsc", "-p", "scripts"],
  ["tsc", "-p", "test"],
  ["knip"],
];

const began = performance.now();
const failed = (await Promise.all(CHECKS.map(check))).filter((ok) => !ok).length;
const seconds = ((performance.now() - began) / 1000).toFixed(1);
console.log(failed === 0 ? `Checked in ${seconds} s.` : `${failed} of ${CHECKS.length} checks failed (${seconds} s).`);
process.exit(failed === 0 ? 0 : 1);

async function check([tool = "", ...args]: string[]): Promise<boolean> {
  const child = spawn(join(root, "node_modules", ".bin", tool), args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code !== 0) console.log(`\n--- ${[tool, ...args].join(" ")} ---\n${output.trim()}`);
  return code === 0;
}
