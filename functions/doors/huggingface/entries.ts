/** Files as the Hub tells of them: every one as if LFS kept it, so that its SHA-256 is its ETag, and `oid` is the git id of its pointer. */
import { toHex } from "../../../shared/digest.ts";
import type { CatalogFile, Snapshot } from "../catalog.ts";

const encoder = new TextEncoder();

export function pointerOf({ sha256, size }: Pick<CatalogFile, "sha256" | "size">): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;
}

/** Id of a git object. */
export async function gitId(kind: "blob" | "tree", content: Uint8Array): Promise<string> {
  const head = encoder.encode(`${kind} ${content.length}\0`);
  const bytes = new Uint8Array(head.length + content.length);
  bytes.set(head);
  bytes.set(content, head.length);
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)));
}

export type FileItem = { type: "file"; path: string; size: number; oid: string; lfs: { oid: string; size: number; pointerSize: number } };
export type FolderItem = { type: "directory"; path: string; size: 0; oid: string };
export type LastCommit = { lastCommit?: { id: string; title: string; date: string } };

export async function fileItem(file: CatalogFile): Promise<FileItem> {
  const pointer = encoder.encode(pointerOf(file));
  const lfs = { oid: file.sha256, size: file.size, pointerSize: pointer.length };
  return { type: "file", path: file.path, size: file.size, oid: await gitId("blob", pointer), lfs };
}

/** Its id says where it is in which revision: git's own would need every file below it. */
export async function folderItem(snapshot: Snapshot, path: string): Promise<FolderItem> {
  return { type: "directory", path, size: 0, oid: await gitId("tree", encoder.encode(`${snapshot.revision.id} ${path}`)) };
}

/** What changed a file last is not known: the revision itself stands for it. */
export function lastCommit({ revision }: Snapshot): Required<LastCommit> {
  return { lastCommit: { id: revision.id, title: titleOf(revision.message), date: revision.time } };
}

export function titleOf(message: string): string {
  return message.split("\n", 1)[0] ?? "";
}

/** Paths below `folder` ("" for the root), as the Hub lists them: folders where they are not walked into. */
export function pathsBelow(snapshot: Snapshot, folder: string, isRecursive: boolean): { path: string; file: CatalogFile | null }[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const seen = new Set<string>();
  const items: { path: string; file: CatalogFile | null }[] = [];
  for (const file of snapshot.files) {
    if (!file.path.startsWith(prefix)) continue;
    const parts = file.path.slice(prefix.length).split("/");
    for (let depth = 1; depth < (isRecursive ? parts.length : Math.min(parts.length, 2)); depth++) {
      const path = prefix + parts.slice(0, depth).join("/");
      if (seen.has(path)) continue;
      seen.add(path);
      items.push({ path, file: null });
    }
    if (isRecursive || parts.length === 1) items.push({ path: file.path, file });
  }
  return items;
}
