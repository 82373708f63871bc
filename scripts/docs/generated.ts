/** The pages of docs/ that end in a part made from tables, and how that part is made. */
import { routesText } from "./api.ts";
import { commandsText } from "./cli.ts";
import { errorsText } from "./errors.ts";

/** `rewrite`: the page with its made part as it should be. */
export type Generated = { file: string; rewrite(page: string): string };

export const GENERATED: readonly Generated[] = [
  made("cli.md", "## Commands", commandsText),
  made("api.md", "## Routes", routesText),
  made("errors.md", "## Codes", errorsText),
];

/** From the heading to the end is ours; what stands before is written by people. */
function made(file: string, heading: string, text: () => string): Generated {
  return {
    file,
    rewrite(page) {
      const at = page.indexOf(`\n${heading}\n`);
      if (at < 0) throw new Error(`docs/${file} has no "${heading}"`);
      return `${page.slice(0, at)}\n${heading}\n\n${text().trim()}\n`;
    },
  };
}
