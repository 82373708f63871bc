/** What repositories are in the trash. */
import type { TrashPage } from "../../shared/contract/lifecycle.ts";
import type { RepositoryId } from "../../shared/contract/repositories.ts";
import type { RepositoryName } from "../../shared/names.ts";
import type { Cli } from "./cli.ts";
import { firstItems } from "./pages.ts";

/** More than anybody reads, and an end. */
export const LISTED_MAX = 100_000;

export async function trashedRepositories(cli: Cli): Promise<{ items: TrashPage["repositories"]; more: boolean }> {
  const client = await cli.connect();
  return firstItems(LISTED_MAX, async (query) => {
    const { repositories, next } = await client.call("listTrash", { query });
    return { items: repositories, next };
  });
}

/** The name that a repository in the trash had; undefined when it is not there, or not the caller's to delete. */
export async function findTrashed(cli: Cli, id: RepositoryId): Promise<RepositoryName | undefined> {
  return (await trashedRepositories(cli)).items.find((entry) => entry.id === id)?.repository;
}
