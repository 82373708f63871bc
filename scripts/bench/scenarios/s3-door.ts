/**
 * The S3 door of an agent as Run:ai's model streamer reads from it: list, head, then eight ranges of 8 MiB at the same time until the file is
 * whole, once all of it is in the cache; beside nginx serving the same file from the same disk. curl is the client of both.
 */
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { S3RequestPresigner } from "@aws-sdk/s3-request-presigner";
import { GiB, MiB } from "../../../shared/units.ts";
import { startAgent, startNginx } from "../agent.ts";
import { type Dataset, makeDataset } from "../data.ts";
import type { Lab } from "../lab.ts";
import { treeCpuS } from "../measure/proc.ts";
import { type Command, runMeasured } from "../measure/run-command.ts";
import { spreadOf } from "../measure/stats.ts";
import { ferryCommand } from "../ours.ts";
import { plainEnv } from "../peers/peer.ts";
import type { Judged, ScenarioReport } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";

const SIZE_BYTES = 2 * GiB;
const RANGE_BYTES = 8 * MiB;
const AT_ONCE = 8;
const TENSOR_BYTES = 64 * MiB;
const ROUNDS = 5;
const SHARE_MIN = 0.5;

/** `first`: what is listed, and what is asked for by HEAD, before anything is read. */
type Server = { name: string; pid: number; first: string[]; url: string; cpuS: number[]; rate: number[] };

export const s3Door: Scenario = {
  name: "s3-door",
  summary: "the S3 door of an agent, read as Run:ai's streamer reads, beside nginx with the same file",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("it is about this machine alone");
    const store = await lab.store("http");
    const ferry = { program: await lab.ferry(), registry: await lab.registry(store), store };
    const data = makeDataset(lab.folder("s3-data", "disk"), { count: 1, sizeBytes: lab.options.size ?? SIZE_BYTES, seed: "s3" });
    const file = asSafetensors(data);
    const { repository, token } = await ferry.registry.makeRepository("s3");
    const home = lab.folder("home", "disk");
    await runMeasured(ferryCommand(ferry, ["push", data.folder, repository], { token, home }), []);
    const folder = lab.folder("agent", "disk");
    const running = await startAgent(ferry, folder, ["--s3", "0"]);
    lab.onClose(() => running.child.stop());
    const door = doorIn(join(folder, "agent.log"));
    const key = await presigner(door, ferry.registry.token);
    const path = `${repository}/main/${file.name}`;
    const [bucket = "", prefix = ""] = repository.split("/");
    const first = [await key(bucket, "GET", { "list-type": "2", prefix: `${prefix}/main/` }), await key(path, "HEAD")];
    const url = await key(path);
    const servers: Server[] = [{ name: "ferry agent --s3", pid: running.child.pid, first, url, cpuS: [], rate: [] }];
    const nginxFolder = join(folder, "nginx");
    mkdirSync(nginxFolder);
    const nginx = await startNginx(nginxFolder, data.folder);
    if (nginx !== null) {
      lab.onClose(() => nginx.child.stop());
      servers.push({ name: "nginx", pid: nginx.child.pid, first: [], url: `${nginx.url}/${file.name}`, cpuS: [], rate: [] });
    }
    for (let round = -1; round < (lab.options.rounds ?? ROUNDS); round++)
      for (const server of servers) await read(server, { sizeBytes: file.sizeBytes, home, counts: round >= 0 });
    return report(lab, servers, file.sizeBytes);
  },
};

/** Its one file as tensors of 64 MiB. */
function asSafetensors({ folder, files: [file] }: Dataset): { name: string; sizeBytes: number } {
  if (file === undefined) throw new Error("there is no file to read");
  const tensors: Record<string, unknown> = {};
  for (let from = 0; from < file.sizeBytes; from += TENSOR_BYTES) {
    const to = Math.min(file.sizeBytes, from + TENSOR_BYTES);
    tensors[`t${from / TENSOR_BYTES}`] = { dtype: "U8", shape: [to - from], data_offsets: [from, to] };
  }
  const header = Buffer.from(JSON.stringify(tensors));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const path = join(folder, "model.safetensors");
  writeFileSync(path, Buffer.concat([length, header]));
  const source = openSync(file.path, "r");
  const piece = Buffer.alloc(8 * MiB);
  for (let read = readSync(source, piece); read > 0; read = readSync(source, piece)) appendFileSync(path, piece.subarray(0, read));
  closeSync(source);
  rmSync(file.path);
  return { name: "model.safetensors", sizeBytes: 8 + header.length + file.sizeBytes };
}

/** The whole file once. The first round brings it into the cache, and does not count. */
async function read(server: Server, { sizeBytes, home, counts }: { sizeBytes: number; home: string; counts: boolean }): Promise<void> {
  const before = treeCpuS(server.pid);
  const { wallS } = await runMeasured(curl(server, sizeBytes, home), []);
  if (!counts) return;
  server.cpuS.push((treeCpuS(server.pid) - before) / (sizeBytes / GiB));
  server.rate.push(sizeBytes / 1e6 / wallS);
}

function curl({ first, url }: Server, sizeBytes: number, home: string): Command {
  const asked = first.map((one, at) => `url = "${one}"\noutput = "/dev/null"\n${at === 1 ? "head\n" : ""}fail\nsilent\nshow-error\n`);
  for (let from = 0; from < sizeBytes; from += RANGE_BYTES) {
    const range = `${from}-${Math.min(sizeBytes, from + RANGE_BYTES) - 1}`;
    asked.push(`url = "${url}"\nrange = "${range}"\noutput = "/dev/null"\nfail\nsilent\nshow-error\n`);
  }
  const config = join(home, "curl.conf");
  writeFileSync(config, `parallel\nparallel-max = ${AT_ONCE}\n${asked.join("next\n")}`);
  return { program: "curl", args: ["-K", config], env: plainEnv("/nonexistent") };
}

function doorIn(logFile: string): string {
  const lines = readFileSync(logFile, "utf8").split("\n");
  const line = lines.find((one) => one.includes('"door.listening"') && one.includes('"s3"')) ?? "";
  return `http://${/"address":"([^"]+)"/.exec(line)?.[1] ?? ""}`;
}

/** Signs as clients do, by version 4. */
async function presigner(
  door: string,
  token: string,
): Promise<(key: string, method?: string, query?: Record<string, string>) => Promise<string>> {
  const answer = await fetch(`${door}/-/credentials`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const credentials = (await answer.json()) as { accessKeyId: string; secretAccessKey: string };
  const client = new S3Client({ region: "us-east-1", credentials });
  const signer = new S3RequestPresigner({ ...client.config });
  const { host, hostname, port } = new URL(door);
  return async (key, method = "GET", asking = {}) => {
    const asked = { method, protocol: "http:", hostname, port: Number(port), path: `/${key}`, headers: { host }, query: asking };
    const { query } = await signer.presign(asked, { expiresIn: 86_400 });
    const words = Object.entries(query ?? {}).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
    return `${door}/${key}?${words.join("&")}`;
  };
}

function report(lab: Lab, servers: readonly Server[], sizeBytes: number): ScenarioReport {
  const [ours, theirs] = servers.map(({ rate }) => spreadOf(rate)?.median);
  const share = ours === undefined || theirs === undefined ? null : ours / theirs;
  const target = { target: "speed of the S3 door against nginx", wanted: `at least ${SHARE_MIN}`, figure: share };
  const judged: Judged = { ...target, ok: share === null ? null : share >= SHARE_MIN };
  return {
    name: "s3-door",
    conditions: [
      `${Math.round(sizeBytes / MiB)} MiB`,
      `${AT_ONCE} ranges of ${RANGE_BYTES / MiB} MiB at once`,
      `${lab.options.rounds ?? ROUNDS} rounds`,
    ],
    tables: [
      {
        title: "ranges of one file to curl, once cached",
        columns: ["MB/s", "CPU s/GiB"],
        rows: servers.map(({ name, cpuS, rate }) => ({ name, cells: [spreadOf(rate), spreadOf(cpuS)] })),
      },
    ],
    targets: [judged],
    skipped: servers.length > 1 ? [] : [{ case: "nginx", reason: "nginx is not installed" }],
    notes: [],
  };
}
