/**
 * Checks an audit trail as it is stored (shared/contract/audit.ts says how it hangs together). Whoever wants to hide something of it must
 * change every seal since; so a seal that was written down elsewhere is what decides. What no seal holds yet is held by the next batch of
 * its isolate alone: the last batch of one may be missing unseen for an hour and a half.
 */
import { AuditBatch, AuditSeal, BatchName, timeOfAudit } from "./contract/audit.ts";
import { type Digest, sha256 } from "./digest.ts";

export type TrailProblem = { where: string; problem: string };
export type TrailReport = {
  batches: number;
  events: number;
  seals: number;
  /** Batches of hours that are not sealed yet. */
  unsealed: number;
  /** The newest seal: worth writing down. */
  head: { hour: string; sha256: string } | null;
  problems: TrailProblem[];
};

/** Of one writer: what its later batches may name. */
const REMEMBERED = 100;
const PROBLEMS_MAX = 1_000;

type Seal = { hour: string; sha256: Digest; seal: AuditSeal };

/** All seals first, in order; then all batches, in order; then the end. */
export class TrailCheck {
  readonly report: TrailReport = { batches: 0, events: 0, seals: 0, unsealed: 0, head: null, problems: [] };
  readonly #since: string;
  readonly #seals = new Map<string, Seal>();
  readonly #written = new Map<string, string[]>();
  #lastSeal: Seal | null = null;
  #hour: { hour: string; names: string[] } | null = null;

  /** @param since ISO 8601; what is older is not looked at: begin with whole hours */
  constructor(since?: string) {
    this.#since = since === undefined ? "" : timeOfAudit(since);
  }

  /** @param noted the hash that was written down when it was made */
  async seal(hour: string, text: string, noted?: string): Promise<void> {
    const seal = parse(AuditSeal, text);
    if (seal === null || seal.hour !== hour) return this.#tell(`seal ${hour}`, "it can't be read, or is another hour's");
    const own: Seal = { hour, sha256: await sha256(text), seal };
    if (noted !== undefined && noted !== own.sha256) this.#tell(`seal ${hour}`, "it is not the one that was written down");
    const last = this.#lastSeal;
    const follows =
      last === null ? seal.prev === null || this.#since !== "" : seal.prev?.hour === last.hour && seal.prev.sha256 === last.sha256;
    if (!follows)
      this.#tell(`seal ${hour}`, `it does not follow ${last === null ? "nothing" : `seal ${last.hour}`}: a seal was changed or removed`);
    this.#lastSeal = own;
    if (hour >= this.#since.slice(0, 10)) this.#seals.set(hour, own);
    this.report.seals++;
    this.report.head = { hour, sha256: own.sha256 };
  }

  async batch(name: string, text: string): Promise<void> {
    const hour = name.slice(0, 10);
    if (this.#hour?.hour !== hour) await this.#endHour(hour);
    this.#hour?.names.push(name);
    this.report.batches++;
    const batch = parse(AuditBatch, text);
    if (!BatchName.safeParse(name).success || batch === null) return this.#tell(name, "it can't be read");
    if (!name.endsWith(`-${await sha256(text)}`)) this.#tell(name, "its content is not what its name says: it was changed");
    const [time, writer, seq] = name.split("-");
    if (time !== timeOfAudit(batch.at) || writer !== batch.writer || Number(seq) !== batch.seq)
      this.#tell(name, "its name is another batch's");
    this.report.events += batch.events.length;
    const written = this.#written.get(batch.writer) ?? [];
    for (const prev of batch.prev) {
      if (!written.includes(prev) && prev.slice(0, 17) >= this.#since)
        this.#tell(prev, `${name} follows it, and it is not there: it was removed`);
    }
    this.#written.set(batch.writer, [...written, name].slice(-REMEMBERED));
  }

  async end(): Promise<TrailReport> {
    await this.#endHour(null);
    for (const { hour, seal } of this.#seals.values()) this.#tell(`hour ${hour}`, `its ${seal.count} batches are gone`);
    return this.report;
  }

  /** Compares the hour that is over with its seal, and begins `next`. */
  async #endHour(next: string | null): Promise<void> {
    const ended = this.#hour;
    this.#hour = next === null ? null : { hour: next, names: [] };
    if (ended === null) return;
    const sealed = this.#seals.get(ended.hour);
    this.#seals.delete(ended.hour);
    // The hour in which this check begins is not whole.
    if (ended.hour === this.#since.slice(0, 10) && !this.#since.endsWith("0000000")) return;
    if (sealed === undefined) {
      this.report.unsealed += ended.names.length;
      if (ended.hour < (this.#lastSeal?.hour ?? "")) this.#tell(`hour ${ended.hour}`, "it has batches, no seal, and later hours have one");
      return;
    }
    const names = await sha256(ended.names.map((name) => `${name}\n`).join(""));
    if (names !== sealed.seal.names || ended.names.length !== sealed.seal.count)
      this.#tell(`hour ${ended.hour}`, `it has ${ended.names.length} batches, and other ones were sealed (${sealed.seal.count})`);
  }

  #tell(where: string, problem: string): void {
    if (this.report.problems.length < PROBLEMS_MAX) this.report.problems.push({ where, problem });
  }
}

function parse<T>(schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } }, text: string): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
