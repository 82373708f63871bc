/** What Prometheus reads: counters of all isolates, and gauges that are looked up when it asks. */
import type { CounterList } from "../../shared/contract/observe.ts";
import { isoTime } from "../../shared/time.ts";
import { COUNTED_SINCE, SECONDS_ENDS } from "./counters.ts";
import type { Ports } from "./ports.ts";

export type Metric = { name: string; type: "counter" | "gauge" | "histogram"; help: string };

/** All there are; docs, dashboards and alerts name no other (test/unit/http/metrics.test.ts). */
export const METRICS = [
  { name: "ferry_requests_total", type: "counter", help: "Requests, by route and status." },
  { name: "ferry_request_seconds", type: "histogram", help: "How long requests took, by route." },
  { name: "ferry_problems_total", type: "counter", help: "Answers that told a problem, by its code." },
  { name: "ferry_commits_total", type: "counter", help: "Revisions that were committed." },
  { name: "ferry_committed_bytes_total", type: "counter", help: "Bytes of committed revisions that were new." },
  { name: "ferry_signed_urls_total", type: "counter", help: "Presigned requests that were given, by kind." },
  {
    name: "ferry_store_operations_total",
    type: "counter",
    help: "Requests to stores, by class as providers bill and by what they were for.",
  },
  { name: "ferry_index_commands_total", type: "counter", help: "Commands sent to the index, by what they were for." },
  { name: "ferry_index_bytes_total", type: "counter", help: "Characters of commands and answers of the index, by direction." },
  { name: "ferry_webhook_attempts_total", type: "counter", help: "Attempts to deliver, by how they ended." },
  { name: "ferry_webhook_waiting", type: "gauge", help: "Deliveries that wait." },
  { name: "ferry_replica_tasks_waiting", type: "gauge", help: "Tasks of replication that are not done, by store." },
  { name: "ferry_replica_jobs", type: "gauge", help: "Replicas that are being made, by store." },
  { name: "ferry_replica_bytes_waiting", type: "gauge", help: "Bytes of those that are not copied yet, by store." },
  {
    name: "ferry_index_log_seq",
    type: "gauge",
    help: "Newest record of the system's log that the index knows; absent while it is rebuilt.",
  },
  { name: "ferry_index_sound", type: "gauge", help: "Whether the index is whole." },
  { name: "ferry_build_info", type: "gauge", help: "Always 1; the version is a label." },
] as const satisfies readonly Metric[];

export async function countersOf({ counters }: Pick<Ports, "counters">): Promise<CounterList> {
  const { [COUNTED_SINCE]: since, ...counts } = Object.fromEntries(await counters.read());
  return { since: since === undefined ? null : isoTime(since * 1000), counts };
}

type Sample = { name: string; labels: string; value: number };

export async function metricsText(ports: Ports, version: string): Promise<string> {
  const [counted, gauges] = await Promise.all([ports.counters.read(), gaugesOf(ports)]);
  const samples = [...samplesIn(counted), ...gauges, { name: "ferry_build_info", labels: `{version="${version}"}`, value: 1 }];
  return METRICS.map((metric) => textOf(metric, samples)).join("");
}

function textOf({ name, type, help }: Metric, samples: readonly Sample[]): string {
  const own = type === "histogram" ? histogram(name, samples) : samples.filter((sample) => sample.name === name);
  const lines = own.map(({ name: full, labels, value }) => `${full}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

/** Counted by bucket; Prometheus wants each bucket to hold those before it. */
function histogram(name: string, samples: readonly Sample[]): Sample[] {
  const sums = samples.filter((sample) => sample.name === `${name}_ms`);
  return sums.flatMap(({ labels, value }) => {
    const route = labels.slice(1, -1);
    let total = 0;
    const buckets = [...SECONDS_ENDS.map(String), "+Inf"].map((le) => {
      const bucket = `{le="${le}",${route}}`;
      total += samples.find((sample) => sample.name === `${name}_bucket` && sample.labels === bucket)?.value ?? 0;
      return { name: `${name}_bucket`, labels: bucket, value: total };
    });
    return [...buckets, { name: `${name}_sum`, labels, value: value / 1000 }, { name: `${name}_count`, labels, value: total }];
  });
}

function samplesIn(counted: ReadonlyMap<string, number>): Sample[] {
  return [...counted].map(([key, value]) => {
    const at = key.indexOf("{");
    return { name: at < 0 ? key : key.slice(0, at), labels: at < 0 ? "" : key.slice(at), value };
  });
}

async function gaugesOf(ports: Ports): Promise<Sample[]> {
  const [head, waiting, ...stores] = await Promise.all([ports.system.head(), ports.deliveries.waiting(), ...replicaStores(ports)]);
  const index = head === null ? [] : [{ name: "ferry_index_log_seq", labels: "", value: head.seq }];
  return [
    ...index,
    { name: "ferry_index_sound", labels: "", value: head === null ? 0 : 1 },
    { name: "ferry_webhook_waiting", labels: "", value: waiting },
    ...stores.flat(),
  ];
}

function replicaStores(ports: Ports): Promise<Sample[]>[] {
  const others = ports.stores.all().filter(({ profile }) => profile.id !== ports.stores.home.profile.id);
  return others.map(async ({ profile: { id } }) => {
    const jobs = await ports.jobs.list(id);
    const sum = (value: (job: (typeof jobs)[number]) => number) => jobs.reduce((total, job) => total + value(job), 0);
    const labels = `{store="${id}"}`;
    return [
      { name: "ferry_replica_jobs", labels, value: jobs.length },
      { name: "ferry_replica_tasks_waiting", labels, value: sum(({ left }) => left) },
      { name: "ferry_replica_bytes_waiting", labels, value: sum(({ job, doneBytes }) => Math.max(0, job.bytes - doneBytes)) },
    ];
  });
}
