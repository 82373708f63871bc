/** SHA-256 of streams by workerd's own code: the bytes never reach JavaScript. Source: https://developers.cloudflare.com/workers/runtime-apis/web-crypto/ */
import { Digest, toHex } from "../shared/digest.ts";
import type { Hasher } from "./registry/ports.ts";

type DigestSink = WritableStream<Uint8Array> & { readonly digest: Promise<ArrayBuffer>; readonly bytesWritten: number | bigint };

/** Named here, for tests of this file are checked with Node's types. */
declare const crypto: { DigestStream: new (algorithm: "SHA-256") => DigestSink };

export const workerHasher: Hasher = {
  async sha256(stream) {
    const sink = new crypto.DigestStream("SHA-256");
    await stream.pipeTo(sink);
    return { sha256: Digest.parse(toHex(new Uint8Array(await sink.digest))), sizeBytes: Number(sink.bytesWritten) };
  },
  start() {
    const sink = new crypto.DigestStream("SHA-256");
    const writer = sink.getWriter();
    return {
      update: (bytes) => writer.write(bytes),
      async digest() {
        await writer.close();
        return Digest.parse(toHex(new Uint8Array(await sink.digest)));
      },
    };
  },
};
