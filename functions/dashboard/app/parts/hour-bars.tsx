/** Pushes and pulls of each hour, as bars, and as a table for who can't see them. */

import { numberText } from "../core/text.ts";
import { type Activity, HOURS } from "../core/usage.ts";
import { t } from "../core/words.ts";

const WIDTH = 720;
const HEIGHT = 120;
const FOOT = 16;
const HOUR_MS = 3_600_000;

export function HourBars({ of }: { of: Activity }) {
  const most = Math.max(1, ...of.pushes, ...of.pulls);
  const step = WIDTH / HOURS;
  const bar = (kind: "push" | "pull", count: number, x: number) => {
    const height = count === 0 ? 0 : Math.max(2, (count / most) * (HEIGHT - FOOT - 12));
    return <rect key={`${kind} ${x}`} class={kind} x={x} y={HEIGHT - FOOT - height} width={step / 2 - 2} height={height} />;
  };
  const hours = Array.from({ length: HOURS }, (_, at) => new Date(of.fromMs + at * HOUR_MS).getHours());
  return (
    <>
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={t("overview.chart", { most: numberText(most) })}>
        {of.pushes.map((count, at) => bar("push", count, at * step + 1))}
        {of.pulls.map((count, at) => bar("pull", count, at * step + step / 2))}
        {hours.map((hour, at) => (
          <text key={hour} x={at * step + step / 2} y={HEIGHT - 3} text-anchor="middle">
            {hour}
          </text>
        ))}
      </svg>
      <p class="legend">
        <span class="push">■</span> {t("overview.pushes")} <span class="pull">■</span> {t("overview.pulls")}
      </p>
    </>
  );
}
