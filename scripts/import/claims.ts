/** What an origin says of a file's content, held against the bytes that came. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { MiB } from "../../shared/units.ts";
import type { OriginFile } from "./origin.ts";

/** Null, or what is wrong. The SHA-256 is not looked at: whoever cuts the file into chunks finds it anyway. */
export async function claimProblem(place: string, { sizeBytes, sha256, gitId, md5 }: OriginFile): Promise<string | null> {
  if (sha256 !== null || (gitId === null && md5 === null)) return null;
  const hash = createHash(gitId === null ? "md5" : "sha1");
  if (gitId !== null) hash.update(`blob ${sizeBytes}\0`);
  for await (const bytes of createReadStream(place, { highWaterMark: MiB })) hash.update(bytes as Buffer);
  const found = hash.digest("hex");
  return found === (gitId ?? md5) ? null : `its ${gitId === null ? "MD5" : "git id"} is ${found}`;
}
