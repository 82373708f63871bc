/** Looks into one file, and sums up what was found in many. */
import { type ByteSource, readExactly } from "../chunking/source.ts";
import { type ContentReport, REPORT_FILES_MAX, REPORT_IMPORTS_MAX } from "../contract/content.ts";
import { MiB } from "../units.ts";
import { importKind } from "./imports.ts";
import { sourceOfBytes } from "./inflate.ts";
import { findSecrets, type Secret } from "./secrets.ts";
import { findUnsafe, type Unsafe } from "./unsafe.ts";

export type ContentFinding = { path: string; unsafe: Unsafe | null; secrets: Secret[] };

const decoder = new TextDecoder();
/** Longer texts are data. */
const TEXT_BYTES_MAX = MiB;

/** A small file is read once, whole. */
export async function inspectContent(path: string, source: ByteSource): Promise<ContentFinding> {
  if (source.sizeBytes > TEXT_BYTES_MAX) return { path, unsafe: await findUnsafe(source), secrets: [] };
  const bytes = await readExactly(source, 0, source.sizeBytes);
  // A text has no NUL.
  const secrets = bytes.includes(0) ? [] : findSecrets(decoder.decode(bytes));
  return { path, unsafe: await findUnsafe(sourceOfBytes(bytes)), secrets };
}

/** Whether it runs what is known to be dangerous, or hides what it runs. */
export function isDangerous({ dangerous, problem }: Unsafe): boolean {
  return dangerous.length > 0 || problem !== null;
}

export function reportOf(findings: readonly ContentFinding[]): ContentReport {
  const unsafe = findings.flatMap(({ path, unsafe }) => (unsafe === null ? [] : [{ path, unsafe }]));
  unsafe.sort((a, b) => Number(isDangerous(b.unsafe)) - Number(isDangerous(a.unsafe)) || (a.path < b.path ? -1 : 1));
  return {
    v: 1,
    files: findings.length,
    unsafe: unsafe.length,
    dangerous: unsafe.filter((file) => isDangerous(file.unsafe)).length,
    secrets: findings.filter(({ secrets }) => secrets.length > 0).length,
    listed: unsafe.slice(0, REPORT_FILES_MAX).map(({ path, unsafe: { kind, imports, dangerous } }) => ({
      path,
      kind,
      imports: [...new Set([...dangerous, ...imports.filter((name) => importKind(name) !== "dangerous")])]
        .slice(0, REPORT_IMPORTS_MAX)
        .map((name) => name.slice(0, 200)),
    })),
  };
}
