/** What can go wrong at the S3 door, in the words of S3: its clients decide by these codes and statuses whether to try again. */
import { type ErrorCode, FerryError } from "../../../shared/errors.ts";

export const S3_STATUS = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BucketNotEmpty: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  IncompleteBody: 400,
  InsufficientStorage: 507,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchWebsiteConfiguration: 404,
  NotImplemented: 501,
  ObjectLockConfigurationNotFoundError: 404,
  OperationAborted: 409,
  PreconditionFailed: 412,
  QuotaExceeded: 403,
  RequestTimeTooSkewed: 403,
  ServerSideEncryptionConfigurationNotFoundError: 404,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  XAmzContentSHA256Mismatch: 400,
} as const;
export type S3Code = keyof typeof S3_STATUS;

export class S3Refusal extends Error {
  readonly code: S3Code;

  constructor(code: S3Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): number {
    return S3_STATUS[this.code];
  }
}

/** What has a word of its own in S3. For the rest the status decides. */
const WORDS: Partial<Record<ErrorCode, S3Code>> = {
  TOKEN_MISSING: "AccessDenied",
  TOKEN_INVALID: "InvalidAccessKeyId",
  PERMISSION_DENIED: "AccessDenied",
  SCOPE_EXCEEDED: "AccessDenied",
  ADDRESS_DENIED: "AccessDenied",
  REPOSITORY_BLOCKED: "AccessDenied",
  REPOSITORY_UNKNOWN: "NoSuchKey",
  REF_UNKNOWN: "NoSuchKey",
  REVISION_UNKNOWN: "NoSuchKey",
  REVISION_DELETED: "NoSuchKey",
  FILE_UNKNOWN: "NoSuchKey",
  QUOTA_EXCEEDED: "QuotaExceeded",
  PATH_UNSAFE: "InvalidArgument",
  MANIFEST_INVALID: "InvalidArgument",
  BRANCH_MOVED: "OperationAborted",
  CONTENT_UNSCANNED: "AccessDenied",
  FORMAT_UNSAFE: "AccessDenied",
  SECRETS_FOUND: "AccessDenied",
  RATE_LIMITED: "SlowDown",
  AGENT_CACHE_FULL: "ServiceUnavailable",
};

export function refusalOf(error: unknown): S3Refusal {
  if (error instanceof S3Refusal) return error;
  if (!(error instanceof FerryError)) return new S3Refusal("InternalError", "something went wrong; it is in the log", { cause: error });
  return new S3Refusal(WORDS[error.code] ?? wordByStatus(error), error.message, { cause: error });
}

function wordByStatus({ status, retryable }: FerryError): S3Code {
  if (retryable || status === 503) return "ServiceUnavailable";
  if (status >= 500) return "InternalError";
  return status === 409 ? "OperationAborted" : "InvalidRequest";
}
