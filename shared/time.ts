/** Times travel as ISO 8601 in UTC with milliseconds, and are counted as milliseconds since 1970. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

export function epochMs(iso: string): number {
  return Date.parse(iso);
}
