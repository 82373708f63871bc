/**
 * Writing the audit trail: one object for each batch of one isolate's events, so no writer waits for another or asks what others wrote.
 * That is one PUT for each act that must be recorded before it is answered, and one for all else of five seconds (shared/contract/audit.ts
 * says how the batches hang together).
 */
import { type AuditBatch, type AuditEvent, timeOfAudit } from "../../shared/contract/audit.ts";
import { sha256, toHex } from "../../shared/digest.ts";
import { isoTime } from "../../shared/time.ts";
import { auditKey } from "./layout.ts";
import type { Ports } from "./ports.ts";
import { encodeRecord } from "./records.ts";

/** Events that wait; a flood of more is counted, not kept. */
const WAITING_MAX = 1_000;
/** A flush that was promised and has not happened by then is promised anew: its isolate's request may have been cut off. */
const PROMISED_MS = 15_000;
const TEXT_MAX = 300;
const TOLD_MAX = 10_000;

type Needed = Pick<Ports, "clock" | "random" | "stores">;

/** One for each isolate. */
export class AuditLog {
  readonly #ports: Needed;
  readonly #writer: string;
  #seq = 0;
  /** Names of written batches that no batch names yet. */
  #tips: string[] = [];
  #waiting: AuditEvent[] = [];
  #dropped = 0;
  readonly #toldMs = new Map<string, number>();
  #promisedUntilMs = 0;

  constructor(ports: Needed) {
    this.#ports = ports;
    this.#writer = toHex(ports.random.bytes(8));
  }

  record(event: Omit<AuditEvent, "at">): void {
    if (this.#waiting.length >= WAITING_MAX) this.#dropped++;
    else this.#waiting.push(shortened({ at: isoTime(this.#ports.clock.now()), ...event }));
  }

  /** Whether this was not told within a minute: of what comes in floods one event is enough. */
  isNews(what: string): boolean {
    const nowMs = this.#ports.clock.now();
    if (nowMs - (this.#toldMs.get(what) ?? Number.NEGATIVE_INFINITY) < 60_000) return false;
    if (this.#toldMs.size >= TOLD_MAX) this.#toldMs.clear();
    this.#toldMs.set(what, nowMs);
    return true;
  }

  /** Whether somebody should see to it that what waits is written within seconds; whoever is told so does. */
  needsFlush(): boolean {
    const nowMs = this.#ports.clock.now();
    if (this.#waiting.length === 0 || nowMs < this.#promisedUntilMs) return false;
    this.#promisedUntilMs = nowMs + PROMISED_MS;
    return true;
  }

  /** Writes all that waits. After a throw (STORAGE_UNAVAILABLE) it waits again; it may then be in the trail twice. */
  async flush(): Promise<void> {
    this.#promisedUntilMs = 0;
    if (this.#waiting.length === 0) return;
    const [events, dropped, prev] = [this.#waiting, this.#dropped, this.#tips];
    [this.#waiting, this.#dropped, this.#tips] = [[], 0, []];
    try {
      this.#tips.push(await this.#write(events, dropped, prev));
    } catch (error) {
      this.#waiting = [...events, ...this.#waiting].slice(0, WAITING_MAX);
      this.#dropped += dropped;
      this.#tips.push(...prev);
      throw error;
    }
  }

  async #write(events: AuditEvent[], dropped: number, prev: string[]): Promise<string> {
    const at = isoTime(this.#ports.clock.now());
    const seq = ++this.#seq;
    const batch: AuditBatch = { v: 1, writer: this.#writer, seq, at, prev: prev.sort(), dropped, events };
    const bytes = encodeRecord(batch);
    const name = `${timeOfAudit(at)}-${this.#writer}-${String(seq).padStart(6, "0")}-${await sha256(bytes)}`;
    await this.#ports.stores.home.bucket.create(auditKey(name), bytes);
    return name;
  }
}

/** Texts of others, cut to what a reader takes. */
function shortened(event: AuditEvent): AuditEvent {
  const cut = (text: string) => text.slice(0, TEXT_MAX).toWellFormed();
  const { caller, repository, address } = event;
  return {
    ...event,
    address: address === null ? null : cut(address),
    caller: caller === null ? null : { id: cut(caller.id), name: cut(caller.name) },
    repository: repository === null ? null : cut(repository),
    about: Object.fromEntries(Object.entries(event.about).map(([key, value]) => [cut(key), cut(value)])),
  };
}
