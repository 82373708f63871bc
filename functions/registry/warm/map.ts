/** Which node has what: all warm-ups of a group, newest first, with a cell for each node. */
import type { WarmMap } from "../../../shared/contract/observe.ts";
import type { WarmReport } from "../../../shared/contract/warm.ts";
import type { Ports } from "../ports.ts";
import { listGroups, readGroup, readReports } from "./boards.ts";
import { chosenNodes } from "./choice.ts";
import { summaryOf } from "./warmups.ts";

export async function warmMap(ports: Ports, group: string): Promise<WarmMap> {
  const groups = await listGroups(ports);
  const { agents, jobs } = await readGroup(ports, group);
  const all = await readReports(
    ports,
    jobs.map(({ id }) => id),
  );
  const there = new Set(agents.map(({ id }) => id));
  const rows = jobs.map((job, at) => ({
    job,
    reports: all[at] ?? new Map<string, WarmReport>(),
    meant: new Set(chosenNodes(job, agents)),
  }));
  const nodes = [...new Set([...there, ...rows.flatMap(({ meant }) => [...meant])])].sort();
  const warmups = rows.map(async ({ job, reports, meant }) => {
    const {
      id: warmup,
      repository,
      ref,
      revision,
      state,
      nodesReady,
      nodesTarget,
      startedAt,
    } = await summaryOf({ job, agents, reports }, ports.clock.now());
    const cells = nodes.map((node) => (meant.has(node) ? cellOf(there.has(node) ? reports.get(node) : undefined) : ".")).join("");
    return { warmup, repository, ref, revision, state, nodesReady, nodesTarget, startedAt, etaSeconds: etaOf(reports.values()), cells };
  });
  return { groups, nodes, warmups: (await Promise.all(warmups)).sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)) };
}

function etaOf(reports: Iterable<WarmReport>): number | null {
  const moving = [...reports].filter(({ state, bytesPerSecond }) => state === "running" && bytesPerSecond > 0);
  const seconds = moving.map(({ bytes, bytesReady, bytesPerSecond }) => Math.ceil((bytes - bytesReady) / bytesPerSecond));
  return seconds.length === 0 ? null : Math.max(...seconds);
}

function cellOf(report: WarmReport | undefined): string {
  if (report === undefined || report.state === "waiting") return "-";
  if (report.state !== "running") return report.state === "ready" ? "r" : "f";
  return String(report.bytes === 0 ? 0 : Math.min(9, Math.floor((10 * report.bytesReady) / report.bytes)));
}
