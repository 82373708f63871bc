/**
 * Where a request of a Hub client points. Revisions come percent-encoded from Python (`refs%2Fpr%2F1`) and plain from JavaScript
 * (`refs/pr/1`); each part of a path is decoded once, and never again.
 */
import { DEFAULT_BRANCH } from "../../../shared/contract/repositories.ts";
import { FerryError } from "../../../shared/errors.ts";
import { Ref, RepositoryName } from "../../../shared/names.ts";

/** Parts of the path of a URL, decoded. Throws REQUEST_INVALID. */
export function partsOf(url: string): string[] {
  try {
    return new URL(url).pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    throw new FerryError("REQUEST_INVALID", { problem: "path: it can't be decoded" });
  }
}

/** What no repository can be called is one that isn't there. */
export function repositoryIn(namespace: string | undefined, name: string | undefined): RepositoryName {
  const repository = `${namespace}/${name}`;
  const parsed = RepositoryName.safeParse(repository);
  if (!parsed.success) throw new FerryError("REPOSITORY_UNKNOWN", { repository: repository.slice(0, 200) });
  return parsed.data;
}

/** A revision at the start of these parts, and what follows it. Throws REF_UNKNOWN for what can't be one. */
export function revisionIn(repository: RepositoryName, parts: readonly string[]): { ref: string; rest: string } {
  const [first = DEFAULT_BRANCH, ...others] = parts;
  const [kind, name, ...more] = others;
  const isLong = first === "refs" && kind !== undefined && name !== undefined;
  const ref = isLong ? `refs/${kind}/${name}` : first;
  return { ref: refOf(repository, ref), rest: (isLong ? more : others).join("/") };
}

export function refOf(repository: RepositoryName, text: string): string {
  if (text === "" || text === "HEAD") return DEFAULT_BRANCH;
  const [, plain = text] = /^refs\/(?:heads|tags)\/(.+)$/s.exec(text) ?? [];
  const parsed = Ref.safeParse(plain);
  if (!parsed.success || plain.startsWith("refs/")) throw new FerryError("REF_UNKNOWN", { repository, ref: text.slice(0, 200) });
  return parsed.data;
}
