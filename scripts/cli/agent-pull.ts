/** Makes a pull take chunks from the agent of this machine, when there is one. */
import type { FerryClient } from "../../shared/client.ts";
import { findAgent } from "../agent/agent-place.ts";
import type { EngineOptions } from "../node/transfer.ts";
import type { Host } from "./host.ts";

type FromAgent = Pick<EngineOptions, "shelf" | "onPlan">;

/** Throws USAGE_INVALID when FERRY_AGENT names no place. */
export async function fromAgent(host: Host): Promise<(client: FerryClient, note: (text: string) => void) => FromAgent> {
  const place = findAgent(host.env);
  if (place === null) return () => ({});
  const { AgentShelf } = await import("../agent/shelf.ts");
  return (client, note) => {
    const shelf = new AgentShelf(place, client, note);
    return {
      shelf,
      onPlan: ({ revision, files }, repository) => {
        const chunks = [...files].sort((a, b) => b.sizeBytes - a.sizeBytes).flatMap((file) => file.chunks);
        shelf.expect({ repository, revision: revision.revision }, chunks);
      },
    };
  };
}
