/**
 * Which node has which revision: a row for each warm-up, a cell for each node. Cells are drawn, not elements of the page: a thousand nodes
 * and fifty rows are one picture each. For who can't see them a row says how many are ready and which failed.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { WarmMap, WarmRow } from "../../../../shared/contract/observe.ts";
import { to } from "../core/address.ts";
import { numberText } from "../core/text.ts";
import { theme } from "../core/theme.ts";
import { t } from "../core/words.ts";
import { Badge, Id } from "./basics.tsx";

/** Of the drawing's own pixels; the width of a cell shrinks with the number of nodes. */
const CELL_HEIGHT = 14;
const CELL_WIDTH_MAX = 12;
/** Browsers draw no wider. */
const WIDTH_MAX = 16_000;
/** More than this are for `ferry warm map`. */
const ROWS_MAX = 50;
const NAMED_MAX = 5;

export const WARM_KINDS = { running: "warn", ready: "good", late: "bad", over: "plain" } as const;

export function HeatMap({ of: { nodes, warmups } }: { of: Pick<WarmMap, "nodes" | "warmups"> }) {
  const [pointed, setPointed] = useState<string>("");
  if (warmups.length === 0) return <p class="empty">{t("warmups.none")}</p>;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
      <section class="scroll heat" tabIndex={0} aria-label={t("heat.title")}>
        <table>
          <caption class="hidden">{t("heat.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("revision")}</th>
              <th scope="col">{t("state")}</th>
              <th scope="col">{t("heat.nodes", { count: numberText(nodes.length) })}</th>
            </tr>
          </thead>
          <tbody>
            {warmups.slice(0, ROWS_MAX).map((row) => (
              <tr key={row.warmup}>
                <th scope="row">
                  <a href={to(["repositories", ...row.repository.split("/"), "where"], { ref: row.ref })}>
                    {row.repository}@{row.ref}
                  </a>{" "}
                  <Id id={row.revision} />
                </th>
                <td>
                  <Badge kind={kindOf(row.state)}>{`${numberText(row.nodesReady)} / ${numberText(row.nodesTarget)}`}</Badge>
                </td>
                <td>
                  <Cells nodes={nodes} row={row} onPoint={setPointed} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="legend cells" aria-hidden="true">
        {(["ready", "running", "none", "failed"] as const).map((kind) => (
          <span key={kind}>
            <i class={`cell ${kind}`} /> {t(`heat.${kind}`)}
          </span>
        ))}
        <output>{pointed}</output>
      </p>
    </>
  );
}

export function kindOf(state: string): "plain" | "good" | "warn" | "bad" {
  return state === "running" || state === "ready" || state === "late" ? WARM_KINDS[state] : "plain";
}

function Cells({ nodes, row, onPoint }: { nodes: readonly string[]; row: WarmRow; onPoint: (text: string) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = Math.max(1, Math.min(CELL_WIDTH_MAX, Math.floor(WIDTH_MAX / Math.max(1, nodes.length))));
  useEffect(() => {
    const pen = canvas.current?.getContext("2d") ?? null;
    if (canvas.current !== null && pen !== null) draw(pen, row.cells, width, coloursOf(canvas.current));
  }, [row.cells, width, theme.value]);
  const point = (event: MouseEvent & { currentTarget: HTMLCanvasElement }) => {
    const share = event.offsetX / event.currentTarget.clientWidth;
    const at = Math.floor(share * nodes.length);
    onPoint(`${nodes[at] ?? ""}: ${stateText(row.cells[at])}`);
  };
  return (
    <canvas
      ref={canvas}
      width={Math.max(1, nodes.length * width)}
      height={CELL_HEIGHT}
      role="img"
      aria-label={rowText(nodes, row)}
      onMouseMove={point}
      onMouseLeave={() => onPoint("")}
    />
  );
}

type Colours = { ready: string; running: string; failed: string; none: string; ground: string };

/** Of the theme that is worn. */
function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    ready: colour("--good"),
    running: colour("--accent"),
    failed: colour("--bad"),
    none: colour("--line"),
    ground: colour("--surface"),
  };
}

function draw(pen: CanvasRenderingContext2D, cells: string, width: number, colours: Colours): void {
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, cells.length * width, CELL_HEIGHT);
  const gap = width >= 4 ? 1 : 0;
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at] ?? ".";
    if (cell === ".") continue;
    const tenths = cell >= "0" && cell <= "9" ? Number(cell) : null;
    pen.fillStyle = cell === "r" ? colours.ready : cell === "f" ? colours.failed : colours.none;
    pen.fillRect(at * width, 0, width - gap, CELL_HEIGHT);
    if (tenths === null) continue;
    const height = Math.max(1, Math.round((CELL_HEIGHT * tenths) / 10));
    pen.fillStyle = colours.running;
    pen.fillRect(at * width, CELL_HEIGHT - height, width - gap, height);
  }
}

function stateText(cell: string | undefined): string {
  if (cell === "r") return t("heat.ready");
  if (cell === "f") return t("heat.failed");
  if (cell === "-") return t("heat.none");
  return cell === undefined || cell === "." ? t("heat.notMeant") : `${t("heat.running")} ${cell}0 %`;
}

function rowText(nodes: readonly string[], { cells, nodesReady, nodesTarget }: WarmRow): string {
  const failed = nodes.filter((_, at) => cells[at] === "f");
  const named = failed.slice(0, NAMED_MAX).join(", ");
  return t("heat.row", { ready: nodesReady, target: nodesTarget, failed: failed.length, named });
}
