/**
 * What a client found when it looked into the files that it pushes. It is the uploader's claim: the deployment sees no bytes, and checks
 * what it can by names (docs/security.md).
 */
import * as z from "zod";

export const REPORT_FILES_MAX = 16;
export const REPORT_IMPORTS_MAX = 8;

const UnsafeFile = z.strictObject({
  path: z.string().max(1024),
  kind: z.enum(["pickle", "zip", "tar", "npy", "packed", "keras"]),
  /** The worst first; more may be there. */
  imports: z.array(z.string().max(200)).max(REPORT_IMPORTS_MAX),
});

export const ContentReport = z.strictObject({
  /** Of what is looked for: 1. */
  v: z.literal(1),
  /** Files that were looked into; how many of them run code when they are loaded, and how many with imports known to be dangerous. */
  files: z.int().min(0),
  unsafe: z.int().min(0),
  dangerous: z.int().min(0),
  /** Files in which secrets were found. */
  secrets: z.int().min(0),
  /** The first of the unsafe ones, dangerous ones before others. */
  listed: z.array(UnsafeFile).max(REPORT_FILES_MAX),
});
export type ContentReport = z.infer<typeof ContentReport>;
