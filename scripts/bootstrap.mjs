/**
 * What `npm start`, `npm test` and the rest begin with, on any Node from 20 on: installs the packages when they are missing or old, then
 * runs the TypeScript program under the Node that is among them. Plain JavaScript, for the machine's own Node can't run TypeScript.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAMS = {
  start: ["scripts/dev.ts", "start"],
  stop: ["scripts/dev.ts", "stop"],
  serve: ["scripts/serve.ts"],
  test: ["scripts/test.ts"],
  check: ["scripts/check.ts"],
  bench: ["scripts/bench.ts"],
  simulate: ["scripts/simulate.ts"],
  soak: ["scripts/soak.ts"],
  deploy: ["scripts/deploy.ts"],
  build: ["scripts/build.ts"],
  token: ["scripts/token.ts"],
  bridge: ["scripts/bridge.ts"],
  docs: ["scripts/docs.ts"],
  ferry: ["scripts/ferry.ts"],
};

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const lock = join(root, "package-lock.json");
const installed = join(root, "node_modules", ".package-lock.json");

/** `npx ferry` in a clone. A script of sh, so that it runs under the Node of node_modules even when called by its path. */
const FERRY = `#!/bin/sh
bin=$(dirname "$(readlink -f "$0")")
exec "$bin/node" "$bin/../../scripts/ferry.ts" "$@"
`;

const [name, ...args] = process.argv.slice(2);
if (name === "link") {
  linkFerry();
} else if (Object.hasOwn(PROGRAMS, name ?? "")) {
  // What was never installed here can't be running.
  if (name === "stop" && !existsSync(installed)) process.exit(0);
  if (!isUpToDate()) install();
  if (!existsSync(join(bin, "ferry"))) linkFerry();
  run([...PROGRAMS[name], ...args], name === "start");
} else {
  console.error(`Usage: node scripts/bootstrap.mjs ${Object.keys(PROGRAMS).join("|")} …`);
  process.exit(2);
}

/** By time when that settles it; else by content, since a checkout makes package-lock.json look new. */
function isUpToDate() {
  if (!existsSync(installed)) return false;
  if (statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return true;
  const wanted = JSON.parse(readFileSync(lock, "utf8")).packages;
  const there = JSON.parse(readFileSync(installed, "utf8")).packages;
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    // An optional package may be another platform's.
    if (path !== "" && there[path]?.version !== version && !(optional && there[path] === undefined)) return false;
  }
  utimesSync(installed, new Date(), new Date());
  return true;
}

/**
 * What package-lock.json says, and it stays as it is. Not `npm ci`: that refuses a lock without the optional packages of other
 * platforms, which is what npm writes where the registry has none of them.
 */
function install() {
  console.error("Installing packages …");
  const { status, error } = spawnSync("npm", ["install", "--no-save", "--loglevel=error"], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  console.error(`The packages could not be installed${error ? `: ${error.message}` : ""}. See above, then run the same command again.`);
  process.exit(1);
}

function linkFerry() {
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "ferry"), FERRY, { mode: 0o755 });
}

/**
 * @param tied the program ends when this one is gone, even by SIGKILL: an IPC channel tells it.
 */
function run(argv, tied) {
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}` };
  const child = spawn(
    join(bin, "node"),
    argv.map((word, index) => (index === 0 ? join(root, word) : word)),
    {
      stdio: tied ? ["inherit", "inherit", "inherit", "ipc"] : "inherit",
      env,
    },
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`${argv[0]} can't be run: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const each of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(each);
    process.kill(process.pid, signal);
  });
}
