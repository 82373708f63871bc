/** The tensors of changed model files, from their headers: those chunks alone are fetched. */
import { listTensors } from "../../shared/chunking/tensors.ts";
import type { FerryClient } from "../../shared/client.ts";
import type { FileChange, Recipes } from "../../shared/diff.ts";
import { FerryError } from "../../shared/errors.ts";
import type { FileEntry } from "../../shared/manifest.ts";
import { MiB } from "../../shared/units.ts";
import type { Cli } from "./cli.ts";
import { BudgetSpent, ChunkReader, type Holder, keptBytes, storedFile } from "./stored-file.ts";
import { diffTensors, isSameShape, Pieces, type TensorChange, type TensorDiff, type TensorSide } from "./tensor-diff.ts";
import { plain, table } from "./text.ts";

/** Headers and the tiny tensors beside them, of all files together; and with the contents of chunks that tensors share. All is in memory. */
const HEADERS_BYTES = 64 * MiB;
const CONTENTS_BYTES = 512 * MiB;
const FILES_AT_ONCE = 8;
/** Lines of one file; JSON has all. */
const LINES_MAX = 50;
const MODEL = /\.(safetensors|gguf)$/;

/** `contents`: chunks that tensors share are read, too. */
type Sides = { holders: readonly [Holder, Holder]; recipes: Recipes; contents: boolean };
type Changed = Extract<FileChange, { change: "changed" }>;

/** By path of the file. What can't be read, or not cheaply, is left out with a note; the rest of the diff does not depend on it. */
export async function tensorDiffs(
  cli: Cli,
  client: FerryClient,
  changes: readonly FileChange[],
  sides: Sides,
): Promise<Record<string, TensorDiff>> {
  const reader = new ChunkReader(cli.host, client, sides.contents ? CONTENTS_BYTES : HEADERS_BYTES);
  const models = changes.filter((change): change is Changed => change.change === "changed" && MODEL.test(change.path));
  const diffs: [string, TensorDiff][] = [];
  for (let at = 0; at < models.length; at += FILES_AT_ONCE) {
    const batch = models.slice(at, at + FILES_AT_ONCE);
    const done = await Promise.allSettled(batch.map((change) => compare(reader, change, sides)));
    for (const [index, { path }] of batch.entries()) {
      const result = done[index];
      if (result?.status === "fulfilled" && result.value !== null) diffs.push([path, result.value]);
    }
    const failed = done.find((result) => result.status === "rejected");
    if (failed === undefined) continue;
    cli.note(`Not all tensors were compared: ${plain(whyNot(cli, failed.reason))}.`);
    break;
  }
  return Object.fromEntries(diffs);
}

/** Throws what is a mistake of ours, or Ctrl-C. */
function whyNot(cli: Cli, error: unknown): string {
  if (error instanceof BudgetSpent) return "that takes more bytes than a diff reads";
  if (error instanceof FerryError && !cli.host.signal.aborted) return error.message;
  throw error;
}

/** Null when it is no model file, whatever its name. */
async function compare(reader: ChunkReader, change: Changed, { holders, recipes, contents }: Sides): Promise<TensorDiff | null> {
  const before = await sideOf(reader, holders[0], layoutOf(change.before, recipes));
  const after = await sideOf(reader, holders[1], layoutOf(change.after, recipes));
  if (before === null || after === null) return null;
  const diff = diffTensors(before, after);
  if (!contents || diff.uncompared.length === 0) return diff;
  const names = new Set(diff.uncompared);
  await readTensors(reader, holders[0], before, names);
  await readTensors(reader, holders[1], after, names);
  return diffTensors(before, after);
}

async function readTensors(
  reader: ChunkReader,
  holder: Holder,
  { tensors, pieces }: TensorSide,
  names: ReadonlySet<string>,
): Promise<void> {
  const sizes = new Map(pieces.layout.chunks);
  for (const { name, offset, sizeBytes } of tensors) {
    if (!names.has(name)) continue;
    for (const { chunk } of pieces.in(offset, sizeBytes)) await reader.get(holder, chunk, sizes.get(chunk) ?? 0);
  }
}

function layoutOf(file: FileEntry, recipes: Recipes): Pieces | null {
  if (file.mode === "link") return null;
  if (file.chunk !== undefined) {
    return new Pieces({ size: file.size, chunks: [[file.chunk, file.size]], extents: [[0, 0, file.size]] });
  }
  const recipe = file.recipe === undefined ? undefined : recipes.get(file.recipe);
  return recipe === undefined ? null : new Pieces(recipe);
}

async function sideOf(reader: ChunkReader, holder: Holder, pieces: Pieces | null): Promise<TensorSide | null> {
  if (pieces === null) return null;
  const tensors = await listTensors(storedFile(reader, holder, pieces));
  return tensors === null ? null : { tensors, pieces, bytesAt: (offset, length) => keptBytes(reader, pieces, offset, length) };
}

/** Lines to stand below the file's own. */
export function tensorsText({ changes, unchanged, uncompared }: TensorDiff): string {
  const rows = changes.slice(0, LINES_MAX).map(changeRow);
  const more = changes.length > LINES_MAX ? `     … and ${changes.length - LINES_MAX} more\n` : "";
  const of = (kind: TensorChange["change"]) => changes.filter(({ change }) => change === kind).length;
  const open = uncompared.length === 0 ? "" : `, ${uncompared.length} in chunks with others and not compared (see --contents)`;
  const counts = `${of("added")} added, ${of("removed")} removed, ${of("changed")} changed, ${unchanged} unchanged`;
  return `${table(rows)}${more}     tensors: ${counts}${open}\n`;
}

function changeRow(change: TensorChange): string[] {
  const name = plain(change.name);
  switch (change.change) {
    case "added":
      return [`     + ${name}`, typeText(change.after)];
    case "removed":
      return [`     - ${name}`, typeText(change.before)];
    case "changed":
      return isSameShape(change.before, change.after)
        ? [`     ~ ${name}`, `${typeText(change.after)}, other content`]
        : [`     ~ ${name}`, `${typeText(change.before)} → ${typeText(change.after)}`];
    default:
      return change satisfies never;
  }
}

function typeText({ dtype, shape }: { dtype: string; shape: readonly number[] }): string {
  return `${plain(dtype)} [${shape.join(", ")}]`;
}
