/**
 * A file of many chunks as one stream by the Hub's door, on Node and on workerd, against a presigned GET of the same bytes as one object of the
 * same store: the bench's own, at hand and far away, and local R2; or the real one that was asked for.
 */
import { createHash } from "node:crypto";
import { GiB, MiB } from "../../../shared/units.ts";
import { findProgram } from "../../stack/child.ts";
import { comparisonTable, judge, type Target } from "../compare.ts";
import { type Dataset, makeDataset } from "../data.ts";
import type { Lab } from "../lab.ts";
import { residentTreeBytes } from "../measure/proc.ts";
import { type Case, runRounds } from "../measure/rounds.ts";
import { runMeasured } from "../measure/run-command.ts";
import { ferryCommand } from "../ours.ts";
import { plainEnv } from "../peers/peer.ts";
import type { Judged, ScenarioReport } from "../report.ts";
import { NO_FAULTS } from "../s3/faults.ts";
import { NotHere, type Scenario } from "../scenario.ts";
import type { Store } from "../store.ts";
import { dataText, roundsText } from "./ground.ts";

const SIZE_BYTES = GiB;
/** As large clouds give it. */
const FAR_BYTES_PER_SECOND = 200e6;
const FAR_MS = 20;
const SPEED_LEAST = 0.7;
/** Garbage of other requests goes and comes by some of this. */
const GROWTH_MAX_BYTES = 96 * MiB;
const RUNTIMES = ["node", "workerd"] as const;
type Runtime = (typeof RUNTIMES)[number];

export const hubStream: Scenario = {
  name: "hub-stream",
  summary: "a file of many chunks streamed by the Hub's door, against a presigned GET of one object",
  async run(lab) {
    if (findProgram("curl") === null) throw new NotHere("curl is not installed");
    const data = makeDataset(lab.folder("data"), { count: 1, sizeBytes: lab.options.size ?? SIZE_BYTES, seed: "hub-stream" });
    const found = lab.options.endpoint === undefined ? await ofOwnStores(lab, data) : await ofRealStore(lab, data);
    return {
      name: "hub-stream",
      conditions: [dataText(data), "HTTP", "curl to nowhere", "server: the app alone for ours, the store for the other", roundsText(lab)],
      tables: found.flatMap(({ tables }) => tables),
      targets: found.flatMap(({ targets }) => targets),
      skipped: found.flatMap(({ skipped }) => skipped),
      notes: [],
    } satisfies ScenarioReport;
  },
};

type Found = Pick<ScenarioReport, "tables" | "targets" | "skipped">;

async function ofOwnStores(lab: Lab, data: Dataset): Promise<Found[]> {
  const stands = await standsOf(lab, data, () => lab.store("http"));
  const near = await compared(lab, data, stands, "");
  for (const { store } of stands) await store.options.own?.faults({ ...NO_FAULTS, rate: FAR_BYTES_PER_SECOND, ttfbMs: FAR_MS });
  const far = await compared(lab, data, stands, `, a store of ${FAR_BYTES_PER_SECOND / 1e6} MB/s a connection, ${FAR_MS} ms away`);
  const r2 = await standsOf(lab, data, () => lab.localR2());
  const local = await compared(lab, data, r2, ", local R2");
  return [near, far, { ...local, targets: [...local.targets, ...[...stands, ...r2].map(growthOf)] }];
}

async function ofRealStore(lab: Lab, data: Dataset): Promise<Found[]> {
  const stands = await standsOf(lab, data, () => lab.store("http"));
  const found = await compared(lab, data, stands, `, ${lab.options.provider}`);
  return [{ ...found, targets: [...found.targets, ...stands.map(growthOf)] }];
}

async function standsOf(lab: Lab, data: Dataset, makeStore: () => Promise<Store>): Promise<Stand[]> {
  const stands: Stand[] = [];
  for (const runtime of RUNTIMES) stands.push(await standOf(lab, data, { runtime, store: await makeStore() }));
  return stands;
}

async function compared(lab: Lab, data: Dataset, stands: readonly Stand[], where: string): Promise<Found> {
  const outcome = await runRounds(
    stands.flatMap(({ cases }) => cases),
    lab.rounds,
  );
  const comparisons = stands.map((stand) => {
    const names = stand.cases.map(({ name }) => name);
    const runs = new Map([...outcome.runs].filter(([name]) => names.includes(name)));
    return { title: stand.runtime + where, bytes: data.totalBytes, ours: stand.ours, outcome: { ...outcome, runs } };
  });
  const targets = stands.map(({ runtime, ours, theirs }, at) => {
    const target: Target = { target: `speed on ${runtime}${where}`, ours, peers: [theirs], of: "speed", atLeast: SPEED_LEAST };
    return judge(target, comparisons[at]?.outcome ?? outcome);
  });
  return { tables: comparisons.map(comparisonTable), targets, skipped: outcome.skipped };
}

type Stand = { store: Store; runtime: Runtime; ours: string; theirs: string; cases: Case[]; residentBytes: number[] };

async function standOf(lab: Lab, data: Dataset, { runtime, store }: Pick<Stand, "runtime" | "store">): Promise<Stand> {
  const registry = await lab.registry(store, { runtime });
  const { repository, token } = await registry.makeRepository("streamed");
  const ferry = { program: await lab.ferry(), registry, store };
  await runMeasured(ferryCommand(ferry, ["push", data.folder, repository], { token, home: lab.folder("home", "disk") }), []);
  await store.put("plain/", data.files);
  const [file] = data.files;
  const [presigned = ""] = await store.urls("plain/", data.files);
  if (file === undefined) throw new Error("there is no file");
  const residentBytes: number[] = [];
  const [ours, theirs] = [`resolve on ${runtime}`, `presigned GET beside ${runtime}`];
  const url = `${registry.endpoint}/${repository}/resolve/main/${file.name}`;
  const streamed = getCase(lab, { name: ours, url, token, servers: [registry.appPid], sha256: file.sha256 });
  const after = async () => void residentBytes.push(residentTreeBytes(registry.appPid));
  const plain = getCase(lab, { name: theirs, url: presigned, token: null, servers: store.pids, sha256: file.sha256 });
  return { store, runtime, ours, theirs, cases: [noting(streamed, after), plain], residentBytes };
}

type Get = { name: string; url: string; token: string | null; servers: readonly number[]; sha256: string };

function getCase(lab: Lab, { name, url, token, servers, sha256 }: Get): Case {
  const headers = token === null ? [] : ["-H", `authorization: Bearer ${token}`];
  return {
    name,
    async prepare() {
      return {
        command: {
          program: "curl",
          args: ["-sS", "--fail", "-o", "/dev/null", ...headers, url],
          env: plainEnv(lab.folder("home", "disk")),
        },
        servers,
        async verify() {
          const hash = createHash("sha256");
          const answer = await fetch(url, token === null ? {} : { headers: { authorization: `Bearer ${token}` } });
          for await (const bytes of answer.body ?? []) hash.update(bytes);
          if (hash.digest("hex") !== sha256) throw new Error("the bytes are others");
        },
        check: async () => {},
        clear: async () => {},
      };
    },
  };
}

function noting(one: Case, after: () => Promise<void>): Case {
  return { ...one, prepare: async () => ({ ...(await one.prepare()), check: after }) };
}

function growthOf({ runtime, store, residentBytes }: Stand): Judged {
  const [first, ...others] = residentBytes;
  const growth = first === undefined || others.length === 0 ? null : (Math.max(...others) - first) / MiB;
  return {
    target: `growth of ${runtime}'s resident memory over the rounds, MiB${store.options.own === null ? `, ${store.options.provider}` : ""}`,
    wanted: `at most ${GROWTH_MAX_BYTES / MiB}`,
    figure: growth,
    ok: growth === null ? null : growth <= GROWTH_MAX_BYTES / MiB,
  };
}
