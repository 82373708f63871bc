/** The members of a zip archive, as its central directory names them; one that contradicts itself anywhere is Malformed. */
import { type ByteSource, Cursor, Malformed } from "../chunking/source.ts";
import { ArchiveFinder } from "../chunking/zip-archive.ts";
import { KiB, MiB } from "../units.ts";

/** `start` and `length`: of the payload, packed. */
export type ZipMember = { name: string; start: number; length: number; method: number };

const ENTRY_BYTES = 46;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;
const IN_EXTRA = 0xffffffff;
const DIRECTORY_BYTES_MAX = 32 * MiB;
const MEMBERS_MAX = 200_000;
const ARCHIVES_MAX = 10_000;
/** Encrypted: nobody can look inside. */
const FLAG_ENCRYPTED = 1;

const latin1 = new TextDecoder("latin1");

/** Of every archive that stands in the file, one behind the other. Throws Malformed. */
export async function zipMembers(source: ByteSource): Promise<ZipMember[]> {
  const finder = new ArchiveFinder(source);
  const members: ZipMember[] = [];
  let archives = 0;
  for (let archive = await finder.find(source.sizeBytes); archive !== null; archive = await finder.find(archive.start)) {
    if (++archives > ARCHIVES_MAX || archive.memberCount + members.length > MEMBERS_MAX) throw new Malformed("it has too many members");
    if (archive.directoryBytes > DIRECTORY_BYTES_MAX) throw new Malformed("its directory is too long");
    const end = archive.directoryStart + archive.directoryBytes;
    const cursor = new Cursor(source, { start: archive.directoryStart, end, windowBytes: MiB });
    for (let index = 0; index < archive.memberCount; index++) members.push(await readEntry(cursor, archive.start));
  }
  return members;
}

async function readEntry(cursor: Cursor, archiveStart: number): Promise<ZipMember> {
  if (cursor.loaded < ENTRY_BYTES) await cursor.need(ENTRY_BYTES);
  if (cursor.u32() !== ENTRY_SIGNATURE) throw new Malformed("an entry of its directory is missing");
  cursor.skip(4);
  if (cursor.u16() & FLAG_ENCRYPTED) throw new Malformed("it is encrypted");
  const method = cursor.u16();
  cursor.skip(8);
  const [packed, plain, nameBytes, extraBytes, commentBytes] = [cursor.u32(), cursor.u32(), cursor.u16(), cursor.u16(), cursor.u16()];
  cursor.skip(8);
  const offset = cursor.u32();
  const tail = nameBytes + extraBytes + commentBytes;
  if (cursor.loaded < tail) await cursor.need(tail);
  const name = latin1.decode(cursor.bytes(nameBytes));
  const [, length = packed, start = offset] = zip64(cursor.bytes(extraBytes), [plain, packed, offset]);
  cursor.skip(commentBytes);
  return { name, start: archiveStart + start, length, method };
}

/** The numbers of an entry, each from its ZIP64 field where the entry has no room for it. */
function zip64(extra: Uint8Array, numbers: readonly number[]): number[] {
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let from = at + 4;
    return numbers.map((number) => {
      if (number !== IN_EXTRA) return number;
      if (from + 8 > extra.length) throw new Malformed("a ZIP64 number is missing");
      const long = Number(view.getBigUint64(from, true));
      from += 8;
      if (!Number.isSafeInteger(long)) throw new Malformed("a number is beyond 2^53");
      return long;
    });
  }
  return [...numbers];
}

/** The member with its payload's place, by its local header, which must say the same as the directory. Throws Malformed. */
export async function payloadOf(source: ByteSource, member: ZipMember): Promise<ZipMember> {
  const cursor = new Cursor(source, { start: 0, end: source.sizeBytes, windowBytes: KiB });
  cursor.seek(member.start);
  await cursor.need(LOCAL_BYTES);
  if (cursor.u32() !== LOCAL_SIGNATURE) throw new Malformed("a member's header is missing");
  cursor.skip(2);
  if (cursor.u16() & FLAG_ENCRYPTED) throw new Malformed("it is encrypted");
  if (cursor.u16() !== member.method) throw new Malformed("a member's header contradicts the directory");
  cursor.skip(16);
  const [nameBytes, extraBytes] = [cursor.u16(), cursor.u16()];
  if (cursor.loaded < nameBytes) await cursor.need(nameBytes);
  if (latin1.decode(cursor.bytes(nameBytes)) !== member.name) throw new Malformed("a member has two names");
  const start = cursor.position + extraBytes;
  if (start + member.length > source.sizeBytes) throw new Malformed("a member is longer than the file");
  return { ...member, start };
}
