/** One line of JSON for each thing that happens. Never a URL, a ticket or a token. */
export type LogLine = Record<string, string | number | boolean>;
export type Log = (line: LogLine) => void;

export function jsonLog(write: (text: string) => void, clockMs: () => number): Log {
  return (line) => write(`${JSON.stringify({ time: new Date(clockMs()).toISOString(), ...line })}\n`);
}
