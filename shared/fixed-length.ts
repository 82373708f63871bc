/** workerd drops Content-Length from any other stream than its own of known length; Node has none of those, and keeps the header. */
declare const FixedLengthStream: (new (length: number) => TransformStream<Uint8Array, Uint8Array>) | undefined;

export function ofLength(stream: ReadableStream<Uint8Array>, lengthBytes: number): ReadableStream<Uint8Array> {
  if (typeof FixedLengthStream === "undefined") return stream;
  const { readable, writable } = new FixedLengthStream(lengthBytes);
  // Its failure is the reader's, who sees a stream that breaks off.
  stream.pipeTo(writable).catch(() => {});
  return readable;
}
