/** A repository's settings, which the server replaces whole, if they still are what was looked at. */
import type { FerryClient } from "../../shared/client.ts";
import type { RepositorySettings } from "../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { newOperationId } from "./operation.ts";

export async function changeSettings(
  client: FerryClient,
  repository: RepositoryName,
  expected: RepositorySettings,
  changes: Partial<RepositorySettings>,
): Promise<RepositorySettings> {
  const body = { settings: { ...expected, ...changes }, expected, operationId: newOperationId() };
  return (await client.call("setSettings", { repository, body })).settings;
}
