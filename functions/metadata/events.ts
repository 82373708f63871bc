/** The feed on Redis: a stream of which each entry has one field, the event as JSON. Its ids are the cursors. */
import * as z from "zod";
import { About, EventType } from "../../shared/contract/events.ts";
import { RepositoryId } from "../../shared/contract/repositories.ts";
import { RepositoryName } from "../../shared/names.ts";
import type { RecordEvent } from "../registry/events/of-record.ts";
import { EVENTS_KEPT, type Events, type FerryEvent, type StoredEvent, type StoredPage } from "../registry/events/ports.ts";
import { listOf, type RedisCommands, type Reply, textOf, unavailable } from "./commands.ts";
import type { Keys } from "./keys.ts";

const Entry = z.object({
  type: EventType,
  id: z.string().optional(),
  repositoryId: RepositoryId.optional(),
  repository: RepositoryName.optional(),
  about: About,
});

export class RedisEvents implements Events {
  readonly #commands: RedisCommands;
  readonly #stream: string;

  constructor(commands: RedisCommands, keys: Keys) {
    this.#commands = commands;
    this.#stream = keys.events;
  }

  async record(event: FerryEvent): Promise<void> {
    await this.#commands.pipeline([["XADD", this.#stream, "MAXLEN", "~", EVENTS_KEPT, "*", "e", JSON.stringify(event)]]);
  }

  /** The cursor's own entry is asked for too: while that is there nothing after it was dropped. */
  async read({ after, limit }: { after: string | null; limit: number }): Promise<StoredPage> {
    const end = ["XREVRANGE", this.#stream, "+", "-", "COUNT", 1];
    const from = after ?? "0-0";
    const [newest, oldest, rest] = await this.#commands.pipeline([
      end,
      ["XRANGE", this.#stream, "-", "+", "COUNT", 1],
      ["XRANGE", this.#stream, from, after === null ? from : "+", "COUNT", limit + 1],
    ]);
    const newestCursor = cursorOf(listOf(newest)[0]) ?? "0-0";
    if (after === null) return { events: [], newest: newestCursor, missed: false };
    const entries = listOf(rest);
    const isThere = cursorOf(entries[0]) === after;
    const events = (isThere ? entries.slice(1) : entries.slice(0, limit)).flatMap((entry) => storedOf(entry) ?? []);
    const isGone = cursorOf(listOf(oldest)[0]) !== after && !isThere;
    return { events, newest: newestCursor, missed: from !== "0-0" && isGone };
  }
}

/** The last argument of a log's apply script: when it was, and what; empty for nothing. */
export function newsOf(event: RecordEvent | null): string {
  if (event === null) return "";
  const { atMs, ...told } = event;
  return `${Math.floor(atMs / 1000)}|${JSON.stringify(told)}`;
}

function cursorOf(entry: Reply | undefined): string | null {
  return entry === undefined ? null : textOf(listOf(entry)[0]);
}

/** Null for what an older version wrote. */
function storedOf(entry: Reply): StoredEvent | null {
  const [id, fields] = listOf(entry);
  const [field, text] = listOf(fields);
  const cursor = textOf(id);
  if (field !== "e") return null;
  const parsed = Entry.safeParse(jsonOf(textOf(text)));
  if (!parsed.success) return null;
  const { id: own = cursor, repositoryId, repository, ...rest } = parsed.data;
  return {
    ...rest,
    id: own,
    cursor,
    atMs: Number(cursor.split("-")[0]),
    ...(repositoryId === undefined ? {} : { repositoryId }),
    ...(repository === undefined ? {} : { repository }),
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unavailable("it holds an event that can't be read");
  }
}
