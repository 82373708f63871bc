/** Zip archives byte by byte as torch, numpy and plain zip tools lay them out. */
import { crc32, deflateRawSync } from "node:zlib";
import { concat, Writer } from "./bytes.ts";
import { npy } from "./npy.ts";
import type { Tensor } from "./safetensors.ts";

export type ZipOptions = {
  /** Align payloads by an extra field, as torch does. */
  alignment?: number;
  /** Sizes and CRC behind the payload and not before it, as torch does (flags 0x808). */
  descriptors?: boolean;
  /** A ZIP64 end record, as torch always writes. */
  zip64?: boolean;
  /** Sizes of 0xffffffff and a ZIP64 extra field in local headers, as numpy writes. */
  localZip64?: boolean;
  /** Sizes and offsets of directory entries in ZIP64 extra fields, as archives beyond 4 GiB have them. */
  entryZip64?: boolean;
  deflate?: boolean;
  comment?: string;
};

export function zip(members: readonly Tensor[], options: ZipOptions = {}): Uint8Array {
  const writer = new Writer();
  const entries = members.map((member) => addMember(writer, member, options));
  const directoryOffset = writer.length;
  for (const entry of entries) writer.bytes(entry);
  addEnd(writer, members.length, directoryOffset, options);
  return writer.done();
}

/** What torch.save makes of a state dict: folder = the file's base name, which is in every header. */
export function torchZip(tensors: readonly Tensor[], { folder = "model" } = {}): Uint8Array {
  const encoder = new TextEncoder();
  const member = (name: string, bytes: Uint8Array) => ({ name: `${folder}/${name}`, bytes });
  return zip(
    [
      member("data.pkl", encoder.encode(tensors.map(({ name }) => `X${name}q\x00`).join(""))),
      member(".format_version", encoder.encode("1")),
      member(".storage_alignment", encoder.encode("64")),
      member("byteorder", encoder.encode("little")),
      ...tensors.map(({ bytes }, index) => member(`data/${index}`, bytes)),
      member("version", encoder.encode("3\n")),
      member(".data/serialization_id", encoder.encode("0636067325684069")),
    ],
    { alignment: 64, descriptors: true, zip64: true },
  );
}

/** A .distcp: one complete archive per item, one behind the other. */
export function distcp(tensors: readonly Tensor[]): Uint8Array {
  return concat(tensors.map((tensor) => torchZip([tensor], { folder: "archive" })));
}

export function npz(arrays: readonly Tensor[]): Uint8Array {
  return zip(
    arrays.map(({ name, bytes }) => ({ name: `${name}.npy`, bytes: npy(bytes) })),
    { localZip64: true },
  );
}

function addMember(writer: Writer, member: Tensor, options: ZipOptions): Uint8Array {
  const payload = options.deflate ? new Uint8Array(deflateRawSync(member.bytes)) : member.bytes;
  const header = { flags: options.descriptors ? 0x808 : 0x800, method: options.deflate ? 8 : 0, crc: crc32(member.bytes) };
  const offset = writer.length;
  const name = new TextEncoder().encode(member.name);
  const extra = localExtra(offset + 30 + name.length, options);
  writer.uint(0x04034b50, 4).uint(45, 2).uint(header.flags, 2).uint(header.method, 2).zeros(4);
  if (options.descriptors) writer.zeros(12);
  else {
    const size = (bytes: number) => (options.localZip64 ? 0xffffffff : bytes);
    writer.uint(header.crc, 4).uint(size(payload.length), 4).uint(size(member.bytes.length), 4);
  }
  writer.uint(name.length, 2).uint(extra.length, 2).bytes(name).bytes(extra).bytes(payload);
  if (options.descriptors) writer.uint(0x08074b50, 4).uint(header.crc, 4).uint(payload.length, 4).uint(member.bytes.length, 4);
  return entry(name, header, { plain: member.bytes.length, packed: payload.length, offset }, options.entryZip64 ?? false);
}

function localExtra(nameEnd: number, { alignment, localZip64 }: ZipOptions): Uint8Array {
  if (localZip64) return new Writer().uint(1, 2).uint(16, 2).zeros(16).done();
  if (alignment === undefined) return new Uint8Array(0);
  const padding = (alignment - ((nameEnd + 4) % alignment)) % alignment;
  return new Writer().text("FB").uint(padding, 2).zeros(padding).done();
}

type Header = { flags: number; method: number; crc: number };
type Sizes = { plain: number; packed: number; offset: number };

function entry(name: Uint8Array, header: Header, { plain, packed, offset }: Sizes, zip64: boolean): Uint8Array {
  const field = (value: number) => (zip64 ? 0xffffffff : value);
  const other = new Writer().uint(0x5455, 2).uint(5, 2).zeros(5).done();
  const extra = zip64 ? new Writer().bytes(other).uint(1, 2).uint(24, 2).uint(plain, 8).uint(packed, 8).uint(offset, 8).done() : other;
  return new Writer()
    .uint(0x02014b50, 4)
    .uint(45, 2)
    .uint(45, 2)
    .uint(header.flags, 2)
    .uint(header.method, 2)
    .zeros(4)
    .uint(header.crc, 4)
    .uint(field(packed), 4)
    .uint(field(plain), 4)
    .uint(name.length, 2)
    .uint(extra.length, 2)
    .zeros(10)
    .uint(field(offset), 4)
    .bytes(name)
    .bytes(extra)
    .done();
}

function addEnd(writer: Writer, count: number, directoryOffset: number, { zip64, comment = "" }: ZipOptions): void {
  const directoryBytes = writer.length - directoryOffset;
  if (zip64) {
    const recordOffset = writer.length;
    writer.uint(0x06064b50, 4).uint(44, 8).uint(45, 2).uint(45, 2).zeros(8).uint(count, 8).uint(count, 8);
    writer.uint(directoryBytes, 8).uint(directoryOffset, 8);
    writer.uint(0x07064b50, 4).uint(0, 4).uint(recordOffset, 8).uint(1, 4);
  }
  writer.uint(0x06054b50, 4).zeros(4).uint(count, 2).uint(count, 2).uint(directoryBytes, 4).uint(directoryOffset, 4);
  writer.uint(comment.length, 2).text(comment);
}
