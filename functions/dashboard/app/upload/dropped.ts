/** Files out of what was dropped or chosen; a single folder's own name is not part of the paths. */
import type { DroppedFile } from "./browser-source.ts";

/** Must be called while the event is handled: afterwards the browser has forgotten what was dropped. */
export function droppedFiles(transfer: DataTransfer): Promise<DroppedFile[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  return walkAll(entries).then(withoutCommonFolder);
}

export function chosenFiles(list: FileList): DroppedFile[] {
  return withoutCommonFolder([...list].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

async function walkAll(entries: readonly FileSystemEntry[]): Promise<DroppedFile[]> {
  const files: DroppedFile[] = [];
  const folders: FileSystemDirectoryEntry[] = [];
  const take = async (entry: FileSystemEntry) => {
    if (isFolder(entry)) folders.push(entry);
    else files.push({ path: entry.fullPath.replace(/^\//, ""), file: await fileOf(entry as FileSystemFileEntry) });
  };
  for (const entry of entries) await take(entry);
  for (const folder of folders) for (const entry of await childrenOf(folder)) await take(entry);
  return files;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** A reader gives a hundred at a time, and nothing at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return children;
    children.push(...some);
  }
}

function withoutCommonFolder(files: DroppedFile[]): DroppedFile[] {
  const [first] = files;
  const folder = first?.path.includes("/") ? first.path.slice(0, first.path.indexOf("/") + 1) : null;
  if (folder === null || !files.every(({ path }) => path.startsWith(folder))) return files;
  return files.map(({ path, file }) => ({ path: path.slice(folder.length), file }));
}
