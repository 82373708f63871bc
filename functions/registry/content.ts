/**
 * What a repository takes, by its settings. The deployment sees no bytes: what is in a file its uploader says. So a rule wants that to be
 * said at all, and names of formats that run code are refused whatever is said of them.
 */
import type { ContentReport } from "../../shared/contract/content.ts";
import type { RepositorySettings, RepositorySummary } from "../../shared/contract/repositories.ts";
import { FerryError } from "../../shared/errors.ts";
import type { Manifest } from "../../shared/manifest.ts";

/** Weights that are pickles, or hold them; and models that hold code. */
const UNSAFE_NAME = /\.(bin|pt|pth|pt2|ckpt|pkl|pickle|joblib|dill|cloudpickle|distcp|mar|npz|h5|hdf5|keras|pb)$/i;

/** Throws CONTENT_UNSCANNED, FORMAT_UNSAFE, SECRETS_FOUND. */
export function refuseContent(
  { repository }: RepositorySummary,
  { formats, secrets }: RepositorySettings,
  { files }: Manifest,
  report: ContentReport | null,
): void {
  if (formats !== "safe" && secrets !== "block") return;
  const named = files.find(({ path }) => UNSAFE_NAME.test(path));
  if (formats === "safe" && named !== undefined) throw new FerryError("FORMAT_UNSAFE", { repository, path: named.path });
  if (report === null) throw new FerryError("CONTENT_UNSCANNED", { repository });
  if (formats === "safe" && report.unsafe > 0)
    throw new FerryError("FORMAT_UNSAFE", { repository, path: report.listed[0]?.path ?? "a file" });
  if (secrets === "block" && report.secrets > 0) throw new FerryError("SECRETS_FOUND", { repository, count: report.secrets });
}
