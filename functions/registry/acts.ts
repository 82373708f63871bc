/** Acts that happen once, whoever repeats them and when: append, with the answers that callers of a log need around it. */
import { FerryError } from "../../shared/errors.ts";
import { type Act, append, type Body, catchUp, findOwn, type Log } from "./log.ts";
import type { Ports } from "./ports.ts";
import type { RepositoryRecord, SystemRecord } from "./records.ts";

type AnyRecord = RepositoryRecord | SystemRecord;
type Of<R, O> = Extract<R, { op: O }>;

/** `isSame`: whether a record of this operation id and `op` is this very act, when the op alone does not tell. */
export type Kind<R extends AnyRecord, O extends R["op"]> = { op: O; isSame?: (record: Of<R, O>) => boolean };

class Needless extends Error {}

/**
 * The act's record, appended now or before. Null when `prepare` gives null: there is nothing to do, and the log stays as it is.
 * A refusal of `prepare` is believed only when the act has not landed meanwhile, by another request of the same operation.
 * Throws REQUEST_INVALID when the operation id was used for another act.
 */
export async function actOnce<R extends AnyRecord, O extends R["op"], B extends Body<R> | null>(
  log: Log<R>,
  act: Act,
  kind: Kind<R, O>,
  prepare: (at: string, ports: Ports) => Promise<B>,
): Promise<Of<R, O> | Extract<B, null>> {
  const appended = append<R>(log, act, async (at, ports) => {
    const body = await prepare(at, ports);
    if (body === null) throw new Needless();
    return body;
  });
  const record = await appended.catch((error: unknown) => landedOr(log, act, error));
  return asOwn(kind, record) as Of<R, O> | Extract<B, null>;
}

/** The record of an act that landed before; null: it did not. Reads the log to its tail. */
export async function findAct<R extends AnyRecord, O extends R["op"]>(log: Log<R>, act: Act, kind: Kind<R, O>): Promise<Of<R, O> | null> {
  return asOwn(kind, await findOwn(log, act, (await catchUp(log)).seq));
}

async function landedOr<R extends AnyRecord>(log: Log<R>, act: Act, error: unknown): Promise<R | null> {
  const refused = error instanceof Needless || (error instanceof FerryError && !error.retryable);
  const landed = refused ? await findOwn(log, act, (await catchUp(log)).seq) : null;
  if (landed === null && !(error instanceof Needless)) throw error;
  return landed;
}

function asOwn<R extends AnyRecord, O extends R["op"]>({ op, isSame }: Kind<R, O>, record: R | null): Of<R, O> | null {
  if (record === null) return null;
  const own = record as Of<R, O>;
  if (record.op === op && isSame?.(own) !== false) return own;
  throw new FerryError("REQUEST_INVALID", { problem: "operationId: it was used for another act" });
}
