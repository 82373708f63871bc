/**
 * Reads a stream in large parts where the runtime can: each part that passes JavaScript costs workerd about the same, whatever its size, and
 * it brings 4 KiB at a time by itself. Elsewhere parts are as they come.
 */
const LEAST_BYTES = 512 * 1024;

export type PartReader = { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>; cancel(): Promise<void> };

type AtLeastReader = {
  readAtLeast(least: number, view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array }>;
  cancel(): Promise<void>;
};

export function partReader(stream: ReadableStream<Uint8Array>): PartReader {
  const byob: unknown = "ReadableStreamBYOBReader" in globalThis ? ReadableStreamBYOBReader.prototype : {};
  if (!(typeof byob === "object" && byob !== null && "readAtLeast" in byob)) return stream.getReader();
  const reader: unknown = stream.getReader({ mode: "byob" });
  return isAtLeastReader(reader) ? fromAtLeast(reader) : stream.getReader();
}

function isAtLeastReader(reader: unknown): reader is AtLeastReader {
  return typeof reader === "object" && reader !== null && "readAtLeast" in reader;
}

function fromAtLeast(reader: AtLeastReader): PartReader {
  return {
    async read() {
      const { done, value } = await reader.readAtLeast(LEAST_BYTES, new Uint8Array(LEAST_BYTES));
      // The last part comes together with the end.
      if (value !== undefined && value.byteLength > 0) return { done: false, value };
      return { done };
    },
    cancel: () => reader.cancel(),
  };
}
