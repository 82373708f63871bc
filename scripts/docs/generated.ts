/** The pages that have a part made from tables, and how that part is made. */
import { routesText } from "./api.ts";
import { commandsText } from "./cli.ts";
import { errorsText } from "./errors.ts";
import { figuresText } from "./figures.ts";

/** `file`: from the root of the repository. `rewrite`: the page with its made part as it should be. */
export type Generated = { file: string; rewrite(page: string): string };

const ENGLISH = { pull: "2 GiB, pulled", push: "2 GiB, pushed", small: "10,000 × 10 KiB", verifies: "verifies" };
const CHINESE = { pull: "2 GiB，拉取", push: "2 GiB，推送", small: "10,000 × 10 KiB", verifies: "校验" };

export const GENERATED: readonly Generated[] = [
  toTheEnd("docs/cli.md", "## Commands", commandsText),
  toTheEnd("docs/api.md", "## Routes", routesText),
  toTheEnd("docs/errors.md", "## Codes", errorsText),
  between("README.md", "figures", () => figuresText(ENGLISH)),
  between("README.zh.md", "figures", () => figuresText(CHINESE)),
];

/** From the heading to the end is ours; what stands before is written by people. */
function toTheEnd(file: string, heading: string, text: () => string): Generated {
  return {
    file,
    rewrite(page) {
      const at = page.indexOf(`\n${heading}\n`);
      if (at < 0) throw new Error(`${file} has no "${heading}"`);
      return `${page.slice(0, at)}\n${heading}\n\n${text().trim()}\n`;
    },
  };
}

/** What stands between `<!-- name -->` and `<!-- /name -->`. */
function between(file: string, name: string, text: () => string): Generated {
  return {
    file,
    rewrite(page) {
      const [begin, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
      const [from, to] = [page.indexOf(begin), page.indexOf(end)];
      if (from < 0 || to < from) throw new Error(`${file} has no ${begin.trim()} … ${end.trim()}`);
      return `${page.slice(0, from)}${begin}\n${text().trim()}\n${page.slice(to)}`;
    },
  };
}
