/** What the head of the system log's index says of replication and of webhooks, as text. */
import * as z from "zod";
import { StoredHooks } from "../../shared/contract/hooks.ts";
import { StoredPolicy } from "../../shared/contract/replication.ts";
import { StoreId } from "../../shared/names.ts";
import type { Standing } from "../registry/ports.ts";
import { unreadable } from "./codec.ts";

const Home = z.object({ store: StoreId, epoch: z.int() });

export function decodeStanding(policies: string | null, home: string | null): Standing {
  return { policies: policies === null ? [] : read(z.array(StoredPolicy), policies), home: home === null ? null : read(Home, home) };
}

export function decodeHooks(text: string | null): StoredHooks {
  return text === null ? { webhooks: [], sources: [] } : read(StoredHooks, text);
}

function read<S extends z.ZodType>(schema: S, text: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable();
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unreadable();
  return parsed.data;
}
