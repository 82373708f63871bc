/** .npy: magic, u8 major and minor version, u16 (version 1) or u32 length, that many bytes of a Python dict ending in a newline, data. */
import type { Ta1Constants } from "./constants.ts";
import { Segments } from "./segments.ts";
import { type ByteSource, Cursor, Malformed } from "./source.ts";

/** The magic, versions and longest length field: what must be looked at to find the header's length. */
const HEAD_BYTES = 12;
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const BRACE = 0x7b;
const NEWLINE = 0x0a;

export async function segmentNpy(source: ByteSource, constants: Ta1Constants): Promise<Segments> {
  const cursor = new Cursor(source, { start: 0, end: source.sizeBytes, windowBytes: constants.nameBytesMax });
  const headerBytes = await npyHeaderBytes(cursor, source.sizeBytes, constants);
  if (headerBytes === 0) throw new Malformed("the header is wrong");
  const segments = new Segments(1);
  segments.add(headerBytes, source.sizeBytes - headerBytes, 0);
  return segments;
}

/** Length of the .npy header that starts at the cursor, in something of `lengthBytes` bytes; 0 if none does. Leaves the cursor anywhere. */
export async function npyHeaderBytes(cursor: Cursor, lengthBytes: number, constants: Ta1Constants): Promise<number> {
  if (lengthBytes <= HEAD_BYTES) return 0;
  const start = cursor.position;
  await cursor.need(HEAD_BYTES);
  if (MAGIC.some((byte) => cursor.u8() !== byte)) return 0;
  const major = cursor.u8();
  const minor = cursor.u8();
  if (major < 1 || major > 3 || minor !== 0) return 0;
  const dictBytes = major === 1 ? cursor.u16() : cursor.u32();
  const headerBytes = cursor.position - start + dictBytes;
  if (dictBytes < 2 || dictBytes > constants.nameBytesMax || headerBytes > lengthBytes) return 0;
  await cursor.need(dictBytes);
  const dict = cursor.bytes(dictBytes);
  return dict[0] === BRACE && dict[dictBytes - 1] === NEWLINE ? headerBytes : 0;
}
