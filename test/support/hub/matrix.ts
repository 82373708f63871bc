/** What clients could do, for the table in docs/huggingface.md: FERRY_WRITE_DOCS=1 writes it, otherwise it must say what was seen. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("../../../docs/huggingface.md", import.meta.url));
const BEGIN = "<!-- matrix: written by test/e2e/hub-clients.test.ts -->";
const END = "<!-- end of the matrix -->";

export type Seen = ReadonlyMap<string, ReadonlyMap<string, string | null>>;

/** `seen`: by client and version, then by operation: null when it went well. */
export function tableOf(seen: Seen): string {
  const clients = [...seen.keys()];
  const operations = [...new Set([...seen.values()].flatMap((results) => [...results.keys()]))];
  const cell = (client: string, operation: string) => {
    const result = seen.get(client)?.get(operation);
    return result === undefined ? "–" : result === null ? "yes" : "no";
  };
  const rows = operations.map((operation) => [operation.replaceAll("_", " "), ...clients.map((client) => cell(client, operation))]);
  return [["", ...clients], ["---", ...clients.map(() => "---")], ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

export function writeTable(seen: Seen): void {
  const page = readFileSync(PAGE, "utf8");
  const [before = "", rest = ""] = page.split(BEGIN);
  const [, after = ""] = rest.split(END);
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${tableOf(seen)}\n\n${END}${after}`);
}
