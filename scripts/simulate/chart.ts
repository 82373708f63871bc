/** A chart with both axes in powers of ten, as SVG that needs no script and no font of its own. */
export type Line = { name: string; colour: string; points: { x: number; y: number }[] };

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [720, 420, 70, 50, 40, 170];

export function chart(title: string, axes: { x: string; y: string }, lines: readonly Line[]): string {
  const all = lines.flatMap((line) => line.points).filter(({ y }) => y > 0);
  const [xs, ys] = [all.map(({ x }) => x), all.map(({ y }) => y)];
  const xAxis = scale(Math.min(...xs), Math.max(...xs), LEFT, WIDTH - RIGHT);
  const yAxis = scale(Math.min(...ys), Math.max(...ys), HEIGHT - BOTTOM, TOP);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="22" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...xAxis.ticks.map(
      ({ value, place }) =>
        `<path d="M${place} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/><text x="${place}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${label(value)}</text>`,
    ),
    ...yAxis.ticks.map(
      ({ value, place }) =>
        `<path d="M${LEFT} ${place}H${WIDTH - RIGHT}" stroke="#ddd"/><text x="${LEFT - 8}" y="${place + 4}" text-anchor="end">${label(value)}</text>`,
    ),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${escaped(axes.x)}</text>`,
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(axes.y)}</text>`,
    ...lines.flatMap(({ name, colour, points }, at) => {
      const drawn = points.filter(({ y }) => y > 0).map(({ x, y }) => `${xAxis.place(x)} ${yAxis.place(y)}`);
      const y = TOP + 16 + 22 * at;
      return [
        `<path d="M${drawn.join("L")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        `<path d="M${WIDTH - RIGHT + 12} ${y - 4}h18" stroke="${colour}" stroke-width="2"/><text x="${WIDTH - RIGHT + 36}" y="${y}">${escaped(name)}</text>`,
      ];
    }),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function scale(least: number, most: number, from: number, to: number) {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const span = Math.max(1, last - first);
  const place = (value: number) => Math.round(from + ((Math.log10(value) - first) / span) * (to - from));
  const ticks = Array.from({ length: span + 1 }, (_, at) => ({ value: 10 ** (first + at), place: place(10 ** (first + at)) }));
  return { place, ticks };
}

function label(value: number): string {
  return value >= 1 ? value.toLocaleString("en-US") : String(value);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
