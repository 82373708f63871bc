/**
 * An agent on one machine: how long an init container takes with it, cold and warm, beside `cp`; what serving costs it, beside nginx with
 * sendfile; how much memory both take. All files lie on the disk, in the page cache where it has room.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RepositoryName } from "../../../shared/names.ts";
import { GiB, MiB } from "../../../shared/units.ts";
import { chunkAddress } from "../../agent/chunk-address.ts";
import { type RunningAgent, startAgent, startNginx } from "../agent.ts";
import { verifyFolder } from "../contents.ts";
import { type Dataset, makeDataset } from "../data.ts";
import type { Lab } from "../lab.ts";
import { peakTreeBytes, treeCpuS } from "../measure/proc.ts";
import { type Command, type Measured, runMeasured } from "../measure/run-command.ts";
import { spreadOf } from "../measure/stats.ts";
import { type Ferry, ferryCommand } from "../ours.ts";
import { plainEnv, shell } from "../peers/peer.ts";
import { Pod } from "../pod.ts";
import type { Cell, Judged, ScenarioReport, Table } from "../report.ts";
import { NotHere, type Scenario } from "../scenario.ts";

const SIZE_BYTES = GiB;
const ROUNDS = 3;
const CHUNK_BYTES = 64 * MiB;
const SERVED_BYTES = 4 * GiB;
const COPY_SHARE_MIN = 0.65;
const NGINX_MAX = 3;
const RSS_MAX_MIB = 256;

/** `links`: files of one chunk, which a pull takes by another name of the cache's file; `copies`: one file of many chunks. */
type Model = { repository: RepositoryName; token: string; data: Dataset };
type Row = { name: string; runs: Measured[]; bytes: number };

export const agent: Scenario = {
  name: "agent",
  summary: "an agent of this machine: init containers cold and warm beside cp, serving beside nginx, memory",
  async run(lab) {
    if (lab.options.endpoint !== undefined) throw new NotHere("it is about this machine alone");
    const store = await lab.store("http");
    const ferry = { program: await lab.ferry(), registry: await lab.registry(store), store };
    const half = Math.floor((lab.options.size ?? SIZE_BYTES) / 2);
    const links = await pushed(lab, ferry, "links", { count: Math.max(1, Math.floor(half / CHUNK_BYTES)), sizeBytes: CHUNK_BYTES });
    const copies = await pushed(lab, ferry, "copies", { count: 1, sizeBytes: half });
    const folder = lab.folder("agent", "disk");
    const running = await startAgent(ferry, folder);
    lab.onClose(() => running.child.stop());
    const bench = new Bench(lab, ferry, running);
    const rows = [
      await bench.pods("no agent, many chunks", copies, { isCold: false, hasAgent: false }),
      await bench.pods("cold, many chunks", copies, { isCold: true, hasAgent: true }),
      await bench.pods("warm, many chunks", copies, { isCold: false, hasAgent: true }),
      await bench.pods("warm, files of one chunk", links, { isCold: false, hasAgent: true }),
      await bench.copy(copies),
    ];
    const serving = await bench.serving(links, folder);
    return report(lab, { rows, serving, peakBytes: peakTreeBytes(running.child.pid) });
  },
};

async function pushed(lab: Lab, ferry: Ferry, name: string, what: { count: number; sizeBytes: number }): Promise<Model> {
  const data = makeDataset(lab.folder(name, "disk"), { ...what, seed: name });
  const { repository, token } = await ferry.registry.makeRepository(name);
  await runMeasured(ferryCommand(ferry, ["push", data.folder, repository], { token, home: lab.folder("home", "disk") }), []);
  return { repository, token, data };
}

class Bench {
  readonly #lab: Lab;
  readonly #ferry: Ferry;
  readonly #agent: RunningAgent;
  readonly #pod: Pod;

  constructor(lab: Lab, ferry: Ferry, agent: RunningAgent) {
    this.#lab = lab;
    this.#ferry = ferry;
    this.#agent = agent;
    this.#pod = new Pod(lab, ferry);
  }

  get #rounds(): number {
    return this.#lab.options.rounds ?? ROUNDS;
  }

  /** From the start of an init container's entry point to a tree that is whole and durable. */
  async pods(name: string, model: Model, { isCold, hasAgent }: { isCold: boolean; hasAgent: boolean }): Promise<Row> {
    const runs: Measured[] = [];
    // One before that does not count brings what shall be warm.
    for (let at = isCold || !hasAgent ? 0 : -1; at < this.#rounds; at++) {
      if (isCold) await this.#evict(model);
      const destination = join(this.#lab.folder("pod", "disk"), "model");
      const measured = await runMeasured(this.#init(model, destination, hasAgent), [this.#agent.child.pid, ...this.#ferry.registry.pids]);
      verifyFolder(model.data, destination);
      rmSync(destination, { recursive: true });
      if (at >= 0) runs.push(measured);
      this.#lab.note(`${name}: ${measured.wallS.toFixed(2)} s`);
    }
    return { name: `init container, ${name}`, runs, bytes: model.data.totalBytes };
  }

  async copy({ data }: Model): Promise<Row> {
    const runs: Measured[] = [];
    for (let at = 0; at < this.#rounds; at++) {
      const destination = this.#lab.folder("copied", "disk");
      const script = data.files.map(({ name, path }) => `cp ${path} ${destination}/${name} && sync -d ${destination}/${name}`);
      runs.push(await runMeasured(shell(script.join(" && "), plainEnv(destination)), []));
      rmSync(destination, { recursive: true });
    }
    return { name: "cp and sync, many chunks", runs, bytes: data.totalBytes };
  }

  #init({ repository, token }: Model, destination: string, hasAgent: boolean): Command {
    return this.#pod.command({ repository, token, destination, agent: hasAgent ? this.#agent.socket : "off" });
  }

  async #evict({ repository }: Model): Promise<void> {
    const token = this.#ferry.registry.token;
    const flags = ["warm", repository, "--evict", "--wait"];
    await runMeasured(ferryCommand(this.#ferry, flags, { token, home: this.#lab.folder("home", "disk") }), []);
  }

  /** CPU for a GiB that curl takes, of the agent and of nginx, from the same files. */
  async serving({ repository }: Model, folder: string): Promise<{ name: string; cpuS: number[]; rate: number[] }[]> {
    const urls = await this.#urls(repository);
    const servers = [{ name: "ferry agent", pid: this.#agent.child.pid, urls: urls.map(({ url }) => url) }];
    const nginxFolder = join(folder, "nginx");
    mkdirSync(nginxFolder);
    const nginx = await startNginx(nginxFolder, join(this.#agent.cache, "chunks"));
    if (nginx !== null) {
      this.#lab.onClose(() => nginx.child.stop());
      servers.push({ name: "nginx", pid: nginx.child.pid, urls: urls.map(({ path }) => `${nginx.url}/${path}`) });
    }
    const served = servers.map(({ name }) => ({ name, cpuS: [] as number[], rate: [] as number[] }));
    const once = urls.reduce((sum, { size }) => sum + size, 0);
    // Processor time is told in hundredths of a second.
    const times = Math.ceil(SERVED_BYTES / once);
    const bytes = times * once;
    for (let at = -1; at < this.#rounds; at++) {
      for (const [index, server] of servers.entries()) {
        const before = treeCpuS(server.pid);
        const { wallS } = await runMeasured(curl(Array.from({ length: times }, () => server.urls).flat()), []);
        if (at < 0) continue;
        served[index]?.cpuS.push((treeCpuS(server.pid) - before) / (bytes / GiB));
        served[index]?.rate.push(bytes / 1e6 / wallS);
      }
    }
    return served;
  }

  async #urls(repository: RepositoryName): Promise<{ url: string; path: string; size: number }[]> {
    const { admin } = this.#ferry.registry;
    const at = { repository, params: { ref: "main" } };
    const { manifest, revision } = await admin.call("manifest", at);
    const chunks = manifest.files.flatMap((file) => ("chunk" in file && file.chunk !== undefined ? [file.chunk] : []));
    const { items } = await admin.call("chunkTickets", { ...at, body: { chunks } });
    return items.map(({ sha256, size, ticket }) => {
      const wanted = { sha256, size, repository, revision: revision.revision };
      return { url: chunkAddress(`http://${this.#agent.address}`, wanted, ticket), path: `${sha256.slice(0, 2)}/${sha256}`, size };
    });
  }
}

/** All of them, four at a time, to nowhere. */
function curl(urls: readonly string[]): Command {
  const each = urls.flatMap((url) => ["-o", "/dev/null", url]);
  return { program: "curl", args: ["-sS", "--fail", "-Z", "--parallel-max", "4", ...each], env: plainEnv("/nonexistent") };
}

type Measures = { rows: Row[]; serving: { name: string; cpuS: number[]; rate: number[] }[]; peakBytes: number };

function report(lab: Lab, { rows, serving, peakBytes }: Measures): ScenarioReport {
  const pulls: Table = {
    title: "from the start of the program to a durable tree",
    columns: ["s", "MB/s", "CPU s/GiB", "RSS MiB"],
    rows: rows.map(({ name, runs, bytes }) => ({
      name,
      cells: [
        spreadOf(runs.map(({ wallS }) => wallS)),
        spreadOf(runs.map(({ wallS }) => bytes / 1e6 / wallS)),
        spreadOf(runs.flatMap(({ cpuS }) => (cpuS === null ? [] : [cpuS / (bytes / GiB)]))),
        spreadOf(runs.flatMap((run) => (run.peakBytes === null ? [] : [Math.round(run.peakBytes / MiB)]))),
      ] satisfies Cell[],
    })),
  };
  const served: Table = {
    title: "serving chunks of 64 MiB to curl, four at a time",
    columns: ["CPU s/GiB", "MB/s"],
    rows: serving.map(({ name, cpuS, rate }) => ({ name, cells: [spreadOf(cpuS), spreadOf(rate)] })),
  };
  const median = (name: string) => spreadOf(rows.find((row) => row.name.includes(name))?.runs.map(({ wallS }) => wallS) ?? [])?.median;
  const [warm, cp] = [median("warm, many chunks"), median("cp and sync")];
  const [ours, theirs] = serving.map(({ cpuS }) => spreadOf(cpuS)?.median);
  const pods = rows.flatMap(({ name, runs }) => (name.startsWith("init") ? runs.flatMap((run) => run.peakBytes ?? []) : []));
  const judged = (target: string, wanted: string, figure: number | null, isOk: (figure: number) => boolean): Judged => {
    return { target, wanted, figure, ok: figure === null ? null : isOk(figure) };
  };
  const copied = warm === undefined || cp === undefined ? null : cp / warm;
  const cost = ours === undefined || theirs === undefined || theirs === 0 ? null : ours / theirs;
  const targets = [
    judged("speed of a warm pull by copy against cp", `at least ${COPY_SHARE_MIN}`, copied, (figure) => figure >= COPY_SHARE_MIN),
    judged("CPU of serving against nginx", `at most ${NGINX_MAX}`, cost, (figure) => figure <= NGINX_MAX),
    judged("memory of the agent, MiB", `at most ${RSS_MAX_MIB}`, peakBytes / MiB, (figure) => figure <= RSS_MAX_MIB),
    judged("memory of an init container, MiB", `at most ${RSS_MAX_MIB}`, Math.max(...pods) / MiB, (figure) => figure <= RSS_MAX_MIB),
  ];
  const conditions = [
    `${rows[0] === undefined ? 0 : Math.round(rows[0].bytes / MiB)} MiB each`,
    "disk",
    `${lab.options.rounds ?? ROUNDS} rounds`,
  ];
  const skipped = serving.length > 1 ? [] : [{ case: "nginx", reason: "nginx is not installed" }];
  return { name: "agent", conditions, tables: [pulls, served], targets, skipped, notes: [] };
}
