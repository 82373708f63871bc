/** The first phase: every record of every log, as a chain, and whether the index follows it. */
import * as z from "zod";
import type { FsckRun } from "../../../shared/contract/fsck.ts";
import { RepositoryId } from "../../../shared/contract/repositories.ts";
import { Digest, sha256 } from "../../../shared/digest.ts";
import { FerryError } from "../../../shared/errors.ts";
import { seqOfLogKey } from "../layout.ts";
import { catchUp, type Linked, type Log } from "../log.ts";
import { repositoryLog, systemLog } from "../logs.ts";
import { pooled, STORE_WIDTH } from "../pool.ts";
import type { LogHead, Ports } from "../ports.ts";
import { endOf, nextLogs } from "../recovery/walk.ts";
import { type News, withFindings } from "./findings.ts";

const BATCH = 120;

/** `log`: where in it the next step goes on. `after`: where the walk over repositories does. */
const Cursor = z.strictObject({
  log: z.strictObject({ id: z.union([z.literal("deployment"), RepositoryId]), seq: z.int(), hash: Digest.nullable() }).nullable(),
  after: z.string().nullable(),
});
type Cursor = z.infer<typeof Cursor>;
type Place = NonNullable<Cursor["log"]>;

const START: Cursor = { log: { id: "deployment", seq: 0, hash: null }, after: null };

export async function logsStep(ports: Ports, state: FsckRun, deadlineMs: number): Promise<FsckRun> {
  let run = state;
  let cursor = state.cursor === null ? START : Cursor.parse(JSON.parse(state.cursor));
  while (ports.clock.now() < deadlineMs) {
    if (cursor.log !== null) {
      const checked = await checkSome(ports, cursor.log, deadlineMs);
      run = withFindings({ ...run, records: run.records + checked.records, logs: run.logs + (checked.at === null ? 1 : 0) }, checked.news);
      cursor = { log: checked.at, after: cursor.log.id === "deployment" ? cursor.after : endOf(cursor.log.id) };
      continue;
    }
    const { tails, strays, next } = await nextLogs(ports, cursor.after);
    run = withFindings(
      run,
      strays.map((key): News => ({ kind: "stray", what: key, detail: "it has no business there" })),
    );
    const [id] = tails.keys();
    if (id !== undefined) cursor = { log: { id, seq: 0, hash: null }, after: cursor.after };
    else if (next === null) return { ...run, phase: "revisions", cursor: null };
    else cursor = { log: null, after: next };
  }
  return { ...run, cursor: JSON.stringify(cursor) };
}

type Checked = { records: number; news: News[]; at: Place | null };

function checkSome(ports: Ports, place: Place, deadlineMs: number): Promise<Checked> {
  return place.id === "deployment"
    ? checkLog(ports, systemLog(ports), place, deadlineMs)
    : checkLog(ports, repositoryLog(ports, place.id), place, deadlineMs);
}

/** `at`: where it stopped because the time was up; null when the log is done, well or not. */
async function checkLog<R extends Linked>(ports: Ports, log: Log<R>, from: Place, deadlineMs: number): Promise<Checked> {
  let head: LogHead = from;
  let records = 0;
  for (;;) {
    const { objects, more } = await log.bucket.list(log.prefix, { after: log.key(head.seq), limit: BATCH });
    const read = await pooled(objects, STORE_WIDTH, ({ key }) => readSound(log, key));
    const chain = followed(head, read);
    records += chain.records;
    head = chain.head;
    if (chain.problem !== null) return { records, news: [{ kind: "log.damaged", what: log.name, detail: chain.problem }], at: null };
    if (!more) return { records, news: await compareIndex(log, head), at: null };
    if (ports.clock.now() >= deadlineMs) return { records, news: [], at: { ...from, ...head } };
  }
}

/** How far these records follow `from` one after another, and why no further. */
function followed(
  from: LogHead,
  read: readonly (Sound | { problem: string })[],
): { head: LogHead; records: number; problem: string | null } {
  let head = from;
  for (const [records, one] of read.entries()) {
    const problem = "problem" in one ? one.problem : chainProblem(one, head);
    if (problem !== null) return { head, records, problem };
    if (!("problem" in one)) head = { seq: one.seq, hash: one.hash };
  }
  return { head, records: read.length, problem: null };
}

type Sound = { seq: number; prev: Digest | null; hash: Digest };

/** From the bucket itself, whatever a cache knows. */
async function readSound<R extends Linked>(log: Log<R>, key: string): Promise<Sound | { problem: string }> {
  try {
    const bytes = await log.bucket.get(key);
    if (bytes === null) return { problem: `${key} can't be read` };
    const { seq, prev } = log.decode(bytes, key);
    if (seq !== seqOfLogKey(key)) return { problem: `${key} holds record ${seq}` };
    return { seq, prev, hash: await sha256(bytes) };
  } catch (error) {
    if (error instanceof RangeError) return { problem: error.message };
    if (error instanceof FerryError && error.code === "LOG_DAMAGED") return { problem: String(error.details["problem"]) };
    throw error;
  }
}

function chainProblem({ seq, prev }: Sound, head: LogHead): string | null {
  if (seq !== head.seq + 1) return `record ${head.seq + 1} is missing`;
  return prev === head.hash ? null : `record ${seq} does not follow record ${head.seq}`;
}

/** An index that is behind is caught up, lest the rest of the run looks at what was. One that is ahead must find its record in the bucket. */
async function compareIndex<R extends Linked>(log: Log<R>, tail: LogHead): Promise<News[]> {
  const head = await log.index.head();
  if (head === null || head.seq < tail.seq) {
    await catchUp(log).catch(unlessFar);
    const detail = head === null ? "the index was not whole" : `the index lacked ${tail.seq - head.seq} records`;
    return [{ kind: "index.behind", what: log.name, detail: `${detail}, and was caught up` }];
  }
  if (head.seq === tail.seq)
    return head.hash === tail.hash ? [] : [{ kind: "index.unlike", what: log.name, detail: "the index was made from other records" }];
  if ((await log.bucket.head(log.key(head.seq))) !== null) return [];
  return [{ kind: "index.ahead", what: log.name, detail: `the index knows record ${head.seq}, and the bucket ends at ${tail.seq}` }];
}

/** Far behind: the next reader goes on. */
function unlessFar(error: unknown): void {
  if (!(error instanceof FerryError) || error.code !== "INDEX_REBUILDING") throw error;
}
