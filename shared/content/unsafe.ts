/**
 * Files that run code when they are loaded, known by their content and not by their names: pickles by themselves, in torch's zip and tar
 * files, in numpy's arrays of objects, packed by gzip or zlib; and Keras models with code in a layer. What looks like such a file and
 * can't be read to its end counts as one. What a file of another kind does to its loader is not looked at.
 */
import { type ByteSource, Malformed, readExactly } from "../chunking/source.ts";
import { KiB, MiB } from "../units.ts";
import { importKind } from "./imports.ts";
import { inflate, type Packing, sourceOfBytes } from "./inflate.ts";
import { type PickleContent, readPickle } from "./pickle.ts";
import { payloadOf, type ZipMember, zipMembers } from "./zip-members.ts";

export type UnsafeKind = "pickle" | "zip" | "tar" | "npy" | "packed" | "keras";

/** `imports`: all but those that torch and numpy write by themselves. `dangerous`: those of them that run commands or code. */
export type Unsafe = { kind: UnsafeKind; imports: string[]; dangerous: string[]; problem: string | null };

const HEAD_BYTES = 512;
/** Pickles that follow one another in one file: legacy torch files have five. */
const PICKLES_MAX = 64;
const UNPACKED_BYTES_MAX = 16 * MiB;
/** Of all members of an archive together. */
const ARCHIVE_BYTES_MAX = 64 * MiB;
const MEMBERS_SNIFFED_MAX = 4_096;
const TAR_MEMBERS_MAX = 10_000;
const NPY_HEADER_BYTES_MAX = 64 * KiB;
const KERAS_CONFIG = /"class_name"\s*:\s*"(Lambda|TFOpLambda|SlicingOpLambda)"|"__lambda__"/;
const PICKLE_NAME = /\.(pkl|pickle)$/i;

const latin1 = new TextDecoder("latin1");

/** Null: none of these. Throws what the source throws. */
export async function findUnsafe(source: ByteSource): Promise<Unsafe | null> {
  if (source.sizeBytes < 2) return null;
  const head = await readExactly(source, 0, Math.min(HEAD_BYTES, source.sizeBytes));
  try {
    return await inspect(source, head);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { kind: isZip(head) ? "zip" : "packed", imports: [], dangerous: [], problem: error.message };
  }
}

async function inspect(source: ByteSource, head: Uint8Array): Promise<Unsafe | null> {
  if (isHeaderOfTensors(head, source.sizeBytes)) return null;
  if (isZip(head)) return inspectZip(source);
  if (isNpy(head)) return inspectNpy(source);
  if (latin1.decode(head.subarray(257, 262)) === "ustar") return inspectTar(source);
  const packing = packingOf(head);
  if (packing !== null) return inspectPacked(source, packing);
  return inspectPickles(source, 0, source.sizeBytes);
}

/** GGUF, or a length that fits and a JSON object, as safetensors has it. */
function isHeaderOfTensors(head: Uint8Array, sizeBytes: number): boolean {
  if (latin1.decode(head.subarray(0, 4)) === "GGUF") return true;
  if (head.length < 16) return false;
  const view = new DataView(head.buffer, head.byteOffset, 8);
  const headerBytes = Number(view.getBigUint64(0, true));
  return headerBytes >= 2 && headerBytes <= sizeBytes - 8 && head[8] === 0x7b;
}

function isZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));
}

function isNpy(head: Uint8Array): boolean {
  return head[0] === 0x93 && latin1.decode(head.subarray(1, 6)) === "NUMPY";
}

function packingOf(head: Uint8Array): Packing | null {
  const [first = 0, second = 0] = head;
  if (first === 0x1f && second === 0x8b) return "gzip";
  return first === 0x78 && (first * 256 + second) % 31 === 0 ? "deflate" : null;
}

/** PROTO and a protocol there is: what every pickle since protocol 2 begins with. */
function isPickle(head: Uint8Array): boolean {
  const [first = 0, second = 0] = head;
  return first === 0x80 && second >= 2 && second <= 5;
}

/**
 * Pickles from `start` on. Those of protocols 0 and 1 have no mark: what can be followed as one counts when it calls what it imports, also
 * when it breaks afterwards, since a loader would have called it by then.
 */
async function inspectPickles(source: ByteSource, start: number, end: number, isNamed = false): Promise<Unsafe | null> {
  const found: PickleContent[] = [];
  for (let at = start; at < end && found.length < PICKLES_MAX; ) {
    const isMarked = isPickle(await readExactly(source, at, Math.min(2, end - at)));
    if (!isMarked && found.length > 0) break;
    const content = await readPickle(source, at, end);
    const isFollowed = (isNamed && content.problem === null) || content.stopped === "limit";
    const counts = isMarked || isFollowed || (content.calls && content.imports.length > 0);
    if (!counts) break;
    found.push(content);
    if (content.problem !== null || content.end <= at) break;
    at = content.end;
  }
  return found.length === 0 ? null : unsafeOf("pickle", found);
}

function unsafeOf(kind: UnsafeKind, found: readonly PickleContent[]): Unsafe {
  const imports = [...new Set(found.flatMap((content) => content.imports))].filter((name) => importKind(name) !== "known").sort();
  const dangerous = imports.filter((name) => importKind(name) === "dangerous");
  return { kind, imports, dangerous, problem: found.find(({ problem }) => problem !== null)?.problem ?? null };
}

async function inspectNpy(source: ByteSource): Promise<Unsafe | null> {
  const bytes = await readExactly(source, 0, Math.min(source.sizeBytes, NPY_HEADER_BYTES_MAX));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12) return null;
  const [headStart, dictBytes] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const dict = latin1.decode(bytes.subarray(headStart, headStart + dictBytes));
  if (!/['"][|<>=]?O\d*['"]/.test(dict)) return null;
  const start = headStart + dictBytes;
  const pickled = start < source.sizeBytes ? await inspectPickles(source, start, source.sizeBytes, true) : null;
  return { imports: [], dangerous: [], problem: null, ...pickled, kind: "npy" };
}

async function inspectPacked(source: ByteSource, packing: Packing): Promise<Unsafe | null> {
  const { bytes, isWhole } = await inflate(source, { start: 0, length: source.sizeBytes, packing, maxBytes: UNPACKED_BYTES_MAX });
  const inner = await inspectPickles(sourceOfBytes(bytes), 0, bytes.length);
  const found = isWhole ? inner : await orCut(inner, bytes);
  return found === null ? null : { ...found, kind: "packed" };
}

/** Of what was unpacked in part: what could be followed as a pickle all along may go on as one. */
async function orCut(found: Unsafe | null, bytes: Uint8Array): Promise<Unsafe | null> {
  const problem = "it was not read to its end";
  if (found !== null) return { ...found, problem: found.problem ?? problem };
  const { stopped } = await readPickle(sourceOfBytes(bytes), 0, bytes.length);
  return stopped === "cut" ? { kind: "pickle", imports: [], dangerous: [], problem } : null;
}

async function inspectZip(source: ByteSource): Promise<Unsafe | null> {
  const members = await zipMembers(source);
  if (members.length === 0) throw new Malformed("it has no directory");
  // Those that are pickles by their names first: what an archive has of others may be too much to look at.
  members.sort((a, b) => Number(PICKLE_NAME.test(b.name)) - Number(PICKLE_NAME.test(a.name)));
  const found: Unsafe[] = [];
  let budget = ARCHIVE_BYTES_MAX;
  for (const [at, member] of members.entries()) {
    if (at >= MEMBERS_SNIFFED_MAX && !PICKLE_NAME.test(member.name)) break;
    const { unsafe, read } = await inspectMember(source, await payloadOf(source, member), budget);
    budget -= read;
    if (unsafe !== null) found.push(unsafe);
    if (found.length >= PICKLES_MAX) break;
  }
  return found.length === 0 ? null : merged(found);
}

async function inspectMember(source: ByteSource, member: ZipMember, budget: number): Promise<{ unsafe: Unsafe | null; read: number }> {
  const { name, start, length, method } = member;
  if (length === 0) return { unsafe: null, read: 0 };
  if (method !== 0 && method !== 8) throw new Malformed("a member is packed in a way that is not known");
  if (method === 0) return { unsafe: await inspectInner(slice(source, start, length), name), read: 0 };
  if (budget <= 0) throw new Malformed("its members unpack to too much");
  const maxBytes = Math.min(UNPACKED_BYTES_MAX, budget);
  const { bytes, isWhole } = await inflate(source, { start, length, packing: "deflate-raw", maxBytes });
  const unsafe = await inspectInner(sourceOfBytes(bytes), name);
  return { unsafe: isWhole ? unsafe : await orCut(unsafe, bytes), read: bytes.length };
}

/** A member: a pickle, an array of objects, or a Keras model's layers. Tensors' bytes may begin like a pickle, and break at once. */
async function inspectInner(source: ByteSource, name: string): Promise<Unsafe | null> {
  const head = await readExactly(source, 0, Math.min(8, source.sizeBytes));
  if (isNpy(head)) return inspectNpy(source);
  if (/(^|\/)config\.json$/.test(name)) {
    const config = latin1.decode(await readExactly(source, 0, Math.min(source.sizeBytes, MiB)));
    return KERAS_CONFIG.test(config) ? { kind: "keras", imports: [], dangerous: ["keras.Lambda"], problem: null } : null;
  }
  const isNamed = PICKLE_NAME.test(name);
  if (!isNamed && !isPickle(head)) return null;
  const unsafe = await inspectPickles(source, 0, source.sizeBytes, isNamed);
  const isChance = !isNamed && unsafe !== null && unsafe.problem !== null && unsafe.imports.length === 0;
  return isChance ? null : unsafe;
}

function slice(source: ByteSource, start: number, sizeBytes: number): ByteSource {
  return { sizeBytes, read: (offset, length) => source.read(start + offset, length) };
}

async function inspectTar(source: ByteSource): Promise<Unsafe | null> {
  const found: Unsafe[] = [];
  let at = 0;
  for (let count = 0; at + 512 <= source.sizeBytes && count < TAR_MEMBERS_MAX; count++) {
    const header = await readExactly(source, at, 512);
    if (header[0] === 0) break;
    const size = Number.parseInt(latin1.decode(header.subarray(124, 136)).replace(/[\0 ].*$/, "") || "0", 8);
    if (!Number.isSafeInteger(size) || at + 512 + size > source.sizeBytes) throw new Malformed("a member is longer than the file");
    const unsafe = size < 2 ? null : await inspectPickles(source, at + 512, at + 512 + size);
    if (unsafe !== null) found.push(unsafe);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found.length === 0 ? null : { ...merged(found), kind: "tar" };
}

function merged(found: readonly Unsafe[]): Unsafe {
  const all = (of: (one: Unsafe) => string[]) => [...new Set(found.flatMap(of))].sort();
  const kind = found.every((one) => one.kind === "keras") ? "keras" : "zip";
  return {
    kind,
    imports: all((one) => one.imports),
    dangerous: all((one) => one.dangerous),
    problem: found.find(({ problem }) => problem !== null)?.problem ?? null,
  };
}
