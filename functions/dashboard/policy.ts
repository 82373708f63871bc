/** What a browser may do on the console's behalf: run and style it from here, and speak to this deployment and its stores. Nothing inline, nothing foreign. */

/** Name of the one Trusted Types policy: it makes the URL of the hashing worker, and refuses everything else (app/upload/hash-pool.ts). */
export const TRUSTED_POLICY = "console";

/** @param storeOrigins where signed URLs lead: chunks go there and come from there. */
export function pagePolicy(storeOrigins: readonly string[]): string {
  const directives = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    `connect-src ${["'self'", ...new Set(storeOrigins)].join(" ")}`,
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    `trusted-types ${TRUSTED_POLICY}`,
  ];
  return directives.join("; ");
}

/** Of the files beside the page. The worker's own file decides what the worker may do: import, never speak to anybody. */
export const FILE_HEADERS = {
  "content-security-policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
} as const;

/** Files whose names have a hash of their content, below the console's folder. */
export const HASHED_FOLDER = "parts";
export const HASHED_CACHING = "public, max-age=31536000, immutable";
/** Other files keep their names from version to version. */
export const NAMED_CACHING = "no-cache";
