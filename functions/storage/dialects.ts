/**
 * What S3 implementations do differently, as data. Ceph (16.2.15) and miniflare were run; what is said of the others comes from their
 * documentation and issue threads. What a store really enforces is said by its probe alone, whatever this page hopes.
 */
export type Addressing = "path" | "virtual";

/** A request header, name in lower case. */
export type Header = { readonly name: string; readonly value: string };

/** An answer: its status, and the error code in its body when the status alone does not tell. */
export type Answer = { readonly status: number; readonly code?: string };

export type Dialect = {
  /** Makes a PUT fail when the key is taken. */
  readonly createOnly: Header;
  /** Answers to it that mean: the key is taken. */
  readonly exists: readonly Answer[];
  /** Answers to it that decide nothing: another writer was at work, ask again. */
  readonly conflict: readonly Answer[];
  readonly addressing: Addressing;
  /** Headers that make a PUT copy another object. A probe tries them on tickets: they must not get past the content's check. */
  readonly copySources: readonly string[];
  /**
   * Headers that tickets sign as empty and that nobody sends. For stores that obey headers which no signature covers, and that take a
   * missing signed header for an empty one: there it is the only way to forbid a header.
   */
  readonly absent: readonly string[];
  /** Headers that tickets set and sign, so that nobody sets them otherwise; the second list is for presigned URLs alone. */
  readonly fixed: readonly Header[];
  readonly fixedInUrls: readonly Header[];
};

const PRECONDITION_FAILED: Answer = { status: 412 };

/** AWS: 412 when taken; 409 ConditionalRequestConflict while a competing write is not settled. RGW names the latter otherwise. */
const STANDARD: Dialect = {
  createOnly: { name: "if-none-match", value: "*" },
  exists: [PRECONDITION_FAILED],
  conflict: [
    { status: 409, code: "ConditionalRequestConflict" },
    { status: 409, code: "OperationAborted" },
    { status: 409, code: "ConcurrentModification" },
  ],
  addressing: "path",
  copySources: ["x-amz-copy-source"],
  absent: [],
  fixed: [],
  fixedInUrls: [],
};

export const DIALECTS = {
  aws: { ...STANDARD, addressing: "virtual" },
  r2: STANDARD,
  /** Virtual addressing only (else SecondLevelDomainForbidden); conditional headers of S3 are not honoured on PUT. */
  oss: {
    ...STANDARD,
    createOnly: { name: "x-oss-forbid-overwrite", value: "true" },
    exists: [PRECONDITION_FAILED, { status: 409, code: "FileAlreadyExists" }],
    addressing: "virtual",
    copySources: ["x-amz-copy-source", "x-oss-copy-source"],
  },
  /** Buckets made since 2024 take virtual addressing only. */
  cos: {
    ...STANDARD,
    createOnly: { name: "x-cos-forbid-overwrite", value: "true" },
    exists: [PRECONDITION_FAILED, { status: 409, code: "FileAlreadyExists" }, { status: 409, code: "ObjectAlreadyExists" }],
    addressing: "virtual",
    copySources: ["x-amz-copy-source", "x-cos-copy-source"],
  },
  /**
   * Obeys an unsigned x-amz-acl, by which an uploader could make a chunk public. With a presigned URL it also obeys an unsigned
   * x-amz-copy-source (Ceph 16.2.15: 200, the other object's bytes under one's own key), unless x-amz-copy-source-range is there: then
   * it is an upload, whose length and MD5 are checked. With a signed payload it answers 501.
   */
  ceph: {
    ...STANDARD,
    fixed: [{ name: "x-amz-acl", value: "private" }],
    fixedInUrls: [{ name: "x-amz-copy-source-range", value: "bytes=0-0" }],
  },
  minio: STANDARD,
  /** Ignores If-None-Match on PUT, and refuses x-goog-* beside x-amz-* headers: the probe decides which modes remain. */
  gcs: {
    ...STANDARD,
    createOnly: { name: "x-goog-if-generation-match", value: "0" },
    copySources: ["x-amz-copy-source", "x-goog-copy-source"],
  },
  /**
   * The local R2 that wrangler and miniflare bring. It obeys an unsigned x-amz-copy-source: with any ticket one could copy any object
   * of the bucket under one's own key, and read it there. It keeps an unsigned Content-Encoding, and ignores response-content-encoding.
   */
  miniflare: { ...STANDARD, absent: ["content-encoding", "x-amz-copy-source"] },
  s3: STANDARD,
} as const satisfies Record<string, Dialect>;

export type Provider = keyof typeof DIALECTS;

export function matches(answers: readonly Answer[], { status, code }: Answer): boolean {
  return answers.some((answer) => answer.status === status && (answer.code === undefined || answer.code === code));
}
