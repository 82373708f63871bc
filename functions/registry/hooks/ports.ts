/** What webhooks need of the world. Deliveries live in the index; losing it costs what was not yet delivered. */

/** One message to one webhook. `id`: of the message, the same for each attempt. `event`: id of what happened. */
export type Delivery = { id: string; webhook: string; event: string; type: string; createdAtMs: number; body: string };

export type Attempt = { atMs: number; status: number | null; problem: string | null };
export type DeliveryEntry = {
  delivery: Delivery;
  state: "waiting" | "delivered" | "failed";
  /** That were begun. */
  attempts: number;
  last: Attempt | null;
  /** When it is tried again, or whoever tries it now has lost it. Null: it is not. */
  dueMs: number | null;
};

/** `fence` grows with each claim of a delivery: only the newest may say how it ended. */
export type Claim = { delivery: Delivery; fence: number; attempts: number };
export type Outcome = { state: DeliveryEntry["state"]; dueMs: number | null; last: Attempt };

/** Messages that are to be sent, and who is at it. Times are the caller's, in milliseconds since 1970. */
export interface Deliveries {
  /** Those of one webhook. One whose id is known stays as it is. Of old ones the newest thousands are kept. */
  enqueue(webhook: string, deliveries: readonly Delivery[], dueMs: number): Promise<void>;
  /** Those that are due, each for this caller alone until `untilMs`. */
  claim(nowMs: number, untilMs: number, limit: number): Promise<Claim[]>;
  /** The same of one, whenever it is due; null when it is not there. Its attempts begin anew. */
  take(id: string, untilMs: number): Promise<Claim | null>;
  /** False when somebody else claimed it meanwhile. */
  settle(claim: Claim, outcome: Outcome): Promise<boolean>;
  find(id: string): Promise<DeliveryEntry | null>;
  /** Newest first. */
  list(webhook: string, limit: number): Promise<DeliveryEntry[]>;
  /** Everything of a webhook. */
  drop(webhook: string): Promise<void>;
  /** Messages that wait. */
  waiting(): Promise<number>;
  /** Remembers what came in for `seconds`: "new" for the first who asks; "busy" until that one says that it is done. */
  begin(id: string, seconds: number): Promise<"new" | "busy" | "done">;
  /** Done: remembered for `seconds`. Zero: it failed, and may come again. */
  end(id: string, seconds: number): Promise<void>;
}

export type Post = { url: string; headers: Record<string, string>; body: string; timeoutMs: number };
export type Posted = { status: number; retryAfterSeconds: number | null } | { problem: string };

/** Sends to URLs that others chose. Follows no redirect, reads no answer's body, and on Node connects to public addresses only. */
export interface Outbound {
  post(request: Post): Promise<Posted>;
  /** Hosts that may be asked although they are private ones. */
  readonly privateHosts: readonly string[];
}
