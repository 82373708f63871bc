/**
 * `npm run simulate`: what a ring of agents makes of a burst, from 10 nodes to 10,000. Prints a table; `--docs` writes it and its chart into
 * docs/simulation.md and docs/simulation.svg. The same numbers come out on every machine.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GiB, MiB } from "../shared/units.ts";
import { chart } from "./simulate/chart.ts";
import { type Outcome, type Setting, simulate } from "./simulate/world.ts";

const GBIT = 1e9 / 8;
const COMMON: Omit<Setting, "nodes" | "mode"> = {
  zones: 1,
  chunks: 320,
  chunkBytes: 64 * MiB,
  linkRate: 25 * GBIT,
  originRate: 100 * GBIT,
  diskRate: 3e9,
  deadShare: 0,
  cacheShare: 1,
  seed: 7,
};
const NODES = [10, 100, 1_000, 10_000];
const CASES: { name: string; nodes: readonly number[]; change: Partial<Setting> & Pick<Setting, "mode"> }[] = [
  { name: "every node asks the origin", nodes: NODES, change: { mode: "direct" } },
  { name: "ring", nodes: NODES, change: { mode: "ring" } },
  { name: "ring of 3 zones", nodes: [10, 100, 1_000], change: { mode: "ring", zones: 3 } },
  { name: "ring, 5 % of the nodes die in the burst", nodes: NODES, change: { mode: "ring", deadShare: 0.05 } },
  { name: "ring, caches for half the model", nodes: [10, 100, 1_000], change: { mode: "ring", cacheShare: 0.5 } },
  { name: "ring, warmed before the burst", nodes: NODES, change: { mode: "warm" } },
];

type Row = { name: string; nodes: number; outcome: Outcome };

function run(note: (row: Row) => void): Row[] {
  return CASES.flatMap(({ name, nodes, change }) =>
    nodes.map((count) => {
      const row = { name, nodes: count, outcome: simulate({ ...COMMON, ...change, nodes: count }) };
      note(row);
      return row;
    }),
  );
}

const COLUMNS = ["case", "nodes", "origin, × model", "p50 to ready", "p99 to ready", "most given, × mean"];

function cells({ name, nodes, outcome }: Row): string[] {
  const { originCopies, p50Seconds, p99Seconds, imbalance } = outcome;
  return [
    name,
    nodes.toLocaleString("en-US"),
    originCopies.toFixed(2),
    `${p50Seconds.toFixed(1)} s`,
    `${p99Seconds.toFixed(1)} s`,
    imbalance === 0 ? "–" : imbalance.toFixed(2),
  ];
}

function document(rows: readonly Row[]): string {
  const lines = [COLUMNS, COLUMNS.map(() => "---"), ...rows.map(cells)].map((row) => `| ${row.join(" | ")} |`);
  return `# Simulation of a burst

Every node wants a model of ${(COMMON.chunks * COMMON.chunkBytes) / GiB} GiB at the same moment, over links of 25 Gbit/s, from an origin of 100 Gbit/s; disks give 3 GB/s. Written by
\`npm run simulate -- --docs\`, with the ring that agents use (\`shared/ring.ts\`); what the schedule leaves out stands in \`scripts/simulate/world.ts\`.

![p99 to ready by number of nodes](simulation.svg)

${lines.join("\n")}

"Warmed" nodes had the origin's copy, and one another's, before the burst: what is left is reading the model from the own disk.
`;
}

function drawing(rows: readonly Row[]): string {
  const line = (name: string, colour: string, at: string) => ({
    name,
    colour,
    points: rows.filter((row) => row.name === at).map(({ nodes, outcome }) => ({ x: nodes, y: outcome.p99Seconds })),
  });
  return chart("Seconds until 99 % of the nodes have the model", { x: "nodes", y: "seconds" }, [
    line("origin only", "#c0392b", "every node asks the origin"),
    line("ring", "#2471a3", "ring"),
    line("ring, 5 % die", "#7d3c98", "ring, 5 % of the nodes die in the burst"),
    line("warmed", "#1e8449", "ring, warmed before the burst"),
  ]);
}

if (import.meta.main) {
  const rows = run((row) => console.log(cells(row).join("  ")));
  if (process.argv.includes("--docs")) {
    const docs = (name: string) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
    writeFileSync(docs("simulation.md"), document(rows));
    writeFileSync(docs("simulation.svg"), drawing(rows));
  }
}
