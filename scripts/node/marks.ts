/** Names of what a pull leaves beside its files while it runs. A push does not take them for files. */

/** The id of one run of a pull: 16 hex characters. */
const RUN = "[0-9a-f]{16}";
const PART = new RegExp(`^\\.ferry-(${RUN})-[0-9]+\\.part$`);
const JOURNAL = new RegExp(`^\\.ferry-(${RUN})\\.journal$`);

export function partName(run: string, number: number): string {
  return `.ferry-${run}-${number}.part`;
}

export function journalName(run: string): string {
  return `.ferry-${run}.journal`;
}

/** The run that made this part, or null when the name is none of ours. */
export function runOfPart(name: string): string | null {
  return PART.exec(name)?.[1] ?? null;
}

export function runOfJournal(name: string): string | null {
  return JOURNAL.exec(name)?.[1] ?? null;
}

export function isOurs(name: string): boolean {
  return PART.test(name) || JOURNAL.test(name);
}
