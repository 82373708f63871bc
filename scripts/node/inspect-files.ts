/** Looks into the files that are pushed, beside hashing and sending them. */
import { type ContentFinding, inspectContent, reportOf } from "../../shared/content/report.ts";
import type { ContentReport } from "../../shared/contract/content.ts";
import { pool } from "../../shared/transfer/crew.ts";
import type { SourceEntry, SourceFile } from "../../shared/transfer/ports.ts";
import { OpenSource } from "./source-file.ts";

/** Few: the disk and the threads that read it are the push's own. */
const WIDTH = 4;

export type Inspection = { report: ContentReport; findings: ContentFinding[] };

/** Findings are of files in which something was found, in the order of their paths. Throws FILE_UNREADABLE, FILE_CHANGED. */
export async function inspectFiles(entries: readonly SourceEntry[], signal: AbortSignal): Promise<Inspection> {
  const files = entries.filter((entry): entry is SourceFile => entry.kind === "file");
  const all: ContentFinding[] = [];
  await pool(files, { width: WIDTH, signal }, async (file) => {
    all.push(await OpenSource.use(file, (source) => inspectContent(file.path, source)));
  });
  const findings = all.filter(({ unsafe, secrets }) => unsafe !== null || secrets.length > 0);
  return { report: reportOf(all), findings: findings.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}
