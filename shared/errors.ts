/**
 * The closed table of everything that can go wrong, and the one error class that carries a row of it.
 *
 * A row says: the HTTP status, whether the same request may succeed when repeated, and the sentence a person reads. `{name}` in a
 * sentence is filled from the error's details. `next` tells what to do about it.
 */
type ErrorSpec = { status: number; retryable: boolean; message: string; next: string };

export const ERRORS = {
  REQUEST_INVALID: {
    status: 400,
    retryable: false,
    message: "the request is not valid: {problem}",
    next: "Correct the named field and send it again.",
  },
  BODY_TOO_LARGE: {
    status: 413,
    retryable: false,
    message: "the request body is larger than {limitBytes} bytes",
    next: "Send it in smaller pages.",
  },
  MEDIA_TYPE_INVALID: {
    status: 415,
    retryable: false,
    message: "the request body is {type} instead of application/json",
    next: "Send JSON, with the header content-type: application/json.",
  },
  ROUTE_UNKNOWN: { status: 404, retryable: false, message: "there is no {method} {path}", next: "See /openapi.json for the routes." },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    message: "{path} does not take {method}",
    next: "See /openapi.json for the routes.",
  },

  TOKEN_MISSING: { status: 401, retryable: false, message: "this needs a token", next: "Run `ferry login`, or set FERRY_TOKEN." },
  TOKEN_INVALID: {
    status: 401,
    retryable: false,
    message: "the token is unknown, expired or revoked",
    next: "Ask for a new token, then run `ferry login`.",
  },
  CSRF_INVALID: {
    status: 403,
    retryable: false,
    message: "a write in a session needs the session's own header x-ferry-csrf",
    next: "Send the value of the cookie __Host-ferry-csrf; is the page that asks one of this deployment?",
  },
  PERMISSION_DENIED: {
    status: 403,
    retryable: false,
    message: "the token may not {action} {repository}",
    next: "Ask an administrator for a token whose scope allows it.",
  },
  SCOPE_EXCEEDED: {
    status: 403,
    retryable: false,
    message: "a token can't grant more than its maker holds: {problem}",
    next: "Ask for a narrower scope.",
  },
  ADDRESS_DENIED: {
    status: 403,
    retryable: false,
    message: "the token may not be used from {address}",
    next: "Use it from the networks it was made for, or ask for another one.",
  },
  TOKEN_UNKNOWN: { status: 404, retryable: false, message: "there is no token {id}", next: "List the tokens with `ferry token ls`." },
  TOKEN_ENDED: {
    status: 409,
    retryable: false,
    message: "token {id} is expired or revoked, so it gets no new secret",
    next: "Make another one with `ferry token create`.",
  },
  IDENTITY_INVALID: {
    status: 401,
    retryable: false,
    message: "the identity token is not accepted: {problem}",
    next: "Compare its issuer, audience and claims with the deployment's IDENTITY_ISSUERS; of a login, begin it again.",
  },
  IDENTITY_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "the keys of {issuer} can't be read now",
    next: "Try again in a moment; if it stays, the jwksUrl in IDENTITY_ISSUERS, or an address in LOGIN, is not reachable.",
  },

  REPOSITORY_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "there is no repository {repository}",
    next: "Check the name with `ferry ls`, or push to create it.",
  },
  REPOSITORY_EXISTS: {
    status: 409,
    retryable: false,
    message: "the repository {repository} exists already",
    next: "Push to it, or choose another name.",
  },
  REPOSITORY_MOVED: {
    status: 404,
    retryable: false,
    message: "the repository {repository} is called {current} now",
    next: "Use its new name.",
  },
  REPOSITORY_BLOCKED: {
    status: 403,
    retryable: false,
    message: "downloads of {repository} are blocked since {at}: {reason}",
    next: "Ask its administrators; `ferry unblock` ends it.",
  },
  REF_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "{repository} has no branch, tag or revision {ref}",
    next: "See `ferry show {repository}` for what it has.",
  },
  REVISION_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "{repository} has no revision {revision}",
    next: "See `ferry log {repository}` for what it has.",
  },
  REVISION_DELETED: {
    status: 410,
    retryable: false,
    message: "revision {revision} is in the trash since {deletedAt}",
    next: "Take it out with `ferry trash restore`.",
  },
  REVISION_UNVERIFIED: {
    status: 409,
    retryable: false,
    message: "{count} chunks of revision {revision} were not verified yet, so no other repository may have them",
    next: "Push it there instead, or wait until they are verified.",
  },
  REVISION_IN_USE: { status: 409, retryable: false, message: "revision {revision} is named by {ref}", next: "Move or remove that first." },
  REVISION_NOT_DELETED: {
    status: 409,
    retryable: false,
    message: "revision {revision} is not in the trash",
    next: "Delete it first; it stays there for a while.",
  },
  TRASH_TOO_YOUNG: {
    status: 409,
    retryable: false,
    message: "{what} is in the trash since {deletedAt}, and stays for {days} days",
    next: "Wait, or have an administrator purge it with --now.",
  },
  QUOTA_EXCEEDED: {
    status: 507,
    retryable: false,
    message: "{repository} may have {limit} {what}, and would have {would}",
    next: "Delete what is not needed, or ask for more.",
  },
  RETENTION_EMPTY: {
    status: 409,
    retryable: false,
    message: "the retention rules of {repository} would delete {count} revisions, but {problem}",
    next: "Correct the rules, or run them with --force when that is meant.",
  },
  COLLECT_REFUSED: {
    status: 409,
    retryable: false,
    message: "collection stopped before deleting anything: {problem}",
    next: "Look at `ferry collect`; `ferry fsck` tells what is wrong.",
  },
  SESSION_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "{repository} has no open session {session}",
    next: "See `ferry session ls {repository}`.",
  },
  SESSION_DISAGREES: {
    status: 409,
    retryable: false,
    message: "session {session} was opened with {what} {opened}, not {given}",
    next: "Have all ranks say the same, or use another session.",
  },
  SESSION_ENDED: {
    status: 409,
    retryable: false,
    message: "session {session} {how}",
    next: "Push under another session; what is stored already is not sent again.",
  },
  SESSION_BUSY: {
    status: 503,
    retryable: true,
    message: "session {session} is being committed by another rank",
    next: "Ask again in a moment: the answer is the same revision.",
  },
  PARTS_MISSING: {
    status: 409,
    retryable: false,
    message: "session {session} has no part {missing} of {parts} yet",
    next: "See to those ranks and run them again, or end it: `ferry session abort`.",
  },
  PART_TAKEN: {
    status: 409,
    retryable: false,
    message: "part {part} was sealed with other files",
    next: "Each rank needs a part of its own.",
  },
  PATH_TAKEN: {
    status: 409,
    retryable: false,
    message: "parts {part} and {other} both have {path}, with other content",
    next: "Leave it out of one of them, and push under another session.",
  },
  FILE_UNKNOWN: { status: 404, retryable: false, message: "revision {revision} has no file {path}", next: "See `ferry ls` for its files." },
  TAG_EXISTS: {
    status: 409,
    retryable: false,
    message: "tag {tag} points at {current} already",
    next: "Choose another tag, or move it with --force.",
  },
  TAG_MOVED: {
    status: 409,
    retryable: false,
    message: "tag {tag} points at {current}, not at {expected}",
    next: "Look at it again, then decide.",
  },
  TAG_UNMOVED: {
    status: 409,
    retryable: false,
    message: "tag {tag} has pointed at {current} ever since it was made",
    next: "Set it to the revision you mean: `ferry tag`.",
  },
  TAG_LOCKED: { status: 409, retryable: false, message: "tag {tag} is locked", next: "Unlock it first, if you may: `ferry tag --unlock`." },
  KEY_EXISTS: {
    status: 409,
    retryable: false,
    message: "the key {key} is known already",
    next: "See `ferry key ls`; a key that was revoked stays so.",
  },
  KEY_UNKNOWN: { status: 404, retryable: false, message: "there is no key {key}", next: "See `ferry key ls`." },
  KEY_REVOKED: { status: 409, retryable: false, message: "the key {key} was revoked at {at}", next: "Sign with another key." },
  SIGNATURE_INVALID: {
    status: 422,
    retryable: false,
    message: "this is no signature of manifest {manifest} by key {key}",
    next: "Sign the revision again: `ferry sign`.",
  },
  SIGNATURE_MISSING: {
    status: 409,
    retryable: false,
    message: "revision {revision} is not signed by {keys}",
    next: "Have it signed (`ferry sign`), or use another revision.",
  },
  TAG_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "{repository} has no tag {tag}",
    next: "See `ferry show {repository}` for its tags.",
  },
  SETTINGS_CHANGED: {
    status: 409,
    retryable: false,
    message: "the settings of {repository} are not what was expected: somebody changed them",
    next: "Look at them again, then decide.",
  },
  BRANCH_MOVED: {
    status: 409,
    retryable: false,
    message: "branch {branch} moved to {current} while you worked on {expected}",
    next: "Pull it and push again, or push to another branch.",
  },
  BRANCH_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "{repository} has no branch {branch}",
    next: "See `ferry show {repository}` for its branches.",
  },
  BRANCH_NOT_DELETABLE: {
    status: 409,
    retryable: false,
    message: "the branch {branch} can't be deleted",
    next: "Delete the repository instead.",
  },

  IMPORT_UNKNOWN: { status: 404, retryable: false, message: "there is no import {id} to be done", next: "See `ferry imports ls`." },
  WARMUP_UNKNOWN: { status: 404, retryable: false, message: "there is no warm-up {id}", next: "See `ferry warm ls`." },
  UPLOAD_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "the upload is unknown, expired or somebody else's",
    next: "Open a new upload; what is stored already is not sent again.",
  },
  FILE_UNSTAGED: {
    status: 400,
    retryable: false,
    message: "LFS pointer pointed to a file that does not exist: {sha256}: {problem}",
    next: "Upload the file again, with the token that commits it.",
  },
  UPLOADS_EXCEEDED: {
    status: 409,
    retryable: false,
    message: "the token has {max} uploads that are not committed, and may not begin more",
    next: "Finish some of them; each is forgotten a day after it was begun.",
  },
  CHUNK_UNPROVEN: {
    status: 409,
    retryable: false,
    message: "{count} chunks are not proven to be stored by this upload",
    next: "Reserve and send the listed chunks under the next attempt.",
  },
  CHUNK_CONDEMNED: {
    status: 409,
    retryable: false,
    message: "{count} chunks of revision {revision} are listed for collection, so nothing new may name them",
    next: "Pull the revision and push it: those chunks are sent anew.",
  },
  CHUNK_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "revision {revision} has no chunk {chunk}",
    next: "Take the chunks from the revision's recipes.",
  },
  RECIPE_UNPROVEN: {
    status: 409,
    retryable: false,
    message: "{count} recipes were not sent in this upload",
    next: "Send the listed recipes, then commit again.",
  },
  RECIPE_INVALID: { status: 422, retryable: false, message: "a recipe is not valid: {problem}", next: "Make it again from the file." },
  RECIPE_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "revision {revision} has no recipe {recipe}",
    next: "Take the recipes from the revision's manifest.",
  },
  MANIFEST_INVALID: {
    status: 422,
    retryable: false,
    message: "the manifest is not valid: {problem}",
    next: "Correct it and commit again.",
  },
  PATH_UNSAFE: { status: 422, retryable: false, message: "the path {path} is not safe: {problem}", next: "Rename the file." },
  DIGEST_INVALID: {
    status: 422,
    retryable: false,
    message: "the content of {what} does not have the digest {expected}",
    next: "Read it again; if it stays, run `ferry doctor`.",
  },
  SIZE_INVALID: {
    status: 422,
    retryable: false,
    message: "{what} has {actual} bytes instead of {expected}",
    next: "Read it again; if it stays, run `ferry doctor`.",
  },

  CONTENT_UNSCANNED: {
    status: 422,
    retryable: false,
    message: "{repository} takes nothing of which nobody says what is in it",
    next: "Push with `ferry`, which looks into the files.",
  },
  FORMAT_UNSAFE: {
    status: 422,
    retryable: false,
    message: "{path} runs code when it is loaded, and {repository} takes safe formats only",
    next: "Save it as safetensors or GGUF, or leave it out: --exclude.",
  },
  SECRETS_FOUND: {
    status: 422,
    retryable: false,
    message: "secrets were found in {count} files, and {repository} takes none",
    next: "Take them out, and revoke what was in them; `ferry scan` shows where.",
  },

  STORE_UNKNOWN: { status: 404, retryable: false, message: "there is no store {store}", next: "See `ferry store ls`." },
  REPLICA_NOT_READY: {
    status: 503,
    retryable: true,
    message: "store {store} does not have revision {revision} whole yet",
    next: "Wait until `ferry sync status` shows it ready, or read from another store.",
  },
  WEBHOOK_UNKNOWN: { status: 404, retryable: false, message: "there is no webhook {webhook}", next: "See `ferry webhook ls`." },
  WEBHOOK_EXISTS: {
    status: 409,
    retryable: false,
    message: "there is a webhook {webhook} already",
    next: "Choose another name, or remove that one first.",
  },
  DELIVERY_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "webhook {webhook} has no delivery {delivery}",
    next: "See `ferry webhook deliveries {webhook}`; old ones are forgotten.",
  },
  URL_REFUSED: {
    status: 400,
    retryable: false,
    message: "the URL is refused: {problem}",
    next: "Give a public https:// address, or have its host named in WEBHOOK_PRIVATE_HOSTS.",
  },
  HOOK_SOURCE_UNKNOWN: {
    status: 404,
    retryable: false,
    message: "no webhooks of {source} are taken here",
    next: "See `ferry webhook source ls`.",
  },
  HOOK_REFUSED: {
    status: 401,
    retryable: false,
    message: "the message is not proven to be from {source}: {problem}",
    next: "Compare the secret, and the clocks, with the sender's.",
  },
  HOOK_BUSY: { status: 503, retryable: true, message: "this message is being worked on", next: "Send it again in a moment." },
  POLICY_UNKNOWN: { status: 404, retryable: false, message: "there is no policy {policy}", next: "See `ferry policy ls`." },
  POLICY_TOO_LARGE: {
    status: 409,
    retryable: false,
    message: "policy {policy} would move {bytes} bytes, which is more than {limitBytes}",
    next: "See what it matches with `ferry policy preview`; save it with --yes when that is meant.",
  },
  TASK_LOST: {
    status: 409,
    retryable: false,
    message: "task {task} is another executor's by now, or done",
    next: "Ask for another task.",
  },
  FOLLOWER_READ_ONLY: {
    status: 409,
    retryable: false,
    message: "nothing is written here: {home} is home",
    next: "Write to the deployment that is home; when it is lost, see `ferry promote`.",
  },
  STORE_UNPROVEN: {
    status: 503,
    retryable: true,
    message: "store {store} was not probed yet, so nothing may be uploaded to it",
    next: "Run `ferry store probe {store}`.",
  },
  STORE_UNSAFE: {
    status: 409,
    retryable: false,
    message: "store {store} does not refuse wrong bytes in any way that was tried",
    next: "Use another store; see `ferry store probe {store}`.",
  },
  STORAGE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "store {store} did not answer as it should: {problem}",
    next: "Try again in a moment; `ferry doctor` shows the state.",
  },
  INDEX_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "the index did not answer: {problem}",
    next: "Try again in a moment; `ferry doctor` shows the state.",
  },
  INDEX_REBUILDING: {
    status: 503,
    retryable: true,
    message: "the index is being rebuilt from the bucket",
    next: "Try again in a moment; nothing is lost.",
  },
  LOG_DAMAGED: {
    status: 500,
    retryable: false,
    message: "the log of {repository} is damaged: {problem}",
    next: "Run `ferry doctor`, and keep the bucket as it is.",
  },
  CONFIG_INVALID: {
    status: 500,
    retryable: false,
    message: "the deployment's settings are not valid: {problem}",
    next: "Correct the named settings and deploy again.",
  },
  RATE_LIMITED: { status: 429, retryable: true, message: "too many {what}", next: "Wait as long as Retry-After says." },
  INTERNAL: {
    status: 500,
    retryable: true,
    message: "something went wrong on our side",
    next: "Try again; if it stays, report the request id.",
  },

  ENDPOINT_MISSING: {
    status: 400,
    retryable: false,
    message: "no endpoint is set",
    next: "Run `ferry login https://…`, or set FERRY_ENDPOINT.",
  },
  ENDPOINT_INSECURE: {
    status: 400,
    retryable: false,
    message: "{endpoint} is plain http on another machine: the token could be read on the way",
    next: "Use https, or add --plain-http (FERRY_PLAIN_HTTP=1) where the network is trusted.",
  },
  ENDPOINT_UNREACHABLE: {
    status: 503,
    retryable: true,
    message: "{endpoint} can't be reached: {problem}",
    next: "Check FERRY_ENDPOINT and the network; `ferry doctor` tests both.",
  },
  ANSWER_INVALID: {
    status: 502,
    retryable: false,
    message: "{endpoint} answered something that is not modelferry's: {problem}",
    next: "Check FERRY_ENDPOINT; is it a modelferry deployment?",
  },
  TRANSFER_FAILED: {
    status: 502,
    retryable: true,
    message: "{what} could not be transferred: {problem}",
    next: "Run the same command again; it goes on where it stopped.",
  },
  TRANSFER_REFUSED: {
    status: 502,
    retryable: false,
    message: "the store refused {what}: {problem}",
    next: "Run the same command again; if it stays, run `ferry doctor`.",
  },
  TRANSFER_STALLED: {
    status: 504,
    retryable: true,
    message: "{what} made no progress for {seconds} s",
    next: "Check the network, then run the same command again; it goes on where it stopped.",
  },
  SOURCE_UNAVAILABLE: {
    status: 502,
    retryable: true,
    message: "{source} can't be read: {problem}",
    next: "Run the same command again; it goes on where it stopped.",
  },
  FILE_UNREADABLE: {
    status: 422,
    retryable: false,
    message: "{path} can't be read: {problem}",
    next: "Correct it, then run the same command again.",
  },
  FILE_UNWRITABLE: {
    status: 422,
    retryable: false,
    message: "{path} can't be written: {problem}",
    next: "Free space or correct the rights, then run the same command again.",
  },
  FILE_CHANGED: {
    status: 409,
    retryable: false,
    message: "{path} changed while it was read",
    next: "Wait until it is written, then run the same command again.",
  },
  AGENT_CACHE_BUSY: {
    status: 409,
    retryable: false,
    message: "the cache {path} belongs to another agent: {owner}",
    next: "Stop that agent, or give this one a folder of its own with --cache.",
  },
  AGENT_CACHE_UNFIT: {
    status: 422,
    retryable: false,
    message: "{path} can't hold a cache: {problem}",
    next: "Give a folder on a local disk that this process may write to with --cache.",
  },
  AGENT_READS_ONLY: {
    status: 403,
    retryable: false,
    message: "this cache only reads; uploads go to the registry itself",
    next: "Set HF_ENDPOINT to the registry's own address.",
  },
  AGENT_CACHE_FULL: {
    status: 507,
    retryable: true,
    message: "the cache has no room for {sizeBytes} bytes: {problem}",
    next: "Free space on its disk, or give it more with --max-bytes; pulls go on from the store meanwhile.",
  },
  AGENT_TICKET_INVALID: {
    status: 403,
    retryable: false,
    message: "the agent does not take this ticket: {problem}",
    next: "Ask the API for new tickets; if it stays, see whether agent and client use the same deployment and group.",
  },
  CONFIRMATION_MISSING: {
    status: 400,
    retryable: false,
    message: "removing {what} needs a confirmation, and nobody can be asked here",
    next: "Add --yes when you are sure.",
  },
  USAGE_INVALID: { status: 400, retryable: false, message: "{problem}", next: "See `ferry --help`." },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorDetails = Record<string, unknown>;

/** Any failure that a caller is told about. `details` fill the sentence and travel in the answer, so they never hold secrets. */
export class FerryError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(fill(ERRORS[code].message, details), options);
    this.name = "FerryError";
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Whether sending the same request again may succeed. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** What the person can do about it. */
  get next(): string {
    return fill(ERRORS[this.code].next, this.details);
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERRORS, value);
}

/** The sentence of an unknown failure, for `{problem}`; never the failure's stack. */
export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fill(sentence: string, details: ErrorDetails): string {
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? "?"));
}
