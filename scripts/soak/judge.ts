/** An independent reader: what was acknowledged is asked for by its id, each chunk fetched by its presigned URL, each byte hashed. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { problemOf } from "../../shared/errors.ts";
import { contentEntries, parseManifest } from "../../shared/manifest.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { downloadUrl } from "../../shared/tickets.ts";
import { persistentFetch } from "./client.ts";
import type { Entry, Journal, Wrong } from "./journal.ts";
import { type Chance, chanceOf, type Options, pick } from "./options.ts";
import { persistently, type System } from "./system.ts";

/** An index that went back is told of by the bell; until then a reader may be told what was true before. */
const LATE_MS = 60_000;
const READ_PAUSE_MS = 200;

/** Reads what the seed chooses, beside all else. */
export async function readAgain(system: System, journal: Journal, { seed }: Options, isRunning: () => boolean): Promise<void> {
  const chance: Chance = chanceOf(seed, "reader");
  while (isRunning()) {
    const entry = pick(
      chance,
      journal.entries.filter(({ state }) => state === "kept"),
    );
    if (entry !== undefined) await judgeEntry(system, journal, entry);
    await sleep(READ_PAUSE_MS);
  }
}

async function judgeEntry(system: System, journal: Journal, entry: Entry): Promise<void> {
  for (const deadline = Date.now() + LATE_MS; ; ) {
    const problem = await problemWith(system, entry).catch((error: unknown): Problem => ({ kind: "lost", text: problemOf(error) }));
    // It may have been given up while it was read.
    if (entry.state !== "kept") return;
    if (problem === null) return journal.count("revisions read back whole");
    if (Date.now() > deadline) return journal.violation(`${entry.repository}@${entry.revision}: ${problem.text}`, problem.kind);
    journal.count("reads repeated");
    await sleep(1_000);
  }
}

type Problem = { kind: Wrong; text: string };

async function problemWith({ client }: System, { repository, revision, files }: Entry): Promise<Problem | null> {
  const torn = (text: string): Problem => ({ kind: "torn", text });
  const params = { ref: revision };
  const answer = await persistently(() => client.call("manifest", { repository, params }));
  const manifest = await parseManifest(answer.manifest, answer.revision.manifest);
  const wanted = new Map(Object.entries(files).map(([path, text]) => [path, sha256Of(text)]));
  const entries = contentEntries(manifest);
  if (entries.length !== wanted.size) return torn(`${entries.length} files instead of ${wanted.size}`);
  for (const { path, sha256 } of entries) if (wanted.get(path) !== sha256) return torn(`${path} is another file`);
  const chunks = entries.flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]));
  const batch = await persistently(() => client.call("download", { repository, params, body: { chunks } }));
  for (const item of batch.items) {
    const response = await persistentFetch(downloadUrl(batch, item));
    if (response.status !== 200) return torn(`chunk ${item.sha256}: ${response.status}`);
    if (sha256Of(new Uint8Array(await response.arrayBuffer())) !== item.sha256) return torn(`chunk ${item.sha256} has other bytes`);
  }
  return null;
}

/** At the end, when all is quiet: every kept revision is whole and there once, in the order of acknowledgement, and every tag as it was set. */
export async function judgeAll(system: System, journal: Journal): Promise<void> {
  for (const repository of new Set(journal.entries.map((entry) => entry.repository))) {
    const kept = journal.keptIn(repository);
    const history = await historyOf(system, repository);
    for (const entry of kept) {
      judgeCount(journal, entry, history);
      await judgeEntry(system, journal, entry);
    }
    if (kept.some(({ seq }, at) => seq <= (kept[at - 1]?.seq ?? 0))) journal.violation(`${repository}: acknowledged out of order`);
    const { refs } = await persistently(() => system.client.call("describeRepository", { repository }));
    for (const [tag, revision] of journal.tags.get(repository) ?? [])
      if (refs.tags[tag] !== revision) journal.violation(`${repository}: ${tag} names ${refs.tags[tag]}, not ${revision}`);
  }
}

function judgeCount(
  journal: Journal,
  { repository, message, revision }: Entry,
  history: readonly { revision: string; message: string }[],
): void {
  const same = history.filter((one) => one.message === message);
  if (same.length === 1 && same[0]?.revision === revision) return;
  const kind = same.length > 1 ? "doubled" : "lost";
  journal.violation(`${repository}: ${same.length} revisions of "${message}", acknowledged ${revision}`, kind);
}

async function historyOf({ client }: System, repository: RepositoryName): Promise<{ revision: string; message: string }[]> {
  const revisions: { revision: string; message: string }[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { limit: "1000", ...(cursor === undefined ? {} : { cursor }) };
    const page = await persistently(() => client.call("listRevisions", { repository, query }));
    revisions.push(...page.revisions);
    cursor = page.next;
  }
  return revisions;
}

function sha256Of(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
