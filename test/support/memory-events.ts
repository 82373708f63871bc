/** The feed in memory. Answers are copies. Time passes there with each event, so cursors grow by one. */
import type { RecordEvent } from "../../functions/registry/events/of-record.ts";
import { EVENTS_KEPT, type Events, type FerryEvent, type StoredEvent, type StoredPage } from "../../functions/registry/events/ports.ts";

export class MemoryEvents implements Events {
  readonly events: StoredEvent[] = [];
  #count = 0;

  async record(event: FerryEvent): Promise<void> {
    const cursor = `${++this.#count}-0`;
    this.events.push(structuredClone({ id: cursor, ...event, cursor, atMs: this.#count }));
    if (this.events.length > EVENTS_KEPT) this.events.shift();
  }

  /** What an index tells when it applies a record. */
  tell(event: RecordEvent | null): void {
    if (event === null) return;
    const { atMs: _, ...told } = event;
    void this.record(told);
  }

  async read({ after, limit }: { after: string | null; limit: number }): Promise<StoredPage> {
    const newest = this.events.at(-1)?.cursor ?? "0-0";
    if (after === null) return { events: [], newest, missed: false };
    const at = this.events.findIndex(({ cursor }) => cursor === after);
    const place = Number(after.split("-")[0]);
    const later = this.events.filter(({ cursor }) => Number(cursor.split("-")[0]) > place);
    return { events: structuredClone(later.slice(0, limit)), newest, missed: at < 0 && after !== "0-0" };
  }
}
