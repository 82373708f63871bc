/** A repository's settings, which the server replaces whole. */
import type { FerryClient } from "../../shared/client.ts";
import type { RepositorySettings } from "../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../shared/names.ts";
import { newOperationId } from "./operation.ts";

export async function changeSettings(
  client: FerryClient,
  repository: RepositoryName,
  settings: RepositorySettings,
): Promise<RepositorySettings> {
  return (await client.call("setSettings", { repository, body: { settings, operationId: newOperationId() } })).settings;
}
