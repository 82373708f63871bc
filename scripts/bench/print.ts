/** Reports as text. */
import type { Machine } from "./machine.ts";
import type { Cell, Judged, ScenarioReport, Table } from "./report.ts";

export function machineText(machine: Machine): string {
  const { cpu, cores, cpuFlags, memoryGib, system, kernel, node, openssl, loadAtStart } = machine;
  const network = machine.ownNetwork ? `${machine.congestionControl} (in a network of the bench's own)` : machine.congestionControl;
  const warning = machine.congestionControl === "bbr" ? "\nBBR paces the loopback: speeds are far too low, and ratios too even." : "";
  return (
    `${cores} cores of ${cpu} (${cpuFlags.join(" ") || "flags unknown"}), ${memoryGib} GiB, ${system} ${kernel}\n` +
    `Node ${node}, OpenSSL ${openssl}, congestion control ${network}, load at the start ${loadAtStart}${warning}`
  );
}

export function reportText(report: ScenarioReport): string {
  const conditions = report.conditions.length === 0 ? "not run" : report.conditions.join(", ");
  const parts = [`\n=== ${report.name}: ${conditions}`, ...report.tables.map(tableText)];
  if (report.targets.length > 0) parts.push(report.targets.map(judgedText).join("\n"));
  for (const skipped of report.skipped) parts.push(`skipped ${skipped.case}: ${skipped.reason}`);
  parts.push(...report.notes);
  return `${parts.join("\n")}\n`;
}

export function tableText({ title, columns, rows }: Table): string {
  const lines = [[title, ...columns], ...rows.map(({ name, cells }) => [name, ...cells.map(cellText)])];
  const widths = [title, ...columns].map((_, at) => Math.max(...lines.map((line) => (line[at] ?? "").length)));
  return lines
    .map((line) => line.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0))).join("  "))
    .join("\n");
}

function cellText(cell: Cell): string {
  if (cell === null) return "-";
  if (typeof cell === "string") return cell;
  if (typeof cell === "number") return numberText(cell);
  const { median, min, max } = cell;
  return min === max ? numberText(median) : `${numberText(median)} (${numberText(min)}…${numberText(max)})`;
}

/** Three digits that mean something. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function judgedText({ target, wanted, figure, ok, against }: Judged): string {
  const verdict = ok === null ? "  ?  " : ok ? " ok  " : "SHORT";
  const said = figure === null ? "not measured" : `${figure.toFixed(2)}${against === undefined ? "" : ` (against ${against})`}`;
  return `[${verdict}] ${target}: ${said}, wanted ${wanted}`;
}
