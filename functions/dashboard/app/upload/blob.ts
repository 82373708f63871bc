import type { Range } from "../../../../shared/chunking/group.ts";

/** A chunk of a file, as a handle: its bytes stay on the disk until they are read or sent. It has no type, so that none is sent along. */
export function blobOf(file: Blob, ranges: readonly Range[]): Blob {
  const parts = ranges.map(([offset, length]) => file.slice(offset, offset + length));
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : new Blob(parts);
}
