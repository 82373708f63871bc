/**
 * The push: list, then hash and send at the same time, then recipes, then the commit, which is made once however often it is asked for.
 * Nothing is visible to anybody before the commit.
 */
import type { ContentReport } from "../contract/content.ts";
import type { Upload } from "../contract/uploads.ts";
import { FerryError } from "../errors.ts";
import { type FileEntry, makeManifest } from "../manifest.ts";
import { OperationId } from "../names.ts";
import type { Recipe } from "../recipe.ts";
import { commitTogether, joinSession } from "./barrier.ts";
import type { PushResult } from "./contract.ts";
import { Crew, pool } from "./crew.ts";
import type { SourceEntry, SourceFile } from "./ports.ts";
import { PushChunks } from "./push-chunks.ts";
import { type Committing, commitUpload, isCode } from "./push-commit.ts";
import { RecipeSender } from "./push-recipes.ts";
import type { PushSetting } from "./push-setting.ts";

/** Smaller files wait for the disk more than they are hashed, so many are open at once. */
const SMALL_FILE_BYTES_MAX = 1024 * 1024;
const SMALL_SCANS = 16;

/** Throws what the registry answers, what the ports throw, TRANSFER_FAILED, TRANSFER_STALLED, TRANSFER_REFUSED. */
export async function push(setting: PushSetting, signal: AbortSignal): Promise<PushResult> {
  const startedMs = setting.machine.nowMs();
  setting.progress.start("listing");
  const entries = await setting.source.list();
  const files = entries.filter((entry) => entry.kind === "file");
  const bytesTotal = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const looking = lookInto(setting, entries, signal);
  const leave = (error: unknown) => looking.crew.abandon(error);
  if (setting.request.inspectFirst) await looking.crew.finish();
  const upload = await openUpload(setting, signal).catch(leave);
  setting.progress.start("moving", { bytes: bytesTotal, files: files.length });
  const { chunks, recipes, content } = await moveAll(setting, { upload, files, signal }).catch(leave);
  await looking.crew.finish();
  setting.progress.start("finishing");
  const committing: Committing = { upload, chunks, recipes, files: manifestFiles(entries, content), content: looking.seen.report, signal };
  const { session } = setting.request;
  const revision = await (session === undefined ? commitUpload(setting, committing) : commitTogether(setting, committing, session));
  return {
    repository: setting.request.repository,
    ref: setting.request.branch,
    revision,
    files: entries.length,
    bytesTotal,
    bytesMoved: chunks.bytesSent,
    chunksTotal: chunks.chunkCount,
    chunksMoved: chunks.chunksSent,
    seconds: (setting.machine.nowMs() - startedMs) / 1000,
  };
}

/** Beside everything else; `seen.report` is there when the crew has finished. */
function lookInto({ request }: PushSetting, entries: readonly SourceEntry[], signal: AbortSignal) {
  const crew = new Crew(signal);
  const seen: { report: ContentReport | null } = { report: null };
  const { inspect } = request;
  if (inspect !== undefined)
    crew.start(async () => {
      seen.report = await inspect(entries, crew.signal);
    });
  return { crew, seen };
}

type Moving = { upload: Upload; files: SourceFile[]; signal: AbortSignal };
type Moved = { chunks: PushChunks; recipes: RecipeSender; content: Map<string, FileEntry> };

/** Hashes files and sends their chunks, at the same time; then their recipes. */
async function moveAll(setting: PushSetting, { upload, files, signal }: Moving): Promise<Moved> {
  const crew = new Crew(signal);
  const chunks = new PushChunks(setting, upload, crew);
  const recipes = new RecipeSender(setting, upload);
  const content = new Map<string, FileEntry>();
  // Largest first: a large file at the end would leave the connections idle, one after another.
  const order = [...files].sort((a, b) => b.sizeBytes - a.sizeBytes);
  const firstSmall = order.findIndex((file) => file.sizeBytes <= SMALL_FILE_BYTES_MAX);
  const large = firstSmall < 0 ? order : order.slice(0, firstSmall);
  const scan = (some: SourceFile[], width: number) =>
    pool(some, { width, signal: crew.signal }, async (file, stop) => {
      content.set(file.path, await moveFile(setting, { file, chunks, recipes, upload, signal: stop }));
      setting.progress.fileDone();
    });
  const hashAll = async () => {
    await scan(large, setting.scans);
    await scan(order.slice(large.length), SMALL_SCANS);
  };
  await chunks.during(async () => {
    await hashAll().catch((error: unknown) => crew.abandon(error));
    await chunks.settle();
  });
  await recipes.send(signal);
  return { chunks, recipes, content };
}

type FileMoving = { file: SourceFile; chunks: PushChunks; recipes: RecipeSender; upload: Upload; signal: AbortSignal };

async function moveFile(setting: PushSetting, { file, chunks, recipes, upload, signal }: FileMoving): Promise<FileEntry> {
  const { sha256, recipe } = await setting.source.scan(file, {
    md5: upload.mode === "md5",
    signal,
    onChunk: (chunk) => chunks.add(file, chunk),
  });
  const entry = { path: file.path, mode: file.executable ? ("executable" as const) : ("file" as const), size: file.sizeBytes, sha256 };
  if (file.sizeBytes === 0) return entry;
  return recipe === null ? { ...entry, chunk: sha256 } : { ...entry, recipe: await recipes.add(recipe satisfies Recipe) };
}

function manifestFiles(entries: SourceEntry[], content: Map<string, FileEntry>): FileEntry[] {
  const files = entries.map((entry): FileEntry => {
    if (entry.kind === "link") return { path: entry.path, mode: "link", target: entry.target };
    const file = content.get(entry.path);
    if (file === undefined) throw new FerryError("INTERNAL", { problem: `${entry.path} was not hashed` });
    return file;
  });
  return makeManifest(files).files;
}

async function openUpload(setting: PushSetting, signal: AbortSignal): Promise<Upload> {
  const { client, request, machine } = setting;
  const { repository, branch, session } = request;
  const operationId = OperationId.parse(machine.operationId());
  const open = (): Promise<Upload> =>
    session === undefined
      ? client.call("openUpload", { repository, body: { branch, operationId } }, signal)
      : joinSession(setting, session, signal);
  const upload = await open().catch(async (error: unknown) => {
    if (!isCode(error, "REPOSITORY_UNKNOWN") || !request.create) throw error;
    await createRepository(setting, signal);
    return open();
  });
  // The commit would find out as well, but only after everything was sent. A session's own commit may have moved the branch already.
  if (session === undefined && request.parent !== undefined && request.parent !== upload.parent) {
    throw new FerryError("BRANCH_MOVED", { branch, current: upload.parent ?? "nothing", expected: request.parent ?? "nothing" });
  }
  return upload;
}

async function createRepository({ client, request, machine }: PushSetting, signal: AbortSignal): Promise<void> {
  const body = { repository: request.repository, operationId: OperationId.parse(machine.operationId()) };
  try {
    await client.call("createRepository", { body }, signal);
  } catch (error) {
    // Somebody else was faster.
    if (!isCode(error, "REPOSITORY_EXISTS")) throw error;
  }
}
