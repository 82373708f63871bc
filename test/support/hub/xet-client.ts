/** Loads a range of a file as hf_xet does: a token, reconstructions, framed parts; checks what it is told on the way. */
import assert from "node:assert/strict";

type Fetch = (url: string, headers?: Record<string, string>) => Promise<Response>;
type Fetched = { url: string; ranges: { chunks: { start: number; end: number }; bytes: { start: number; end: number } }[] };
type Reconstruction = {
  offset_into_first_range: number;
  terms: { hash: string; unpacked_length: number; range: { start: number; end: number } }[];
  xorbs: Record<string, Fetched[]>;
};
export type XetToken = { casUrl: string; accessToken: string; exp: number };

export async function loadByXet(fetch: Fetch, token: XetToken, file: string, [start, end]: readonly [number, number]): Promise<Buffer> {
  const headers = { authorization: `Bearer ${token.accessToken}`, range: `bytes=${start}-${end - 1}` };
  const answer = await fetch(`${token.casUrl}/v2/reconstructions/${file}`, headers);
  assert.equal(answer.status, 200, await answer.clone().text());
  const told = (await answer.json()) as Reconstruction;
  const parts: Buffer[] = [];
  for (const { hash, unpacked_length: length, range } of told.terms) {
    const [fetched] = told.xorbs[hash] ?? [];
    const [described] = fetched?.ranges ?? [];
    assert.ok(fetched !== undefined && described !== undefined);
    assert.deepEqual(described.chunks, range);
    const part = await fetch(fetched.url, { range: `bytes=${described.bytes.start}-${described.bytes.end}` });
    assert.equal(part.status, 206);
    const framed = Buffer.from(await part.arrayBuffer());
    assert.equal(framed.length, described.bytes.end - described.bytes.start + 1);
    const frames = unframed(framed);
    assert.equal(frames.length, range.end - range.start);
    assert.equal(
      frames.reduce((sum, frame) => sum + frame.length, 0),
      length,
    );
    parts.push(...frames);
  }
  return Buffer.concat(parts).subarray(told.offset_into_first_range, told.offset_into_first_range + end - start);
}

/** Bounds as the client of Xet sets them. */
function unframed(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [packed, unpacked] = [bytes.readUIntLE(at + 1, 3), bytes.readUIntLE(at + 5, 3)];
    assert.deepEqual([bytes[at], bytes[at + 4], packed], [0, 0, unpacked]);
    assert.ok(unpacked > 0 && unpacked <= 131_072);
    frames.push(bytes.subarray(at + 8, at + 8 + packed));
    at += 8 + packed;
  }
  return frames;
}
