/**
 * Names of S3 as names of ours: a bucket is a namespace, a key is `name[/ref]/path`.
 *
 * Which part of a key is the ref: the longest branch or tag of the repository that the key goes on with, or a revision's 40 hex
 * characters. When there is none, the rest is a path on the default branch. So `llama/v1/config.json` is `config.json` of the tag v1 when
 * there is a tag v1, else `v1/config.json` of main; who names the ref (`llama/main/v1/config.json`) is never misunderstood.
 * `name@ref/path`, with a ref of one part, says so outright: that is how files get onto a branch that is not there yet.
 */

import { NamePart, RefName, RevisionId } from "../../../shared/names.ts";
import { pathProblem } from "../../../shared/paths.ts";
import { S3Refusal } from "./refusals.ts";

export const KEY_BYTES_MAX = 1024;
/** A PUT of this name commits what is pending on the branch; its body is the message. */
export const COMMIT_PATH = ".commit";

export type S3Target = { bucket: string; key: string };

/** What the path of a request names; both empty: the service itself. Throws S3Refusal. */
export function parseTarget(path: string): S3Target {
  if (!path.startsWith("/")) throw new S3Refusal("InvalidURI", "the URI has no path");
  const at = path.indexOf("/", 1);
  const bucket = decode(at < 0 ? path.slice(1) : path.slice(1, at));
  const key = at < 0 ? "" : decode(path.slice(at + 1));
  if (bucket === "" && key !== "") throw new S3Refusal("InvalidBucketName", "the bucket's name is empty");
  if (bucket !== "" && !NamePart.safeParse(bucket).success) throw new S3Refusal("InvalidBucketName", "a bucket is a namespace");
  if (new TextEncoder().encode(key).length > KEY_BYTES_MAX)
    throw new S3Refusal("KeyTooLongError", `a key has at most ${KEY_BYTES_MAX} bytes`);
  return { bucket, key };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Refusal("InvalidURI", "the URI can't be decoded");
  }
}

/** `at`: the ref that the key names outright. */
export type KeyParts = { name: string; at: string | null; rest: string };

/** Null: the key names no repository. */
export function splitKey(key: string): KeyParts | null {
  const slash = key.indexOf("/");
  if (slash < 0) return null;
  const [name = "", at, more] = key.slice(0, slash).split("@");
  if (!NamePart.safeParse(name).success || more !== undefined) return null;
  if (at !== undefined && !RefName.safeParse(at).success && !RevisionId.safeParse(at).success) return null;
  return { name, at: at ?? null, rest: key.slice(slash + 1) };
}

/** `ref` null: the default branch. `prefix`: what of the key is before the path. */
export type KeyPlace = { name: string; ref: string | null; path: string; prefix: string };

/** @param isRef whether the repository has a branch or a tag of this name. */
export function placeOf({ name, at, rest }: KeyParts, isRef: (text: string) => boolean): KeyPlace {
  if (at !== null) return { name, ref: at, path: rest, prefix: `${name}@${at}/` };
  const parts = rest.split("/");
  for (let count = parts.length - 1; count > 0; count--) {
    const ref = parts.slice(0, count).join("/");
    if (ref.length <= 128 && (isRef(ref) || (count === 1 && RevisionId.safeParse(ref).success)))
      return { name, ref, path: parts.slice(count).join("/"), prefix: `${name}/${ref}/` };
  }
  return { name, ref: null, path: rest, prefix: `${name}/` };
}

/** Throws S3Refusal unless a file may have this path. */
export function demandPath(path: string): void {
  const problem = pathProblem(path);
  if (problem !== null) throw new S3Refusal("InvalidArgument", `the key is not safe: ${problem}`);
}
