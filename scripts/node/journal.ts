/**
 * What a pull writes down so that the next run can go on: which part is which file, and which chunks were written to it. Nothing in it
 * is believed: marked chunks are hashed again, and a part is only used when it is a plain file of our own. So it needs no sync, and a
 * lost line costs one chunk.
 *
 * One run has one journal, `.ferry-<run>.journal` in the destination. A run takes over the journal of one that died by renaming it,
 * which only one can do; a run beside a living one starts afresh and leaves the other's files alone.
 */
import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import * as z from "zod";
import { type Digest, Digest as DigestSchema } from "../../shared/digest.ts";
import type { Folders } from "./folders.ts";
import { journalName, runOfJournal, runOfPart } from "./marks.ts";
import { lifeOf, Owner, thisOwner } from "./owner.ts";

const HEARTBEAT_MS = 1000;
/** How long the journal of a process that can't be seen is watched for a heartbeat. */
const WATCH_MS = 4000;

const Line = z.union([
  z.object({ owner: Owner, run: z.string() }),
  z.object({ ended: z.literal(true) }),
  z.object({ part: z.string(), path: z.string(), sha256: DigestSchema, sizeBytes: z.int() }),
  z.object({ part: z.string(), chunk: DigestSchema }),
]);
type Line = z.infer<typeof Line>;

/** A part that a dead run left for a file. */
export type LeftPart = { part: string; path: string; sha256: Digest; sizeBytes: number; chunks: Set<Digest> };

export class Journal {
  /** Parts of dead runs, by the path of their file. */
  readonly left: ReadonlyMap<string, LeftPart>;
  /** Runs whose parts are nobody's any more. */
  readonly deadRuns: ReadonlySet<string>;
  readonly #folders: Folders;
  readonly #name: string;
  readonly #timer: NodeJS.Timeout;

  private constructor(folders: Folders, run: string, found: Found) {
    this.#folders = folders;
    this.#name = journalName(run);
    this.left = found.left;
    this.deadRuns = found.deadRuns;
    this.#append({ owner: thisOwner(), run });
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#timer.unref();
  }

  static async open(folders: Folders, run: string): Promise<Journal> {
    const found: Found = { left: new Map(), deadRuns: new Set() };
    const names = readdirSync(folders.folder("")).filter((name) => runOfJournal(name) !== null);
    for (const name of names) await takeOver({ folders, name, run, found });
    return new Journal(folders, run, found);
  }

  begin(part: string, file: { path: string; sha256: Digest; sizeBytes: number }): void {
    const { path, sha256, sizeBytes } = file;
    this.#write({ part, path, sha256, sizeBytes });
  }

  held(part: string, chunk: Digest): void {
    this.#write({ part, chunk });
  }

  /** @param complete nothing is left to go on with: the journal is removed. */
  close(complete: boolean): void {
    clearInterval(this.#timer);
    if (complete) {
      rmSync(this.#folders.at(this.#name), { force: true });
      return;
    }
    this.#write({ ended: true });
  }

  /** A full disk, or a removed destination: the files themselves will say so. What is not written down is only fetched again. */
  #write(line: Line): void {
    try {
      this.#append(line);
    } catch {}
  }

  /** At once, so that a killed run has lost nothing that it had; a chunk takes a thousand times longer. */
  #append(line: Line): void {
    appendFileSync(this.#folders.at(this.#name), `${JSON.stringify(line)}\n`, { mode: 0o600 });
  }

  #beat(): void {
    const now = Date.now() / 1000;
    try {
      utimesSync(this.#folders.at(this.#name), now, now);
    } catch {}
  }
}

type Found = { left: Map<string, LeftPart>; deadRuns: Set<string> };
type TakingOver = { folders: Folders; name: string; run: string; found: Found };

async function takeOver({ folders, name, run, found }: TakingOver): Promise<void> {
  const lines = readLines(folders, name);
  if (lines === null || (await isAlive(folders, name, lines))) return;
  try {
    // The first goes on as this run's own; others only name parts that nobody needs.
    if (found.deadRuns.size === 0) renameSync(folders.at(name), folders.at(journalName(run)));
    else rmSync(folders.at(name));
  } catch {
    // Another run was faster, or it is not ours to take.
    return;
  }
  const isFirst = found.deadRuns.size === 0;
  for (const line of lines) if ("run" in line) found.deadRuns.add(line.run);
  if (isFirst) for (const [path, part] of leftParts(lines)) found.left.set(path, part);
}

/** Lines that are none are passed over: the last one may be torn. Null when it can't be read. */
function readLines(folders: Folders, name: string): Line[] | null {
  try {
    const lines = readFileSync(folders.at(name), "utf8").split("\n");
    return lines.flatMap((text) => {
      const parsed = Line.safeParse(parseJson(text));
      return parsed.success ? [parsed.data] : [];
    });
  } catch {
    return null;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function isAlive(folders: Folders, name: string, lines: Line[]): Promise<boolean> {
  const last = lines.at(-1);
  if (last !== undefined && "ended" in last) return false;
  const owner = lines.findLast((line) => "owner" in line)?.owner;
  const life = owner === undefined ? "unknown" : lifeOf(owner);
  if (life !== "unknown") return life === "alive";
  const before = modifiedMs(folders, name);
  await setTimeout(WATCH_MS);
  return before !== modifiedMs(folders, name);
}

function modifiedMs(folders: Folders, name: string): number | undefined {
  return statSync(folders.at(name), { throwIfNoEntry: false })?.mtimeMs;
}

function leftParts(lines: Line[]): Map<string, LeftPart> {
  const byPath = new Map<string, LeftPart>();
  const byPart = new Map<string, LeftPart>();
  for (const line of lines) {
    if ("path" in line && runOfPart(line.part.slice(line.part.lastIndexOf("/") + 1)) !== null) {
      const part = { ...line, chunks: new Set<Digest>() };
      byPath.set(line.path, part);
      byPart.set(line.part, part);
    } else if ("chunk" in line) byPart.get(line.part)?.chunks.add(line.chunk);
  }
  return byPath;
}
