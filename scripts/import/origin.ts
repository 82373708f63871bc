/** Where an import reads from: a list of files at one moment, each of which can be read from any byte on. */
export type OriginFile = {
  /** In the repository. */
  path: string;
  sizeBytes: number;
  /** Hex, as far as the origin tells. `gitId`: the SHA-1 by which git knows it. `md5`: of the whole object. */
  sha256: string | null;
  gitId: string | null;
  md5: string | null;
  /** Another text when the content may be another; what is read from then on has to have it, where the origin can promise that. */
  etag: string | null;
};

/**
 * A piece of a file: `offset` is where it begins, which is 0 when the origin can't begin elsewhere. `hidden`: the store encrypts it with a key
 * of somebody's, and its ETag is no MD5.
 */
export type Opened = { offset: number; hidden: boolean; body: ReadableStream<Uint8Array> };

export type Origin = {
  /** What is read, without secrets, as it is kept with the revision: `hf://org/name`. */
  name: string;
  /** The origin's own name of what it has now: a commit, or null when it has none. */
  revision: string | null;
  /** Throws SOURCE_UNAVAILABLE, FILE_CHANGED. */
  list(signal: AbortSignal): Promise<OriginFile[]>;
  /** Bytes from `from` to `to` (exclusive), or from 0 on. Throws SOURCE_UNAVAILABLE, FILE_CHANGED. */
  open(file: OriginFile, range: { from: number; to: number }, signal: AbortSignal): Promise<Opened>;
};

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
export type Env = Readonly<Record<string, string | undefined>>;
