/**
 * zip, as torch.save (.pt, .pth, .bin, .ckpt), torch's distributed checkpoints (.distcp) and numpy (.npz) write it.
 *
 * A walk forward over local headers can't work: torch leaves their CRC and sizes 0 (flags 0x808) and puts a data descriptor behind
 * the payload; numpy writes sizes of 0xffffffff. So this goes by the central directory, found from the end. A .distcp is one complete
 * archive per item, one behind the other, and the offsets of each count from its own start, which follows from where its directory
 * ends: hence the walk backward, archive by archive. What precedes the first one that is found is meta.
 *
 * Members are taken as they are, compressed or not. Payloads are the segments; the key is their first 64 bytes, because a .distcp
 * names every member alike. (APPNOTE.TXT 4.3; caffe2/serialize/inline_container.cc; torch/distributed/checkpoint/filesystem.py)
 */
import { KiB } from "../units.ts";
import type { Ta1Constants } from "./constants.ts";
import { crc32 } from "./crc32.ts";
import { npyHeaderBytes } from "./npy.ts";
import { Segments } from "./segments.ts";
import { type ByteSource, Cursor, Malformed, READ_BYTES_MAX } from "./source.ts";
import { type Archive, ArchiveFinder } from "./zip-archive.ts";

const ENTRY_BYTES = 46;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;
const METHOD_STORED = 0;
const ZIP64_EXTRA = 1;
/** Stands in a directory entry for a number that its ZIP64 extra field holds. */
const IN_EXTRA = 0xffffffff;

/** Local headers are a payload apart, so more than a page read for one is wasted. */
const LOCAL_WINDOW_BYTES = 4 * KiB;
const KEY_BYTES = 64;

export async function segmentZip(source: ByteSource, constants: Ta1Constants): Promise<Segments> {
  const segments = new Segments(constants.segmentsMax);
  const cursor = new Cursor(source, { start: 0, end: source.sizeBytes, windowBytes: LOCAL_WINDOW_BYTES });
  const finder = new ArchiveFinder(source);
  let archiveCount = 0;
  for (let archive = await finder.find(source.sizeBytes); archive !== null; archive = await finder.find(archive.start)) {
    if (++archiveCount > constants.segmentsMax) throw new Malformed("there are too many archives");
    const members = await readDirectory(source, archive, constants);
    for (let index = 0; index < members.count; index++) {
      const end = index + 1 < members.count ? members.start(index + 1) : archive.directoryStart;
      const member = { start: members.start(index), end, lengthBytes: members.lengthBytes(index), method: members.key(index) };
      await addPayload(cursor, member, constants, segments);
    }
  }
  if (archiveCount === 0) throw new Malformed("there is no archive");
  segments.seal(source.sizeBytes);
  return segments;
}

/** The members as segments from the start of their local header on, with the method as key: at least that much is theirs alone. */
async function readDirectory(source: ByteSource, archive: Archive, constants: Ta1Constants): Promise<Segments> {
  if (archive.directoryBytes > constants.headerBytesMax) throw new Malformed("a directory is too long");
  const end = archive.directoryStart + archive.directoryBytes;
  const cursor = new Cursor(source, { start: archive.directoryStart, end, windowBytes: READ_BYTES_MAX });
  const members = new Segments(constants.segmentsMax);
  for (let index = 0; index < archive.memberCount; index++) await readEntry(cursor, archive.start, members);
  if (cursor.remaining > 0) throw new Malformed("a directory is longer than its entries");
  members.seal(archive.directoryStart);
  return members;
}

async function readEntry(cursor: Cursor, archiveStart: number, members: Segments): Promise<void> {
  if (cursor.loaded < ENTRY_BYTES) await cursor.need(ENTRY_BYTES);
  if (cursor.u32() !== ENTRY_SIGNATURE) throw new Malformed("a directory entry is missing");
  cursor.skip(6);
  const method = cursor.u16();
  cursor.skip(8);
  const packedBytes = cursor.u32();
  const plainBytes = cursor.u32();
  const nameBytes = cursor.u16();
  const extraBytes = cursor.u16();
  const commentBytes = cursor.u16();
  cursor.skip(8);
  const localOffset = cursor.u32();
  const tailBytes = nameBytes + extraBytes + commentBytes;
  if (cursor.loaded < tailBytes) await cursor.need(tailBytes);
  cursor.skip(nameBytes);
  const extra = new Zip64Extra(cursor, extraBytes, [plainBytes, packedBytes, localOffset]);
  cursor.skip(commentBytes);
  members.add(archiveStart + extra.localOffset, extra.packedBytes, method);
}

/** The numbers of an entry, each from its ZIP64 extra field where the entry itself has no room for it. */
class Zip64Extra {
  readonly packedBytes: number;
  readonly localOffset: number;

  /** Leaves the cursor behind the extra fields. */
  constructor(cursor: Cursor, extraBytes: number, [plain, packed, offset]: [plain: number, packed: number, offset: number]) {
    const end = cursor.position + extraBytes;
    const fieldEnd = seekZip64(cursor, end);
    const take = (value: number) => {
      if (value !== IN_EXTRA) return value;
      if (cursor.position + 8 > fieldEnd) throw new Malformed("a ZIP64 number is missing");
      return cursor.u64();
    };
    take(plain);
    this.packedBytes = take(packed);
    this.localOffset = take(offset);
    cursor.seek(end);
  }
}

/** Moves to the content of the ZIP64 field in the extra fields up to `end`. @returns where it ends; 0 if there is none. */
function seekZip64(cursor: Cursor, end: number): number {
  while (cursor.position + 4 <= end) {
    const id = cursor.u16();
    const fieldEnd = cursor.position + 2 + cursor.u16();
    if (fieldEnd > end) throw new Malformed("an extra field is too long");
    if (id === ZIP64_EXTRA) return fieldEnd;
    cursor.seek(fieldEnd);
  }
  return 0;
}

/** From the start of its local header to the next one, or to the directory. */
type Member = { start: number; end: number; lengthBytes: number; method: number };

async function addPayload(cursor: Cursor, member: Member, constants: Ta1Constants, segments: Segments): Promise<void> {
  cursor.seek(member.start);
  await cursor.need(LOCAL_BYTES);
  if (cursor.u32() !== LOCAL_SIGNATURE) throw new Malformed("a local header is missing");
  cursor.skip(4);
  if (cursor.u16() !== member.method) throw new Malformed("a local header contradicts the directory");
  cursor.skip(16);
  const namesBytes = cursor.u16() + cursor.u16();
  cursor.skip(namesBytes);
  const end = cursor.position + member.lengthBytes;
  if (end > member.end) throw new Malformed("a payload reaches into the next member");
  if (member.method === METHOD_STORED) {
    const payloadStart = cursor.position;
    const headerBytes = await npyHeaderBytes(cursor, member.lengthBytes, constants);
    cursor.seek(payloadStart + headerBytes);
  }
  const start = cursor.position;
  segments.add(start, end - start, end - start < constants.bigBytes ? await keyAt(cursor, end - start) : 0);
}

async function keyAt(cursor: Cursor, lengthBytes: number): Promise<number> {
  const keyBytes = Math.min(KEY_BYTES, lengthBytes);
  await cursor.need(keyBytes);
  return crc32(cursor.bytes(keyBytes));
}
